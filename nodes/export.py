"""Nodes that export motion for nodes of other packs."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.preview.export import joint_tracks, optical_flow
from . import wire_types
from .comfy_adapters.memory import FLOW, require_images
from .comfy_adapters.progress import progress
from .search_aliases import search_words

BETWEEN = {"frame to frame": "frames", "reference to frame": "reference"}


class MotionExport(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseMotionExport",
            display_name="Motion Export",
            category="DisPose/motion",
            description="Converts the motion field for other nodes: to optical flow in the format "
            "of ControlNet Aux, and to joint tracks for video models that follow tracks, such as "
            "Wan.",
            inputs=[
                wire_types.MotionField.Input("motion_field", tooltip="From Motion Field."),
                io.Combo.Input(
                    "flow",
                    options=list(BETWEEN),
                    default="frame to frame",
                    tooltip="frame to frame: flow from each frame to the next, as optical flow "
                    "estimators output it. reference to frame: flow from the reference image to "
                    "each frame.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Width in pixels of the video in which the motion is used; 0 takes "
                    "the width of the reference image.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Height in pixels of the video in which the motion is used; 0 takes "
                    "the height of the reference image.",
                ),
                io.Int.Input(
                    "track_points",
                    default=121,
                    min=0,
                    max=10000,
                    tooltip="Points per track, spread evenly over the clip; 0 gives one point per "
                    "frame. For Wan-Move, ATI and LTX use Motion Tracks, which keeps the speed.",
                ),
            ],
            outputs=[
                wire_types.OpticalFlow.Output(
                    display_name="optical_flow",
                    tooltip="Displacement to the right and down in pixels, one map per driving "
                    "pose, for nodes of ControlNet Aux. ComfyUI's own nodes use the same name "
                    "for a flow estimation model; do not connect this output to them.",
                ),
                io.String.Output(
                    display_name="tracks",
                    tooltip="JSON with the track of each body joint in pixels.",
                ),
            ],
            **search_words("optical flow", "tracks", "wan"),
        )

    @classmethod
    def execute(cls, motion_field, flow, width, height, track_points) -> io.NodeOutput:
        size = (height or motion_field.size[0], width or motion_field.size[1])
        require_images(
            "optical flow",
            len(motion_field) - 1,
            size,
            FLOW,
            "Choose a smaller width and height, or fewer driving poses.",
        )
        steps = progress(len(motion_field) - 1)
        return io.NodeOutput(
            optical_flow(motion_field, BETWEEN[flow], size, on_frame=steps),
            joint_tracks(motion_field, size, track_points or None),
        )
