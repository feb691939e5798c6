"""Edits of poses made by hand: their text form and what they do."""
