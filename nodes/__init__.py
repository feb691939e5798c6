"""ComfyUI nodes: each translates in, calls one function of `dispose_core`, and translates out."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import detection, motion, pose, prepare


class DisPoseExtension(ComfyExtension):
    """The list of our nodes, in the order of a graph."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            prepare.SampleMedia,
            prepare.Prepare,
            detection.PoseDetectorLoader,
            detection.PoseExtract,
            pose.LoadPoses,
            pose.SavePoses,
            pose.PoseAlign,
            pose.PoseRender,
            motion.MotionField,
            motion.MotionPreview,
        ]
