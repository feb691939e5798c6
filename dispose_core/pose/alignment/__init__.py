"""Alignment of driving poses to the reference: gap filling, placement, retargeting, contacts."""
