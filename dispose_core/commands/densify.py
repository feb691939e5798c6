"""What spreads the motion: `--densifier`, `--cmp` and `--mask`."""

from __future__ import annotations

from argparse import Namespace

import torch
from torch import Tensor

from ..checkpoints.catalog import where_to_get
from ..errors import CheckpointError
from ..media.image import read_picture
from ..media.resize import resize_crop
from ..motion.densifiers.base import Densifier
from ..motion.densifiers.skinning.densifier import SkinningDensifier

CMP_FILE = "ckpt_iter_42000.pth.tar"


def load_densifier(options: Namespace, size: tuple[int, int]) -> Densifier:
    """The densifier asked for, with its weights loaded.

    Args:
        size: (H, W) of the fitted reference, to which the mask is fitted too.

    Raises:
        CheckpointError: no file for CMP, or one that is not CMP's.
        MediaError: the mask cannot be read.
    """
    mask = _mask(options, size)
    if options.densifier == "skinning" or not (options.densifier or options.cmp):
        return SkinningDensifier(mask)
    if options.cmp is None:
        raise CheckpointError(
            f"--densifier cmp: no weights given. Add --cmp {CMP_FILE}. "
            f"{where_to_get('dispose', CMP_FILE)}"
        )
    from ..checkpoints.loaders import load_cmp
    from ..motion.densifiers.cmp import CmpDensifier

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return CmpDensifier(load_cmp(options.cmp), mask, device=device, dtype=torch.float32)


def _mask(options: Namespace, size: tuple[int, int]) -> Tensor | None:
    return resize_crop(read_picture(options.mask), size).mean(0) if options.mask else None
