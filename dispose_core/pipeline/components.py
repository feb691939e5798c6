"""`Networks`: what is loaded once for many clips, each when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoints.loaders import load_cmp, load_dispose, load_pose_net, load_unet
from ..checkpoints.stable_diffusion import CLIP_VISION_HEADS, SD15Parts, load_sd15, load_svd_parts
from ..features.dift import diffusion_features
from ..models.cmp import CmpNetwork
from ..models.svd_sizes import HEAD_CHANNELS
from ..motion.densifiers.base import Densifier
from ..motion.densifiers.cmp import CmpDensifier
from ..motion.densifiers.skinning.densifier import SkinningDensifier
from ..pose.detectors.base import PoseDetector
from ..pose.detectors.registry import create_detector, detector_from_folder
from ..progress import Progress
from .offload import Offload, on_device
from .pipeline import DisPosePipeline


class Networks:
    """Loads networks from a run's files and keeps them.

    Args:
        paths: of the files, from `model_files.find_model_files`.
        device: where to compute.
        dtype: what to compute in.
        offload: see `sampling.offload`.
        head_channels, clip_heads: the released networks' but in test models.

    Raises:
        CheckpointError: by what needs it, a file that is damaged or of another model.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        device: torch.device | str,
        dtype: torch.dtype,
        offload: Offload = "stages",
        *,
        head_channels: int = HEAD_CHANNELS,
        clip_heads: int = CLIP_VISION_HEADS,
    ) -> None:
        self.paths, self.device = dict(paths), torch.device(device)
        self.dtype, self.offload = dtype, offload
        self._head_channels, self._clip_heads = head_channels, clip_heads
        self._detectors: dict[tuple[str, Path | None], PoseDetector] = {}

    @cached_property
    def pipeline(self) -> DisPosePipeline:
        """The networks of the sampler, loaded at the first call."""
        unet = load_unet(self.paths["unet"], head_channels=self._head_channels)
        dispose = load_dispose(
            self.paths["dispose"],
            add_embedding=unet.add_embedding.state_dict(),
            head_channels=self._head_channels,
        )
        svd = load_svd_parts(self.paths["svd"], clip_heads=self._clip_heads)
        return DisPosePipeline(
            unet,
            dispose,
            load_pose_net(self.paths["pose_net"]),
            svd.vae,
            svd.clip,
            device=self.device,
            dtype=self.dtype,
            offload=self.offload,
        )

    def feature_map(self, picture: Tensor, on_copy: Progress) -> Tensor:
        """(C, h, w) diffusion features of a picture (3, H, W), by SD 1.5."""
        sd15 = self._sd15
        with on_device(sd15.unet, sd15.vae, device=self.device, offload=self.offload):
            return diffusion_features(sd15.unet, sd15.vae, sd15.prompt, picture, on_copy=on_copy)

    def densifier(self, cmp: bool, subject: Tensor | None, reference: bool = False) -> Densifier:
        """What spreads the motion: CMP, or skinning, which needs no weights."""
        if not cmp:
            return SkinningDensifier(subject)
        return CmpDensifier(
            self._cmp, subject, device=self.device, dtype=torch.float32, reference=reference
        )

    def detector(self, name: str, folder: Path | None) -> PoseDetector:
        """What finds people; `folder` holds its files where it has any."""
        key = name, folder
        if key not in self._detectors:
            self._detectors[key] = (
                create_detector(name)
                if folder is None
                else detector_from_folder(name, folder, str(self.device))
            )
        return self._detectors[key]

    @cached_property
    def _sd15(self) -> SD15Parts:
        parts = load_sd15(self.paths["sd15"])
        parts.unet.to(self.dtype)
        # The VAE of SD 1.5 overflows in float16 for some pictures.
        half = torch.float32 if self.dtype == torch.float16 else self.dtype
        parts.vae.to(half)
        return parts

    @cached_property
    def _cmp(self) -> CmpNetwork:
        return load_cmp(self.paths["cmp"])
