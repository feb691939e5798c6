"""Who is where, frame by frame: pose sequences, their files, detection, alignment, drawing.

Exported is what needs NumPy alone. `render` needs OpenCV and `detect`'s backends need packages of
their own: import those modules where they are used.
"""

from .align import AlignOptions, align_poses
from .detect import PoseDetector, create_detector, detect_reference, extract_poses
from .openpose import load_openpose, read_openpose, save_openpose, write_openpose
from .people import PersonChoice, choose_person
from .repair import fill_gaps, smooth
from .sequence import PoseSequence, make_clip

__all__ = [
    "AlignOptions",
    "PersonChoice",
    "PoseDetector",
    "PoseSequence",
    "align_poses",
    "choose_person",
    "create_detector",
    "detect_reference",
    "extract_poses",
    "fill_gaps",
    "load_openpose",
    "make_clip",
    "read_openpose",
    "save_openpose",
    "smooth",
    "write_openpose",
]
