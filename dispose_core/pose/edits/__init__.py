"""Manual pose edits: text format and application."""
