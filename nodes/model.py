"""Nodes for the video model: loader, pose guidance and context windows."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.sampling.options import LENGTH, OVERLAP
from . import wire_types
from .comfy_adapters import files, unet
from .comfy_adapters import model_management as placement
from .comfy_adapters.context_windows import with_windows
from .comfy_adapters.progress import progress
from .newer_options import RARE
from .schedule_inputs import span_inputs
from .search_aliases import search_words

FROM_MODEL_FILE = "from the model file"


class MimicMotionLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseMimicMotionLoader",
            display_name="MimicMotion Loader",
            category="DisPose/model",
            description="Loads MimicMotion as a MODEL of ComfyUI's Stable Video Diffusion class, "
            "together with its PoseNet. Load VAE and CLIP vision from an SVD checkpoint with "
            "'Image Only Checkpoint Loader'.",
            inputs=[
                io.Combo.Input(
                    "file",
                    **files.weight_choice("diffusion_models", "unet"),
                    tooltip="MimicMotion_1-1.pth, or its UNet alone, in models/diffusion_models. "
                    "Plain SVD also works, but without pose guidance.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=[placement.DEFAULT, *placement.DTYPES],
                    default=placement.DEFAULT,
                    tooltip="Data type of the weights. default: ComfyUI chooses for your "
                    "hardware. fp8 takes half the memory of fp16 and costs some precision.",
                    **RARE,
                ),
                io.Combo.Input(
                    "pose_net",
                    options=[FROM_MODEL_FILE, *files.weight_files("dispose", "pose_net")],
                    default=FROM_MODEL_FILE,
                    tooltip="PoseNet file in models/dispose. Only needed if the model file holds "
                    "the UNet alone.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="Connect it to Apply Pose Guidance."),
                wire_types.PoseNet.Output(
                    display_name="pose_net",
                    tooltip="Connect it to Apply Pose Guidance. Empty if the file contains no "
                    "PoseNet.",
                ),
            ],
            **search_words("svd", "stable video diffusion", "unet"),
        )

    @classmethod
    def validate_inputs(cls, file) -> bool | str:
        # ComfyUI would repeat the message for every input named here; a PoseNet file that is not in
        # its list is refused by ComfyUI itself.
        return files.problem_with_weights("diffusion_models", file) or True

    @classmethod
    def execute(cls, file, dtype, pose_net) -> io.NodeOutput:
        path = files.weight_path("diffusion_models", file)
        source = path if pose_net == FROM_MODEL_FILE else files.weight_path("dispose", pose_net)
        net = unet.load_pose_net_patcher(source, optional=source == path)
        return io.NodeOutput(unet.load_model(path, dtype), net)


class ApplyPoseGuidance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseApplyPoseGuidance",
            display_name="Apply Pose Guidance",
            category="DisPose/model",
            description="Conditions MimicMotion on the skeleton images. They are added to the "
            "conditional (positive) prediction only, as in training.",
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="From MimicMotion Loader. LoRA loaders can be placed in between.",
                ),
                wire_types.PoseNet.Input("pose_net", tooltip="From MimicMotion Loader."),
                io.Image.Input(
                    "skeletons",
                    tooltip="Skeleton images from Pose Render with its reference_pose connected: "
                    "the reference first, then one per driving frame, in the size of the "
                    "reference image.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Strength of the pose guidance. 1 is MimicMotion's own; 0 is the same "
                    "as leaving this node out.",
                ),
                *span_inputs(),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="Connect it to DisPose Context Windows or to the sampler.",
                )
            ],
            **search_words("posenet", "mimicmotion", "openpose"),
        )

    @classmethod
    def execute(cls, model, pose_net, skeletons, strength, start, end) -> io.NodeOutput:
        if strength == 0:
            return io.NodeOutput(model)
        unet.check_pose_net(model, pose_net)
        latents = unet.pose_latents(pose_net, skeletons, progress(len(skeletons)))
        return io.NodeOutput(unet.apply_pose_guidance(model, latents, strength, start, end))


class ContextWindows(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseContextWindows",
            display_name="DisPose Context Windows",
            category="DisPose/model",
            description="Samples long clips in overlapping windows that all start with the "
            "reference image. A clip that fits into one window is sampled as a whole.",
            inputs=[
                io.Model.Input("model", tooltip="From Apply Pose Guidance."),
                io.Int.Input(
                    "length",
                    default=LENGTH,
                    min=2,
                    max=1024,
                    tooltip="Frames per window, including the reference image. More frames take "
                    "more memory. The released weights were trained with 16.",
                ),
                io.Int.Input(
                    "overlap",
                    default=OVERLAP,
                    min=0,
                    max=1023,
                    tooltip="Frames that neighbouring windows share; must be less than length. "
                    "More is smoother but slower.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="Connect it to the sampler.")],
            **search_words("long video", "sliding window"),
        )

    @classmethod
    def execute(cls, model, length, overlap) -> io.NodeOutput:
        return io.NodeOutput(with_windows(model, length, overlap))
