"""What the reference looks like at each joint, seen by Stable Diffusion 1.5."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.features.browser_view import point_view
from ..dispose_core.features.dift import DiffusionFeatureOptions
from ..dispose_core.features.keypoint_features import keypoint_features
from ..dispose_core.features.match_view import (
    describe_matches,
    fit_target,
    match_joints,
    match_picture,
)
from ..dispose_core.pose.openpose_json import read_openpose
from . import wire_types
from .comfy_adapters.feature_pass import picture_features
from .comfy_adapters.progress import progress
from .search_aliases import search_words
from .tensors import picture_to_comfy, picture_to_core
from .views import points_ui


class KeypointFeatures(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseKeypointFeatures",
            display_name="Keypoint Features",
            category="DisPose/features",
            description="Reads what the reference looks like at each joint from the inside of a "
            "Stable Diffusion 1.5 model, so that the look can be carried to the driver's pose.",
            inputs=[
                io.Model.Input("model", tooltip="Any checkpoint of the SD 1.5 class."),
                io.Vae.Input("vae", tooltip="The VAE of that checkpoint."),
                io.Conditioning.Input(
                    "prompt",
                    tooltip="One CLIP Text Encode with that checkpoint's CLIP; \"photo of a "
                    'human" is what DisPose was trained with.',
                ),
                io.Image.Input(
                    "reference", tooltip="The picture to animate, as fitted by Prepare."
                ),
                wire_types.PoseKeypoint.Input(
                    "reference_pose", tooltip="The pose of the reference picture: one frame."
                ),
                io.Image.Input(
                    "target",
                    optional=True,
                    tooltip="Only for the picture of the matches: another picture to find the "
                    "joints in, such as a driving frame.",
                ),
                io.Int.Input(
                    "timestep",
                    default=261,
                    min=0,
                    max=999,
                    tooltip="How noisy the picture is when it is read. DisPose was trained "
                    "with 261.",
                ),
                io.Int.Input(
                    "ensemble",
                    default=8,
                    min=1,
                    max=64,
                    tooltip="Noisy copies that are averaged: more are steadier and slower.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Of the noise. The same seed gives the same features.",
                ),
            ],
            outputs=[
                wire_types.KeypointFeatures.Output(
                    display_name="keypoint_features", tooltip="For Apply DisPose ControlNet."
                ),
                io.Image.Output(
                    display_name="matches",
                    tooltip="A line from each joint to the place in the target that looks most "
                    "like it; without a target, in the reference itself.",
                ),
                io.String.Output(
                    display_name="report", tooltip="Joints read, and how well each was found."
                ),
            ],
            is_output_node=True,  # its view is fed on every run, also when nothing has changed
            **search_words("dift", "correspondence", "diffusion features"),
        )

    @classmethod
    def execute(
        cls, model, vae, prompt, reference, reference_pose, timestep, ensemble, seed, target=None
    ) -> io.NodeOutput:
        options = DiffusionFeatureOptions(timestep=timestep, ensemble=ensemble, seed=seed)
        pose = read_openpose(reference_pose, "reference_pose")[0]
        picture = picture_to_core(reference, "reference")

        def read(picture):
            return picture_features(model, vae, prompt, picture, options, progress(ensemble))

        feature_map = read(picture)
        features = keypoint_features(feature_map, pose, tuple(picture.shape[-2:]))
        searched = picture
        if target is not None:
            searched = fit_target(picture_to_core(target, "target"), picture.shape[1])
            feature_map = picture_features(
                model, vae, prompt, searched, options, progress(ensemble)
            )
        matches = match_joints(features, feature_map)
        drawn = match_picture(picture, pose, searched, matches)
        ui = points_ui(point_view(picture, pose, searched, features, feature_map))
        return io.NodeOutput(features, picture_to_comfy(drawn), describe_matches(matches), ui=ui)
