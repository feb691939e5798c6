"""Nodes around the stock sampler: conditioning, noise and decoding."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.sampling.windows import LENGTH
from .comfy_adapters.image_encoders import condition, decode
from .comfy_adapters.noise import RepeatedNoise
from .comfy_adapters.progress import progress
from .newer_options import RARE
from .search_aliases import search_words
from .tensors import image_to_core


class Conditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseConditioning",
            display_name="DisPose Conditioning",
            category="DisPose/sampling",
            description="Conditions the video model on the reference image. CLIP vision sees the "
            "whole image; the stock SVD node crops a portrait to a square, without head and feet.",
            inputs=[
                io.ClipVision.Input(
                    "clip_vision",
                    tooltip="From Image Only Checkpoint Loader, with an SVD or SVD XT checkpoint.",
                ),
                io.Vae.Input(
                    "vae",
                    tooltip="From Image Only Checkpoint Loader, with an SVD or SVD XT checkpoint.",
                ),
                io.Image.Input("reference", tooltip="The reference image from Prepare."),
                io.Int.Input(
                    "width",
                    default=576,
                    min=64,
                    max=8192,
                    step=64,
                    tooltip="Width in pixels, from Prepare.",
                ),
                io.Int.Input(
                    "height",
                    default=1024,
                    min=64,
                    max=8192,
                    step=64,
                    tooltip="Height in pixels, from Prepare.",
                ),
                io.Int.Input(
                    "frames",
                    default=15,
                    min=1,
                    max=100000,
                    tooltip="Number of driving frames, from Prepare. The latents have one more "
                    "frame, for the reference image.",
                ),
                io.Int.Input(
                    "fps",
                    default=7,
                    min=1,
                    max=1024,
                    tooltip="Frame rate the model is conditioned on, not the frame rate of the "
                    "result. MimicMotion was trained with 7.",
                    **RARE,
                ),
                io.Int.Input(
                    "motion_bucket",
                    default=127,
                    min=0,
                    max=1023,
                    tooltip="SVD motion bucket id. MimicMotion was trained with 127.",
                    **RARE,
                ),
                io.Float.Input(
                    "augmentation",
                    default=0.0,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Amount of noise added to the reference image before it is encoded. "
                    "More noise lets the result differ more from the image. MimicMotion uses 0.",
                    **RARE,
                ),
                io.Int.Input(
                    "augmentation_seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Seed of this noise; has no effect if augmentation is 0.",
                    **RARE,
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="positive",
                    tooltip="Connect it to Apply DisPose ControlNet, or to the sampler.",
                ),
                io.Conditioning.Output(
                    display_name="negative",
                    tooltip="Connect it to Apply DisPose ControlNet, or to the sampler.",
                ),
                io.Latent.Output(display_name="latent", tooltip="Empty latents for the sampler."),
            ],
            **search_words("svd img2vid", "image to video"),
        )

    @classmethod
    def execute(
        cls,
        clip_vision,
        vae,
        reference,
        width,
        height,
        frames,
        fps,
        motion_bucket,
        augmentation,
        augmentation_seed,
    ) -> io.NodeOutput:
        image = image_to_core(reference, "reference")
        ids = {
            "fps": fps,
            "motion_bucket_id": motion_bucket,
            "augmentation_level": augmentation,
        }
        return io.NodeOutput(
            *condition(clip_vision, vae, image, (height, width), frames + 1, ids, augmentation_seed)
        )


class Noise(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseNoise",
            display_name="DisPose Noise",
            category="DisPose/sampling",
            description="Generates noise that repeats along the clip, as in MimicMotion, which "
            "keeps the context windows consistent. For the noise input of SamplerCustomAdvanced.",
            inputs=[
                io.Int.Input(
                    "seed",
                    default=42,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Seed of the noise. The same seed gives the same clip.",
                ),
                io.Int.Input(
                    "length",
                    default=LENGTH,
                    min=1,
                    max=1024,
                    tooltip="Number of frames after which the noise repeats. Use the length of "
                    "DisPose Context Windows.",
                ),
            ],
            outputs=[
                io.Noise.Output(
                    display_name="noise", tooltip="Connect it to SamplerCustomAdvanced."
                )
            ],
            **search_words("mimicmotion noise", "repeated noise"),
        )

    @classmethod
    def execute(cls, seed, length) -> io.NodeOutput:
        return io.NodeOutput(RepeatedNoise(seed, length, "repeated"))


class Decode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseDecode",
            display_name="DisPose Decode",
            category="DisPose/sampling",
            description="Decodes latents to images, one per driving frame. Chunks overlap, so "
            "that no seams are visible between them. The reference frame is left out.",
            inputs=[
                io.Latent.Input("samples", tooltip="Latents from the sampler (denoised_output)."),
                io.Vae.Input(
                    "vae",
                    tooltip="From Image Only Checkpoint Loader; the same VAE as for DisPose "
                    "Conditioning.",
                ),
                io.Int.Input(
                    "chunk",
                    default=8,
                    min=1,
                    max=256,
                    tooltip="Number of frames decoded at once; fewer take less memory.",
                    **RARE,
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="One image per driving frame, for Create Video."
                )
            ],
            **search_words("vae decode", "temporal decoder"),
        )

    @classmethod
    def execute(cls, samples, vae, chunk) -> io.NodeOutput:
        latents = samples["samples"]
        return io.NodeOutput(decode(vae, latents, chunk, progress(len(latents))))
