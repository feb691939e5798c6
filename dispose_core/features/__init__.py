"""Keypoint features: diffusion features of the reference at its joints, and their visualisation."""
