"""From the reference picture to latents and back: what surrounds the stock sampler."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.sampling.windows import LENGTH
from .comfy_adapters.image_encoders import condition, decode
from .comfy_adapters.noise import ClipNoise
from .comfy_adapters.progress import progress
from .search_aliases import search_words
from .tensors import picture_to_core


class Conditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseConditioning",
            display_name="DisPose Conditioning",
            category="DisPose/sampling",
            description="Shows the reference picture to the video model. CLIP sees the whole "
            "picture; the stock SVD node cuts a portrait to a square, without head and feet.",
            inputs=[
                io.ClipVision.Input(
                    "clip_vision", tooltip="From Image Only Checkpoint Loader with SVD."
                ),
                io.Vae.Input("vae", tooltip="From Image Only Checkpoint Loader with SVD."),
                io.Image.Input("reference", tooltip="The picture to animate, from Prepare."),
                io.Int.Input(
                    "width", default=576, min=64, max=8192, step=64, tooltip="From Prepare."
                ),
                io.Int.Input(
                    "height", default=1024, min=64, max=8192, step=64, tooltip="From Prepare."
                ),
                io.Int.Input(
                    "frames",
                    default=15,
                    min=1,
                    max=100000,
                    tooltip="How many driving frames: from Prepare. The latents have one more, "
                    "for the reference.",
                ),
                io.Int.Input(
                    "fps",
                    default=7,
                    min=1,
                    max=1024,
                    tooltip="What the model is told, not the result's rate. MimicMotion knows 7.",
                ),
                io.Int.Input(
                    "motion_bucket",
                    default=127,
                    min=0,
                    max=1023,
                    tooltip="How much motion the model is told. MimicMotion knows 127.",
                ),
                io.Float.Input(
                    "augmentation",
                    default=0.0,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Noise on the reference before it is encoded, which lets the model "
                    "keep less of it. MimicMotion knows 0.",
                ),
                io.Int.Input(
                    "augmentation_seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Of that noise; without augmentation it changes nothing.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="For the ControlNet."),
                io.Conditioning.Output(display_name="negative", tooltip="For the ControlNet."),
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
        picture = picture_to_core(reference, "reference")
        told = {
            "fps": fps,
            "motion_bucket_id": motion_bucket,
            "augmentation_level": augmentation,
        }
        return io.NodeOutput(
            *condition(
                clip_vision, vae, picture, (height, width), frames + 1, told, augmentation_seed
            )
        )


class Noise(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseNoise",
            display_name="DisPose Noise",
            category="DisPose/sampling",
            description="Noise that repeats along the clip, which holds windows together, as "
            "MimicMotion samples. For the noise input of SamplerCustomAdvanced.",
            inputs=[
                io.Int.Input(
                    "seed",
                    default=42,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="The same seed gives the same clip.",
                ),
                io.Int.Input(
                    "length",
                    default=LENGTH,
                    min=1,
                    max=1024,
                    tooltip="After so many frames the noise repeats: the length of the windows.",
                ),
            ],
            outputs=[io.Noise.Output(display_name="noise", tooltip="For SamplerCustomAdvanced.")],
            **search_words("mimicmotion noise", "repeated noise"),
        )

    @classmethod
    def execute(cls, seed, length) -> io.NodeOutput:
        return io.NodeOutput(ClipNoise(seed, length, "repeated"))


class Decode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseDecode",
            display_name="DisPose Decode",
            category="DisPose/sampling",
            description="Turns latents into the driving frames' pictures. Chunks overlap, so that "
            "no seam shows between them; the reference's own frame is left out.",
            inputs=[
                io.Latent.Input("samples", tooltip="From the sampler."),
                io.Vae.Input("vae", tooltip="From Image Only Checkpoint Loader with SVD."),
                io.Int.Input(
                    "chunk",
                    default=8,
                    min=1,
                    max=256,
                    tooltip="Frames decoded at once: fewer take less memory.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="One a driving frame: for Create Video."
                )
            ],
            **search_words("vae decode", "temporal decoder"),
        )

    @classmethod
    def execute(cls, samples, vae, chunk) -> io.NodeOutput:
        latents = samples["samples"]
        return io.NodeOutput(decode(vae, latents, chunk, progress(len(latents))))
