"""Motion out of the graph, to nodes of other packs."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.preview.export import joint_tracks, optical_flow
from . import wire_types
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
            description="Gives the motion to other nodes: optical flow as ControlNet Aux has it, "
            "and joint tracks for video models that follow tracks, such as Wan's.",
            inputs=[
                wire_types.MotionField.Input("motion_field", tooltip="From Motion Field."),
                io.Combo.Input(
                    "flow",
                    options=list(BETWEEN),
                    default="frame to frame",
                    tooltip="frame to frame: from each picture to the next, as flow estimators "
                    "give it. reference to frame: from the reference to each picture.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Pixels of the video the motion is for; 0 = of the reference.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Pixels of the video the motion is for; 0 = of the reference.",
                ),
                io.Int.Input(
                    "track_points",
                    default=121,
                    min=0,
                    max=10000,
                    tooltip="Points in each track, spread over the clip. WanTrackToVideo reads "
                    "121 whatever its length; 0 = one a picture.",
                ),
            ],
            outputs=[
                wire_types.OpticalFlow.Output(
                    display_name="optical_flow",
                    tooltip="Pixels moved right and down, a picture for each driving pose.",
                ),
                io.String.Output(
                    display_name="tracks", tooltip="JSON: the way of each body joint in pixels."
                ),
            ],
            **search_words("optical flow", "tracks", "wan"),
        )

    @classmethod
    def execute(cls, motion_field, flow, width, height, track_points) -> io.NodeOutput:
        size = (height or motion_field.size[0], width or motion_field.size[1])
        steps = progress(len(motion_field) - 1)
        return io.NodeOutput(
            optical_flow(motion_field, BETWEEN[flow], size, on_entry=steps),
            joint_tracks(motion_field, size, track_points or None),
        )
