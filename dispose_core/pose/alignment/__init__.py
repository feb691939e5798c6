"""Driving poses put on the body of the reference: placement, limb lengths, feet, gaps."""
