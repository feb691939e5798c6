"""Node of the pose editor in the browser (`web/js`)."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.errors import PoseError
from ..dispose_core.pose.edits.apply import apply_edits
from ..dispose_core.pose.edits.parse import parse_edits
from ..dispose_core.pose.openpose_json import read_openpose, write_openpose
from . import wire_types
from .comfy_adapters import editor_files
from .comfy_adapters.progress import progress
from .newer_options import KEEPS_VIEW
from .search_aliases import search_words


class PoseEditor(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPosePoseEditor",
            display_name="Pose Editor",
            category="DisPose/pose",
            description="Corrects poses by hand. Run the workflow once, then open the editor to "
            "drag, hide, copy and interpolate joints over the images. The edits are stored in "
            "this node and applied again on every run.",
            inputs=[
                wire_types.PoseKeypoint.Input(
                    "poses",
                    tooltip="The poses to correct, from Pose Extract, Load Poses or Pose Align.",
                ),
                io.Image.Input(
                    "pictures",
                    optional=True,
                    tooltip="Images to show behind the skeleton: those the poses were found in, "
                    "one per pose, or a single image for all poses.",
                ),
                io.String.Input(
                    "edits",
                    default="",
                    multiline=True,
                    tooltip="The edits as the editor writes them, one per line. Clear this text "
                    "to remove all edits.",
                ),
                wire_types.PoseKeypoint.Input(
                    "reference",
                    optional=True,
                    tooltip="A pose to compare with, shown in the editor as a silhouette behind "
                    "the skeleton, such as that of the reference. Its first person and frame are "
                    "used. It does not change the poses.",
                ),
            ],
            outputs=[
                wire_types.PoseKeypoint.Output(
                    display_name="edited_poses", tooltip="The poses with the edits applied."
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="How many edits were applied, and which no longer apply to these "
                    "poses.",
                ),
            ],
            is_output_node=True,
            **KEEPS_VIEW,
            **search_words("openpose editor", "edit keypoints", "fix pose"),
        )

    @classmethod
    def validate_inputs(cls, edits: str) -> bool | str:
        # Before detection runs; a linked text is validated in `execute`.
        try:
            parse_edits(edits)
        except PoseError as e:
            return str(e)
        return True

    @classmethod
    def execute(cls, poses, edits: str, pictures=None, reference=None) -> io.NodeOutput:
        people = read_openpose(poses)
        edited, report = apply_edits(people, edits)
        compared = None if reference is None else read_openpose(reference)[0]
        run, notes = editor_files.keep_run(people, pictures, compared, progress(len(people[0])))
        report = [*report, *notes]
        ui = {"dispose_pose_editor": [run], "dispose_report": report}
        return io.NodeOutput(write_openpose(edited), "\n".join(report), ui=ui)
