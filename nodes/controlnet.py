"""Nodes that load DisPose's ControlNet and apply it."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.pose.openpose_json import read_openpose
from ..dispose_core.pose.sequence import join_sequences
from . import wire_types
from .comfy_adapters import files
from .comfy_adapters import model_management as placement
from .comfy_adapters.conditioning import with_control
from .comfy_adapters.control import DisPoseControl
from .comfy_adapters.hints import make_control_hints
from .comfy_adapters.progress import progress
from .newer_options import RARE
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
                    **files.weight_choice("controlnet", "dispose"),
                    tooltip="DisPose.pth, or a safetensors copy of it, in models/controlnet.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=[placement.DEFAULT, *placement.DTYPES],
                    default=placement.DEFAULT,
                    tooltip="Data type of the weights. default: ComfyUI chooses for your "
                    "hardware. fp8 takes half the memory of fp16 and costs some precision.",
                    **RARE,
                ),
            ],
            outputs=[
                io.ControlNet.Output(
                    display_name="control_net",
                    tooltip="Connect it to Apply DisPose ControlNet; the stock Apply ControlNet "
                    "nodes do not work with it.",
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
            description="Guides the sampling by the motion field and by the appearance of the "
            "reference at each joint. The hints for the clip are computed once, in this node, and "
            "applied to positive and negative alike, as in training.",
            inputs=[
                io.Conditioning.Input("positive", tooltip="From DisPose Conditioning."),
                io.Conditioning.Input("negative", tooltip="From DisPose Conditioning."),
                io.ControlNet.Input("control_net", tooltip="From DisPose ControlNet Loader."),
                wire_types.PoseKeypoint.Input(
                    "reference_pose",
                    tooltip="Pose of the reference image (one frame), from Pose Extract or Load "
                    "Poses.",
                ),
                wire_types.PoseKeypoint.Input(
                    "driving_pose", tooltip="Driving poses from Pose Align."
                ),
                wire_types.MotionField.Input(
                    "motion_field",
                    optional=True,
                    tooltip="From Motion Field. Optional; without it, motion guidance is off.",
                ),
                wire_types.KeypointFeatures.Input(
                    "keypoint_features",
                    optional=True,
                    tooltip="From Keypoint Features. Optional; without it, keypoint guidance is "
                    "off.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Strength of all DisPose guidance; 0 is the same as leaving this node "
                    "out.",
                ),
                io.Float.Input(
                    "motion_strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Strength of the motion guidance: motion field and joint trajectories.",
                ),
                io.Float.Input(
                    "points_strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Strength of the keypoint guidance.",
                ),
                *span_inputs(),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="positive", tooltip="Connect it to the sampler."
                ),
                io.Conditioning.Output(
                    display_name="negative", tooltip="Connect it to the sampler."
                ),
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
        sequence = join_sequences(
            read_openpose(reference_pose, "reference_pose")[0],
            read_openpose(driving_pose, "driving_pose")[0],
        )
        hints = make_control_hints(
            control.networks,
            sequence,
            motion_field,
            keypoint_features,
            motion_strength,
            points_strength,
            progress(len(sequence)),
        )
        guided = control.with_hints(hints, strength, (start, end))
        return io.NodeOutput(*with_control(guided, positive, negative))
