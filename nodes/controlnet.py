"""DisPose's guidance in the graph: its file as a CONTROL_NET, and the clip it is to follow."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.pose.openpose_json import read_openpose
from ..dispose_core.pose.sequence import make_clip
from . import wire_types
from .comfy_adapters import files
from .comfy_adapters import model_management as placement
from .comfy_adapters.conditioning import with_control
from .comfy_adapters.control import DisPoseControl
from .comfy_adapters.hints import clip_hints
from .comfy_adapters.progress import progress
from .schedule_inputs import span_inputs
from .search_aliases import search_words


class ControlNetLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseControlNetLoader",
            display_name="DisPose ControlNet Loader",
            category="DisPose/control",
            description="Loads DisPose's ControlNet with its motion encoder and point adapter.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files.weight_files("controlnet", "dispose"),
                    tooltip="DisPose.pth, or a safetensors copy of it, in models/controlnet.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=[placement.DEFAULT, *placement.DTYPES],
                    default=placement.DEFAULT,
                    tooltip="How the weights are kept. default: as ComfyUI would keep a model. "
                    "fp8 takes half the memory of fp16 and costs some precision.",
                ),
            ],
            outputs=[
                io.ControlNet.Output(
                    display_name="control_net",
                    tooltip="For Apply DisPose ControlNet; the stock apply nodes do not fit.",
                )
            ],
            **search_words("animate anyone", "human animation"),
        )

    @classmethod
    def validate_inputs(cls, file) -> bool | str:
        return files.problem_with_weights("controlnet", file) or True

    @classmethod
    def execute(cls, file, dtype) -> io.NodeOutput:
        from .comfy_adapters.hosted_controlnet import load_control_networks

        networks = load_control_networks(files.weight_path("controlnet", file), dtype)
        return io.NodeOutput(DisPoseControl(networks))


class ApplyControlNet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseApplyControlNet",
            display_name="Apply DisPose ControlNet",
            category="DisPose/control",
            description="Guides the sampling by dense motion and by what each joint looks like. "
            "All that belongs to the clip is computed here, once; it goes to the conditional and "
            "the unconditional half alike, as the weights were trained.",
            inputs=[
                io.Conditioning.Input("positive", tooltip="From DisPose Conditioning."),
                io.Conditioning.Input("negative", tooltip="From DisPose Conditioning."),
                io.ControlNet.Input("control_net", tooltip="From DisPose ControlNet Loader."),
                wire_types.PoseKeypoint.Input(
                    "reference_pose", tooltip="The pose of the reference picture: one frame."
                ),
                wire_types.PoseKeypoint.Input(
                    "driving_pose", tooltip="The driver's poses, from Pose Align."
                ),
                wire_types.MotionField.Input(
                    "motion_field",
                    optional=True,
                    tooltip="From Motion Field. Without it the motion has no say.",
                ),
                wire_types.KeypointFeatures.Input(
                    "keypoint_features",
                    optional=True,
                    tooltip="From Keypoint Features. Without them the points have no say.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Of all guidance together; 0 is the same as leaving the node out.",
                ),
                io.Float.Input(
                    "motion_strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Of the motion field and the joints' trajectories.",
                ),
                io.Float.Input(
                    "points_strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Of the keypoint features.",
                ),
                *span_inputs(),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="For the sampler."),
                io.Conditioning.Output(display_name="negative", tooltip="For the sampler."),
            ],
            **search_words("human animation", "motion guidance"),
        )

    @classmethod
    def execute(
        cls,
        positive,
        negative,
        control_net,
        reference_pose,
        driving_pose,
        strength,
        motion_strength,
        points_strength,
        start,
        end,
        motion_field=None,
        keypoint_features=None,
    ) -> io.NodeOutput:
        if strength == 0:
            return io.NodeOutput(positive, negative)
        control = DisPoseControl.of(control_net)
        clip = make_clip(
            read_openpose(reference_pose, "reference_pose")[0],
            read_openpose(driving_pose, "driving_pose")[0],
        )
        hints = clip_hints(
            control.networks,
            clip,
            motion_field,
            keypoint_features,
            motion_strength,
            points_strength,
            progress(len(clip)),
        )
        guided = control.with_hints(hints, strength, (start, end))
        return io.NodeOutput(*with_control(guided, positive, negative))
