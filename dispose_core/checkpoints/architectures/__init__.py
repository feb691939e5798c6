"""Loaders that build networks from their files, one module per family of files."""
