"""Nodes for keypoint features of the reference from Stable Diffusion 1.5."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.features.browser_view import point_view
from ..dispose_core.features.dift import DiffusionFeatureOptions
from ..dispose_core.features.keypoint_features import keypoint_features
from ..dispose_core.features.match_view import (
    describe_matches,
    fit_target,
    match_image,
    match_joints,
)
from ..dispose_core.pose.fit import fit_to_reference
from ..dispose_core.pose.openpose_json import read_openpose
from . import wire_types
from .comfy_adapters.feature_pass import image_features
from .comfy_adapters.progress import progress
from .newer_options import KEEPS_VIEW, RARE
from .search_aliases import search_words
from .tensors import image_to_comfy, image_to_core
from .views import points_ui


class KeypointFeatures(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseKeypointFeatures",
            display_name="Keypoint Features",
            category="DisPose/features",
            description="Reads features of the reference image at each joint from inside a Stable "
            "Diffusion 1.5 model. They carry the appearance of the reference to the driving poses.",
            inputs=[
                io.Model.Input("model", tooltip="Any Stable Diffusion 1.5 checkpoint."),
                io.Vae.Input("vae", tooltip="The VAE of the same checkpoint."),
                io.Conditioning.Input(
                    "prompt",
                    tooltip="One prompt from CLIP Text Encode, with the CLIP of the same "
                    'checkpoint. DisPose was trained with "photo of a human".',
                ),
                io.Image.Input("reference", tooltip="The reference image from Prepare."),
                wire_types.PoseKeypoint.Input(
                    "reference_pose",
                    tooltip="Pose of the reference image (one frame), from Pose Extract or Load "
                    "Poses.",
                ),
                io.Image.Input(
                    "target",
                    optional=True,
                    tooltip="Image in which to find the joints again, such as a driving frame. "
                    "Optional; only used for the matches output and the view in the node.",
                ),
                io.Int.Input(
                    "timestep",
                    default=261,
                    min=0,
                    max=999,
                    tooltip="Diffusion timestep at which the features are read, 0 (no noise) to "
                    "999. DisPose was trained with 261.",
                    **RARE,
                ),
                io.Int.Input(
                    "ensemble",
                    default=8,
                    min=1,
                    max=64,
                    tooltip="Number of noisy copies to average. More copies give more stable "
                    "features but take longer.",
                    **RARE,
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Seed of the noise. The same seed gives the same features.",
                    **RARE,
                ),
            ],
            outputs=[
                wire_types.KeypointFeatures.Output(
                    display_name="keypoint_features",
                    tooltip="Connect it to Apply DisPose ControlNet.",
                ),
                io.Image.Output(
                    display_name="matches",
                    tooltip="Image with a line from each joint to the most similar place in the "
                    "target, or in the reference image if no target is connected.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Which joints were read, and how well each was found again.",
                ),
            ],
            is_output_node=True,  # updates its view on every run, also without changes
            **KEEPS_VIEW,
            **search_words("dift", "correspondence", "diffusion features"),
        )

    @classmethod
    def execute(
        cls, model, vae, prompt, reference, reference_pose, timestep, ensemble, seed, target=None
    ) -> io.NodeOutput:
        options = DiffusionFeatureOptions(timestep=timestep, ensemble=ensemble, seed=seed)
        image = image_to_core(reference, "reference")
        person = read_openpose(reference_pose, "reference_pose")[:1]
        (pose,), notes = fit_to_reference(person, tuple(image.shape[-2:]))

        def read(image):
            return image_features(model, vae, prompt, image, options, progress(ensemble))

        feature_map = read(image)
        features = keypoint_features(feature_map, pose, tuple(image.shape[-2:]))
        searched = image
        if target is not None:
            searched = fit_target(image_to_core(target, "target"), image.shape[1])
            feature_map = image_features(model, vae, prompt, searched, options, progress(ensemble))
        matches = match_joints(features, feature_map)
        drawn = match_image(image, pose, searched, matches)
        ui = points_ui(point_view(image, pose, searched, features, feature_map))
        report = "\n".join([*notes, describe_matches(matches)])
        return io.NodeOutput(features, image_to_comfy(drawn), report, ui=ui)
