"""The complete method from files to files: configuration, preprocessing, components, runs."""
