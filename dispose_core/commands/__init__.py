"""What the commands do: files in, files out, a summary back.

One module a command. Its `run` takes the options that `cli` parsed and returns what `--json`
prints; the summary's `report` holds the sentences for people.
"""
