"""Model files: safe opening, recognition, loading, conversion, download."""
