"""Pose detector backends and their registry; one backend per file or folder."""
