"""Tracking people across frames and selecting the person to use."""
