"""Backends that find people in pictures, one a file; `detect.create_detector` loads them."""
