"""Open, recognize, load, convert and download model files."""
