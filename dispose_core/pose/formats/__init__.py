"""Pose files of other programs, one module for each kind; `registry.py` recognizes them."""
