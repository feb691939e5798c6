"""The denoiser as a stock MODEL: MimicMotion's UNet, patched with PoseNet's latents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comfy.model_base
import comfy.sd
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...dispose_core.checkpoints.architectures.mimicmotion import load_pose_net, unet_weights
from ...dispose_core.checkpoints.key_maps import rename_keys, to_comfyui
from ...dispose_core.checkpoints.registry import SVD, SVD_COMFYUI, SVD_UNET, recognize
from ...dispose_core.checkpoints.state_dict import open_weights
from ...dispose_core.checkpoints.weights import Weights
from ...dispose_core.errors import CheckpointError, NetworkError
from ...dispose_core.models.latent import DOWNSCALE
from ...dispose_core.progress import Progress
from .memory import bytes_of, require_room
from .model_management import DEFAULT, DTYPES, load, patcher, precision
from .window_frames import check_window, conditional_spans, current_window

GUIDANCE = "Apply Pose Guidance"
_INSIDE_SVD = "model.diffusion_model."
# Upper bound of the channels of PoseNet's live activations at full size.
_POSE_NET_CHANNELS, _POSE_NET_CHUNK = 48, 8


def load_model(path: Path, dtype: str) -> ModelPatcher:
    """Load MimicMotion's or SVD's UNet with ComfyUI's loader.

    Dtypes, offloading, fp8 and LoRAs with ComfyUI's keys work as for any MODEL.

    Args:
        path: a file in any layout known to
            `architectures.mimicmotion.unet_weights`, or a complete SVD.
        dtype: a key of `model_management.DTYPES`, or its `DEFAULT`.

    Raises:
        CheckpointError: another file, or a damaged one.
    """
    state = comfyui_state(open_weights(path))
    options = {"dtype": DTYPES[dtype]} if dtype in DTYPES else {}
    model = comfy.sd.load_diffusion_model_state_dict(state, model_options=options)
    if model is None or not isinstance(model.model, comfy.model_base.SVD_img2vid):
        raise CheckpointError(
            f"{path.name}: ComfyUI does not recognize this file as an SVD model. "
            "Use MimicMotion_1-1.pth as published, or SVD XT."
        )
    return model


def comfyui_state(weights: Weights) -> dict[str, Tensor]:
    """Weights of an SVD-class UNet under ComfyUI's keys, from a file of any layout.

    Raises:
        CheckpointError: another file.
    """
    if recognize(weights.shapes) is SVD:
        return weights.below(_INSIDE_SVD).tensors
    return rename_keys(unet_weights(weights).tensors, to_comfyui)


def load_pose_net_patcher(path: Path, optional: bool) -> ModelPatcher | None:
    """Load PoseNet from its own file or MimicMotion's, managed by ComfyUI.

    Args:
        optional: return None instead of raising for models without PoseNet.

    Raises:
        CheckpointError: another file, or a damaged one.
    """
    architecture = recognize(open_weights(path).shapes)
    if optional and architecture in (SVD, SVD_UNET, SVD_COMFYUI):
        return None
    net = load_pose_net(path)
    count = sum(weight.numel() for weight in net.parameters())
    return patcher(net.to(precision(DEFAULT, net.scale.dtype, count).computed))


def require_svd(model: comfy.model_base.BaseModel, name: str, channels: int) -> None:
    """Check that a node's network fits the model.

    Args:
        model: the one inside a MODEL.
        name: of the node, for the message.
        channels: of the UNet's first level, as expected by the node's network.

    Raises:
        NetworkError: another kind of model, or an SVD of other sizes.
    """
    if not isinstance(model, comfy.model_base.SVD_img2vid):
        raise NetworkError(
            f"{name}: the MODEL is {type(model.model_config).__name__}, not MimicMotion or another "
            "video model of the SVD class. Connect the MODEL of 'MimicMotion Loader'."
        )
    found = model.model_config.unet_config["model_channels"]
    if found != channels:
        raise NetworkError(
            f"{name}: its network needs a UNet with {channels} channels, but the MODEL has "
            f"{found}. Use the files of MimicMotion and DisPose as published."
        )


def check_pose_net(model: ModelPatcher, pose_net: ModelPatcher | None) -> None:
    """Raise NetworkError unless there is a PoseNet that fits the MODEL."""
    if pose_net is None:
        raise NetworkError(
            f"{GUIDANCE}: the model file has no PoseNet. In 'MimicMotion Loader', load "
            "MimicMotion_1-1.pth, or choose mimic_motion_pose_net.safetensors as pose_net. "
            "For plain SVD, remove this node."
        )
    require_svd(model.model, GUIDANCE, pose_net.model.final_proj.out_channels)


def pose_latents(pose_net: ModelPatcher, skeletons: Tensor, on_frame: Progress) -> Tensor:
    """Compute the pose latents of skeleton images.

    Args:
        pose_net: a `PoseNet`, managed by ComfyUI.
        skeletons: IMAGE (F+1, H, W, 3), the reference's first.

    Returns:
        (F+1, C, H/8, W/8) on the CPU.

    Raises:
        NetworkError: images of an unsupported shape.
    """
    from ...dispose_core.guidance.pose_latents import encode_poses

    net = pose_net.model
    pixels = skeletons.shape[1] * skeletons.shape[2]
    size = net.scale.dtype.itemsize
    shape = (len(skeletons), net.final_proj.out_channels, pixels // DOWNSCALE**2)
    require_room(
        f"pose latents: {len(skeletons)} for images of {skeletons.shape[2]}×{skeletons.shape[1]}",
        bytes_of(shape, net.scale.dtype),
        "Use fewer or smaller images.",
    )
    device = load(pose_net, _POSE_NET_CHUNK * _POSE_NET_CHANNELS * pixels * size)
    return encode_poses(
        net,
        skeletons[..., :3].movedim(-1, 1),
        chunk=_POSE_NET_CHUNK,
        device=device,
        on_frame=on_frame,
    )


class PoseGuidance:
    """Model patch that adds pose latents to cond after the first convolution.

    It runs before the first skip is stored, as in MimicMotion's UNet
    (docs/reference_behaviour.md#unet-pose-latents).

    Args:
        latents: (F+1, C, h, w) on the CPU, for all frames.
        strength: scales them; 1 is the paper.
        sigmas: range in which they are added, the larger sigma first.
    """

    def __init__(self, latents: Tensor, strength: float, sigmas: tuple[float, float]):
        self.latents = latents
        self.strength = strength
        self.first, self.last = sigmas

    def __call__(self, h: Tensor, options: Mapping[str, Any]) -> Tensor:
        """ComfyUI's `input_block_patch`: h (B F, C, h, w) after an input block -> the same.

        Raises:
            NetworkError: the pose latents differ in length or size from the latents.
        """
        if options["block"] != ("input", 0):
            return h
        if not self.last <= float(options["sigmas"][0]) <= self.first:
            return h
        cond_or_uncond = options["cond_or_uncond"]
        window = current_window(options, len(h) // len(cond_or_uncond))
        check_window(
            GUIDANCE, len(self.latents), self.latents.shape[-2:], window, tuple(h.shape[-2:])
        )
        spans = conditional_spans(cond_or_uncond, len(h))
        if spans:
            pose = self.latents[window.frames].to(h) * self.strength
            for span in spans:
                h[span] += pose
        return h


def apply_pose_guidance(
    model: ModelPatcher, latents: Tensor, strength: float, start: float, end: float
) -> ModelPatcher:
    """Return a copy of a MODEL with pose latents; start and end are fractions of the sampling."""
    sampling = model.get_model_object("model_sampling")
    sigmas = float(sampling.percent_to_sigma(start)), float(sampling.percent_to_sigma(end))
    guided = model.clone()
    guided.set_model_input_block_patch(PoseGuidance(latents, strength, sigmas))
    return guided
