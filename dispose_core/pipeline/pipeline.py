"""`DisPosePipeline`: sampling and decoding without a host application.

See docs/reference_behaviour.md#pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from ..checkpoints.architectures.dispose import DisPose
from ..errors import NetworkError
from ..guidance.control_hints import ControlHints
from ..guidance.motion_embedding import encode_motion
from ..guidance.point_residuals import point_residuals
from ..guidance.pose_latents import encode_poses
from ..models.mimicmotion import MimicMotionUNet
from ..models.pose_net import PoseNet
from ..progress import Progress, no_progress
from ..sampling.conditioning import ImageConditioning, encode_image, official_pixels
from ..sampling.decode import decode_frames, vae_pass
from ..sampling.denoise import Guidance, OnStep, denoise, no_preview
from ..sampling.noise import sequence_noise
from ..sampling.options import SamplingOptions
from ..sampling.windows import context_windows
from .inputs import PipelineInputs
from .offload import Offload, denoising, on_device

DTYPES = (torch.float32, torch.float16, torch.bfloat16)

# Returns the `Progress` of a stage: "poses", "motion", "sampling", "decoding". It may raise to
# cancel; networks are then moved back, and the pipeline can be used again.
StageProgress = Callable[[str], Progress]


def no_stage_progress(stage: str) -> Progress:
    """`StageProgress` that reports nothing."""
    return no_progress


class DisPosePipeline:
    """Animates sequences with networks that are loaded once.

    Each stage holds only its own networks on the device: CLIP and the VAE's encoder, then PoseNet
    and the motion encoder, UNet and ControlNet, the VAE's decoder. Encoded inputs stay on the CPU
    and are copied by window. On one device, results depend only on inputs, options and seed.

    Args:
        unet, dispose, pose_net: from `checkpoints`, the ControlNet before `fold_multiplicity()`.
        vae: diffusers' `AutoencoderKLTemporalDecoder` of SVD.
        image_encoder: transformers' `CLIPVisionModelWithProjection` of SVD.
        dtype: compute dtype, to which the networks are converted once. That of the UNet when None,
            but float32 on a CPU, where half precision takes 20 to 100 times as long.
        offload: see `offload.Offload`; affects memory and speed, not the result.

    Raises:
        NetworkError: an unsupported dtype, such as fp8.
    """

    def __init__(
        self,
        unet: MimicMotionUNet,
        dispose: DisPose,
        pose_net: PoseNet,
        vae: nn.Module,
        image_encoder: nn.Module,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        offload: Offload = "stages",
    ):
        self.device = torch.device(device)
        if dtype is None:
            dtype = torch.float32 if self.device.type == "cpu" else unet.dtype
        if dtype not in DTYPES:
            raise NetworkError(
                f"pipeline: cannot compute in {dtype}. Use float16 or bfloat16 on a GPU and "
                "float32 on a CPU; files in fp8 load too and are converted."
            )
        self.dtype, self.offload = dtype, offload
        self.unet = unet.to(dtype)
        self.controlnet = dispose.controlnet.to(dtype)
        self.motion_encoder = dispose.motion_encoder.to(dtype)
        self.point_adapter = dispose.point_adapter.to(dtype)
        self.pose_net = pose_net.to(dtype)
        # diffusers' own `to` would warn about dtype changes.
        self.vae = nn.Module.to(vae, dtype).requires_grad_(False).eval()
        self.image_encoder = nn.Module.to(image_encoder, dtype).requires_grad_(False).eval()

    def __call__(
        self,
        inputs: PipelineInputs,
        options: SamplingOptions | None = None,
        *,
        stage_progress: StageProgress = no_stage_progress,
        on_step: OnStep = no_preview,
    ) -> Iterator[Tensor]:
        """Run `sample` immediately and return the lazy iterator of `decode`.

        With `official` the image is first quantised as in the official code (`official_pixels`),
        which `sample` alone does not do.
        """
        options = options or SamplingOptions()
        if options.official:
            inputs = replace(inputs, image=official_pixels(inputs.image, self.dtype))
        latents = self.sample(inputs, options, stage_progress=stage_progress, on_step=on_step)
        return self.decode(latents, options, on_frame=stage_progress("decoding"))

    @torch.no_grad()
    def sample(
        self,
        inputs: PipelineInputs,
        options: SamplingOptions | None = None,
        *,
        stage_progress: StageProgress = no_stage_progress,
        on_step: OnStep = no_preview,
    ) -> Tensor:
        """Sample the latents.

        Args:
            inputs: image, pose images, motion and features.
            options: the paper's when None.
            stage_progress: "sampling" counts windows over all steps.
            on_step: called after each step, for previews; may raise to cancel.

        Returns:
            (F+1, 4, H/8, W/8) on the CPU; frame 0 is the reference.

        Raises:
            NetworkError: inputs that do not fit the networks or the options, or values that are not
                finite; the message names step and window.
        """
        options = options or SamplingOptions()
        frames = len(inputs)
        windows = context_windows(frames, options.window, options.overlap)
        noise = sequence_noise(
            options.seed,
            frames,
            inputs.size,
            length=options.window,
            kind=options.noise,
            # The CPU's noise is the same on every machine.
            device=self.device if options.official else "cpu",
            dtype=self.dtype if options.official else torch.float32,
        )
        image = self._encode_image(inputs.image, noise.image, options)
        guidance = Guidance(
            image,
            self._encode_hints(inputs, options, stage_progress("motion")),
            self._encode_poses(inputs, options, stage_progress("poses")),
        )
        networks = [self.unet] if guidance.hints is None else [self.unet, self.controlnet]
        with denoising(*networks, device=self.device, offload=self.offload):
            latents = denoise(
                self.unet,
                self.controlnet,
                noise.latents,
                guidance,
                windows,
                options,
                stage_progress("sampling"),
                on_step,
            )
            return latents.cpu()

    def decode(
        self,
        latents: Tensor,
        options: SamplingOptions | None = None,
        on_frame: Progress = no_progress,
    ) -> Iterator[Tensor]:
        """Decode latents to images, one by one.

        Args:
            on_frame: called before each image is yielded; may raise to cancel.

        Yields:
            (3, H, W) float32 on the CPU, 0…1: F of them, without the reference.

        Raises:
            NetworkError: images that are not finite.
        """
        options = options or SamplingOptions()
        with on_device(self.vae, device=self.device, offload=self.offload):
            frames = decode_frames(
                vae_pass(self.vae), latents, options.decode_chunk, options.official, on_frame
            )
            next(frames)
            yield from frames

    def _encode_image(
        self, image: Tensor, noise: Tensor, options: SamplingOptions
    ) -> ImageConditioning:
        with on_device(self.image_encoder, self.vae, device=self.device, offload=self.offload):
            return encode_image(
                self.image_encoder, self.vae, image, noise, options.augmentation, options.official
            )

    def _encode_hints(
        self, inputs: PipelineInputs, options: SamplingOptions, on_frame: Progress
    ) -> ControlHints | None:
        if not options.control_strength:
            return None
        if isinstance(inputs.motion, ControlHints):
            return inputs.motion
        strength = options.motion_strength
        motion = encode_motion(
            self.motion_encoder,
            inputs.motion,
            inputs.size,
            frames=range(len(inputs)),
            flow_strength=strength,
            trajectory_strength=strength,
            device=self.device,
            on_frame=on_frame,
        )
        points = None
        if inputs.features is not None and inputs.poses is not None and options.point_strength:
            points = point_residuals(
                self.point_adapter,
                inputs.features,
                inputs.poses,
                inputs.size,
                strength=options.point_strength,
            )
        return ControlHints(motion, points)

    def _encode_poses(
        self, inputs: PipelineInputs, options: SamplingOptions, on_frame: Progress
    ) -> Tensor | None:
        if inputs.pose_images is None or not options.pose_strength:
            return None
        images = cast(Tensor, inputs.pose_images)  # SkeletonImages can be sliced like a tensor
        return encode_poses(self.pose_net, images, device=self.device, on_frame=on_frame)
