"""Networks built from their files, one module for each family of files."""
