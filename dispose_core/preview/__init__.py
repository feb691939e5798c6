"""Previews of motion: the person warped along a motion field over an inpainted background."""
