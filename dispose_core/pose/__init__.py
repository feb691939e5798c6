"""Poses: sequences, their files, detection, tracking, alignment, editing, drawing."""
