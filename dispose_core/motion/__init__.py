"""Motion from the reference image to every driving frame, sparse and dense."""
