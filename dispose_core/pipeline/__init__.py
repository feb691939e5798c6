"""The whole method from files to files: configuration, preprocessing, components, running."""
