"""Sparse and dense motion from the reference image to every driving frame."""
