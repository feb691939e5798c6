"""The video model in the graph: MimicMotion, its pose guidance, and windows for long clips."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.sampling.options import LENGTH, OVERLAP
from . import wire_types
from .comfy_adapters import files, unet
from .comfy_adapters import model_management as placement
from .comfy_adapters.context_windows import with_windows
from .comfy_adapters.progress import progress
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
            description="Loads MimicMotion as an ordinary MODEL of ComfyUI's Stable Video "
            "Diffusion class, and its PoseNet. VAE and CLIP vision come from an SVD checkpoint "
            "through 'Image Only Checkpoint Loader'.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files.weight_files("diffusion_models", "mimicmotion"),
                    tooltip="MimicMotion_1-1.pth or a UNet of it, in models/diffusion_models. A "
                    "plain SVD runs too, without pose guidance.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=[placement.DEFAULT, *placement.DTYPES],
                    default=placement.DEFAULT,
                    tooltip="How the weights are kept. default: what ComfyUI finds best for your "
                    "hardware. fp8 takes half the memory of fp16 and costs some precision.",
                ),
                io.Combo.Input(
                    "pose_net",
                    options=[FROM_MODEL_FILE, *files.weight_files("dispose", "pose_net")],
                    default=FROM_MODEL_FILE,
                    tooltip="PoseNet's own file in models/dispose, for a UNet that comes alone.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="For Apply Pose Guidance."),
                wire_types.PoseNet.Output(
                    display_name="pose_net",
                    tooltip="For Apply Pose Guidance. Nothing where the file has none.",
                ),
            ],
            **search_words("svd", "stable video diffusion", "unet"),
        )

    @classmethod
    def validate_inputs(cls, file, pose_net=FROM_MODEL_FILE) -> bool | str:
        problem = files.problem_with_weights("diffusion_models", file)
        if problem is None and pose_net not in (None, FROM_MODEL_FILE):
            problem = files.problem_with_weights("dispose", pose_net)
        return problem or True

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
            description="Lets MimicMotion see the drawn poses. Only the conditional half of the "
            "guidance does, as it was trained.",
            inputs=[
                io.Model.Input("model", tooltip="From MimicMotion Loader."),
                wire_types.PoseNet.Input("pose_net", tooltip="From MimicMotion Loader."),
                io.Image.Input(
                    "skeletons",
                    tooltip="From Pose Render with the reference pose connected: the reference's "
                    "skeleton first, then one a driving frame.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="1 is MimicMotion's own; 0 is the same as leaving the node out.",
                ),
                *span_inputs(),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For the sampler.")],
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
            description="Samples long clips in overlapping windows that all begin with the "
            "reference. A clip no longer than a window runs whole.",
            inputs=[
                io.Model.Input("model", tooltip="From Apply Pose Guidance."),
                io.Int.Input(
                    "length",
                    default=LENGTH,
                    min=2,
                    max=1024,
                    tooltip="Frames of a window, the reference included: what memory is needed "
                    "for. The released weights know 16.",
                ),
                io.Int.Input(
                    "overlap",
                    default=OVERLAP,
                    min=0,
                    max=1023,
                    tooltip="Frames that neighbouring windows share: more is smoother and slower.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For the sampler.")],
            **search_words("long video", "sliding window"),
        )

    @classmethod
    def execute(cls, model, length, overlap) -> io.NodeOutput:
        return io.NodeOutput(with_windows(model, length, overlap))
