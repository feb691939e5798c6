"""Pose detectors: a registry, and one backend a file or folder."""
