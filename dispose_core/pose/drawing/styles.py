"""Registry of drawing styles. A new one is an entry here, of one shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2

from ...errors import PoseError
from ...registry import Registry
from .dwpose import RulePainter, Rules, Size, Toes, by_short_side, doubled
from .mimicmotion import MimicMotionPainter
from .shapes import Painter


@dataclass(frozen=True)
class Style:
    """Entry of the style registry.

    Attributes:
        name: as users choose it.
        summary: for which models it is and what it looks like; for tooltips.
        painter: makes a painter for images of a size (H, W).
    """

    name: str
    summary: str
    painter: Callable[[tuple[int, int]], Painter]


def _by_rules(name: str, summary: str, rules: Rules) -> Style:
    return Style(name, summary, partial(RulePainter, rules))


def _xinsir(size: Size) -> int:
    """comfyui_controlnet_aux, dwpose/util.py `xinsr_stick_scaling`: 4 pixels up to a long side of
    499, and then times 2, and one more for each 1000 pixels, 7 at most."""
    longest = max(size)
    return 4 if longest < 500 else 4 * min(2 + longest // 1000, 7)


def _wan_body(size: Size) -> int:
    """Wan2.2, animate/preprocess/human_visualization.py `draw_aapose_new`, stick width "v2"."""
    return max(min(size) // 200 - 1, 1)


def _wan_hand(size: Size) -> int:
    """Same file, `draw_handpose_new`: half the body's."""
    return max(_wan_body(size) // 2, 1)


# The first toe limb is drawn in the colour that follows the last limb's.
_NEXT = (255, 0, 85)
_WAN_TOES = Toes(limbs=(_NEXT, (200, 200, 0)), joints=((200, 200, 0), (100, 100, 0)))
_UNIANIMATE_TOES = Toes(limbs=(_NEXT, (170, 255, 255)), joints=((170, 255, 255), (255, 255, 0)))

STYLES: Registry[Style] = Registry(
    "drawing style",
    (
        Style(
            "mimicmotion",
            "as MimicMotion and DisPose were trained, thin lines whose brightness is the "
            "confidence.",
            MimicMotionPainter,
        ),
        # comfyui_controlnet_aux, dwpose/util.py and __init__.py `draw_poses`.
        _by_rules(
            "dwpose",
            "as ControlNet Aux draws DWPose, for the pose control of LTX, VACE and most "
            "ControlNets.",
            Rules(),
        ),
        _by_rules(
            "dwpose-xinsir",
            "the same with limbs that are wider in large images, for xinsir's ControlNets.",
            Rules(limb=_xinsir),
        ),
        # ComfyUI, comfy_extras/nodes_sdpose.py `KeypointDraw`: limbs are not dimmed.
        _by_rules(
            "sdpose",
            "as ComfyUI's own SDPose Draw Keypoints draws, with bright limbs.",
            Rules(dim=1.0, right_hand_first=True, only_inside=True),
        ),
        # ali-vilab/VACE, vace/annotators/pose.py: drawn at 1024 pixels, sides in multiples of 64,
        # then resized; red and blue change places on the way out.
        _by_rules(
            "vace",
            "as VACE's own preprocessing draws: at 1024 pixels and then resized, blue before red.",
            Rules(canvas=by_short_side(1024, 64), people="layers", swapped=True),
        ),
        # ali-vilab/UniAnimate, run_align_pose.py `draw_body_and_foot`, written by OpenCV.
        _by_rules(
            "unianimate",
            "as UniAnimate draws: with toes, without face, the first person alone, blue before "
            "red.",
            Rules(toes=_UNIANIMATE_TOES, face=None, people="first", swapped=True),
        ),
        # MCG-NJU/SteadyDancer, preprocess/pose_align.py: drawn at twice the size, threshold 0.35.
        _by_rules(
            "steadydancer",
            "as SteadyDancer draws: at twice the size and then halved, without face, the first "
            "person alone, blue before red.",
            Rules(
                canvas=doubled,
                face=None,
                threshold=0.35,
                people="first",
                swapped=True,
                shrink=cv2.INTER_LINEAR,
            ),
        ),
        # Wan2.2, animate/preprocess/human_visualization.py `draw_aapose_by_meta_new`.
        _by_rules(
            "wan-animate",
            "as Wan-Animate draws: width by the resolution, with toes, without face (it goes into "
            "the face video), confidence at least 0.5, the first person alone.",
            Rules(
                limb=_wan_body,
                joint=_wan_body,
                hand=_wan_hand,
                hand_line=_wan_hand,
                face=None,
                threshold=0.5,
                toes=_WAN_TOES,
                people="first",
            ),
        ),
    ),
    PoseError,
)
