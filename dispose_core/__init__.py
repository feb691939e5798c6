"""The DisPose library: poses, motion, and the pictures they make. It never imports ComfyUI.

Importing this package loads nothing heavy; each room (`pose`, `motion`) is imported by whoever
needs it.
"""

__version__ = "0.1.0"
