"""Densifiers: what spreads the motion of the joints over the image."""
