"""ComfyUI nodes: thin wrappers that convert inputs and call `dispose_core`."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import (
    controlnet,
    detection,
    editor,
    export,
    features,
    model,
    motion,
    person,
    pose,
    prepare,
    sampling,
    tracks,
    video_models,
)
from .comfy_adapters.files import register_folders
from .input_checks import checked


class DisPoseExtension(ComfyExtension):
    """List of the nodes, in the order of a typical graph."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        register_folders()
        nodes = [
            prepare.SampleMedia,
            prepare.Prepare,
            detection.PoseDetectorLoader,
            detection.PoseExtract,
            detection.PersonMask,
            pose.LoadPoses,
            pose.SavePoses,
            person.ChoosePerson,
            pose.PoseAlign,
            editor.PoseEditor,
            pose.PoseRender,
            video_models.ConvertPoses,
            video_models.WanAnimateSet,
            motion.CMPLoader,
            motion.DensifierLoader,
            motion.MotionField,
            motion.MotionPreview,
            model.MimicMotionLoader,
            model.ApplyPoseGuidance,
            model.ContextWindows,
            sampling.Conditioning,
            controlnet.ControlNetLoader,
            controlnet.ApplyControlNet,
            sampling.Noise,
            sampling.Decode,
            export.MotionExport,
            tracks.MotionTracks,
            features.KeypointFeatures,
        ]
        return [checked(node) for node in nodes]
