"""`Components`: detectors and networks, loaded lazily and shared by several runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoints.architectures.dispose import load_dispose
from ..checkpoints.architectures.mimicmotion import load_pose_net, load_unet
from ..checkpoints.architectures.stable_diffusion import (
    CLIP_VISION_HEADS,
    SD15Parts,
    load_sd15,
    load_svd_parts,
)
from ..features.dift import diffusion_features
from ..models.svd_sizes import HEAD_CHANNELS
from ..motion.densifiers.base import Densifier
from ..motion.densifiers.registry import DENSIFIERS
from ..pose.detectors.base import PoseDetector
from ..pose.detectors.registry import DETECTORS, create_detector, default_detector
from ..progress import Progress
from .config import RunConfig
from .offload import Offload, on_device
from .pipeline import DisPosePipeline


class Components:
    """Loads detectors and networks on first use and keeps them.

    Args:
        paths: files from `model_files.find_model_files`.
        dtype: compute dtype; float32 when None.
        offload: see `pipeline.offload`.
        head_channels, clip_vision_heads: those of the released networks except in test models.

    Raises:
        CheckpointError: on first use, if a file is damaged or of another model.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        device: torch.device | str,
        dtype: torch.dtype | None = None,
        offload: Offload = "stages",
        *,
        head_channels: int = HEAD_CHANNELS,
        clip_vision_heads: int = CLIP_VISION_HEADS,
    ) -> None:
        self.paths, self.device = dict(paths), torch.device(device)
        self.dtype, self.offload = dtype or torch.float32, offload
        self._head_channels, self._clip_heads = head_channels, clip_vision_heads
        self._detectors: dict[tuple[str, Path | None], PoseDetector] = {}
        self._densifier_networks: dict[str, nn.Module | None] = {}

    @cached_property
    def pipeline(self) -> DisPosePipeline:
        unet = load_unet(self.paths["unet"], head_channels=self._head_channels)
        dispose = load_dispose(
            self.paths["dispose"],
            add_embedding=unet.add_embedding.state_dict(),
            head_channels=self._head_channels,
        )
        svd = load_svd_parts(self.paths["svd"], clip_vision_heads=self._clip_heads)
        return DisPosePipeline(
            unet,
            dispose,
            load_pose_net(self.paths["pose_net"]),
            svd.vae,
            svd.image_encoder,
            device=self.device,
            dtype=self.dtype,
            offload=self.offload,
        )

    def feature_map(self, image: Tensor, on_copy: Progress) -> Tensor:
        """Diffusion features (C, h, w) of an image (3, H, W), from SD 1.5."""
        sd15 = self._sd15
        with on_device(sd15.unet, sd15.vae, device=self.device, offload=self.offload):
            return diffusion_features(sd15.unet, sd15.vae, sd15.prompt, image, on_copy=on_copy)

    def densifier(
        self, name: str, subject: Tensor | None, folder: Path | None = None, official: bool = False
    ) -> Densifier:
        """Create the densifier of a run.

        Args:
            name: key in `DENSIFIERS`.
            subject: mask of the person, 0…1.
            folder: folder of its files, for those not in `paths`.
            official: reproduce the official code.
        """
        spec = DENSIFIERS[name]
        module = spec.module()
        if name not in self._densifier_networks:
            named = {role.argument: self.paths.get(role.argument) for role in spec.files}
            paths = {argument: path for argument, path in named.items() if path is not None}
            if len(paths) < len(spec.files):
                paths = spec.locate(folder, None)
            self._densifier_networks[name] = module.load_network(paths)
        network = self._densifier_networks[name]
        return module.build(network, subject, self.device, torch.float32, official)

    def detector(self, config: RunConfig) -> PoseDetector:
        folder, models = config.detector_files, config.models
        name = config.detector or default_detector(folder, models)
        key = name, folder or models
        if key not in self._detectors:
            files = DETECTORS[name].locate(folder, models)
            self._detectors[key] = create_detector(name, files, str(self.device))
        return self._detectors[key]

    @cached_property
    def _sd15(self) -> SD15Parts:
        parts = load_sd15(self.paths["sd15"])
        nn.Module.to(parts.unet, self.dtype)
        # The VAE of SD 1.5 overflows in float16 for some images.
        half = torch.float32 if self.dtype == torch.float16 else self.dtype
        nn.Module.to(parts.vae, half)
        return parts
