"""Densifiers, which turn the motion of joints into dense flow."""
