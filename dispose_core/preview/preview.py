"""The reference person moving: cut out, carried by a motion field, laid over the filled background.

A preview of the motion, made without any model: what the image does not show (the other side of
a turning head, a palm) cannot appear.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DisPoseError
from ..motion.motion_field import MotionField
from ..progress import Progress, no_progress
from .background_inpainting import SEARCH_SIDE, inpaint_background
from .mesh import MARGIN
from .rasterizer import draw_mesh, flow_of, mesh_of

# Pixels this close to the mask's edge are taken to be mixed with the old background.
MIXED = 2
# The mask's outline moves to an edge of the image at most this far away; SNAP_NOISE is the
# variance of colour (0…1) that is no edge yet.
SNAP, SNAP_NOISE, SNAP_STEEPNESS = 3, 1e-3, 2.0
# The person's outline is drawn wider by up to SPARE where a part moved SURE or farther, both shares
# of the image's longer side: the farther a part moves, the less is known of where it ends, and a
# rim of wall inside the person shows more than a rim of sleeve beside it.
SPARE, SURE = 0.002, 0.005
# How much of the moved person shows over the still image in the overlay.
ONION = 0.55


@dataclass(frozen=True, eq=False)
class PreviewFrame:
    """One frame of the preview.

    Attributes:
        image: (3, H, W) uint8, the person moved, over the filled background.
        overlay: (3, H, W) uint8, the moved person half transparent over the reference image.
        uncovered: (H, W) 0…1, where the filled background shows in place of the person.
        coverage: (H, W) 0…1, where the moved person is drawn.
    """

    image: Tensor
    overlay: Tensor
    uncovered: Tensor
    coverage: Tensor


def preview_frames(
    image: Tensor,
    field: MotionField,
    frames: Sequence[int],
    mask: Tensor | None = None,
    on_frame: Progress = no_progress,
    search_side: int = SEARCH_SIDE,
) -> Iterator[PreviewFrame]:
    """Draws frames one after the other, holding one at a time.

    A frame without a pose holds the image of the last frame before it that has one, among
    those asked for or not; before the first one the person stands as in the reference.

    Args:
        image: (3, H, W) reference, 0…1, at the size wanted.
        field: of this image at any size.
        frames: absolute frames, 0 the reference, in the order wanted.
        mask: (H, W) 0…1, the person; the field's own when None.
        on_frame: called after each frame; may raise to cancel.
        search_side: how finely the background is filled, see `inpaint_background`.

    Raises:
        DisPoseError: nothing is in the mask, or there is none, or sizes differ.
    """
    if mask is None:
        height, width = image.shape[-2:]
        mask = _mask_of(field, (height, width))
    if tuple(mask.shape) != tuple(image.shape[-2:]):
        raise DisPoseError(
            f"preview: the subject mask has (H, W) = {tuple(mask.shape)}, the image "
            f"{tuple(image.shape[-2:])}. Resize the mask to the image."
        )
    if not (mask > 0.5).any():
        raise DisPoseError(
            "preview: the subject mask is empty, so there is no person to move. "
            "Give a mask that is white on the person, or none to take the motion field's own."
        )
    return _draw(image.float(), field, frames, mask.float(), on_frame, search_side)


def _draw(
    image: Tensor,
    field: MotionField,
    frames: Sequence[int],
    mask: Tensor,
    on_frame: Progress,
    search_side: int,
) -> Iterator[PreviewFrame]:
    background = inpaint_background(image, mask, search_side)
    mask = snap_to_edges(image, mask)
    spare = min(round(SPARE * max(mask.shape)), MARGIN)  # the sheet reaches no farther
    rim = _spare_rim(mask, spare)
    mesh = mesh_of(field, person_colours(image, mask, spare), mask)
    shown, preview = -1, None
    for done, frame in enumerate(frames, 1):
        wanted = held_frame(field, frame)
        if preview is None or wanted != shown:
            flow = flow_of(field, wanted, image.shape[-2:])
            outline = mask + rim * _doubt(flow, spare)
            colour = torch.cat([mesh.colour[:-1], outline[None]])
            drawn = draw_mesh(replace(mesh, colour=colour), flow)
            person, coverage = drawn[:3], drawn[3]
            preview = PreviewFrame(
                _to_bytes(torch.lerp(background, person, coverage)),
                _to_bytes(torch.lerp(image, person, ONION * coverage)),
                mask * (1 - coverage),
                coverage,
            )
            shown = wanted
        yield preview
        on_frame(done, len(frames))


def _spare_rim(mask: Tensor, spare: int) -> Tensor:
    """(H, W) 0…1, what the outline may gain; nothing in gaps as narrow as those of fingers."""
    wide = _widen(mask, spare)
    closed = -_widen(-_widen(mask, 3 * spare), 3 * spare)
    return (wide - mask) * (1 - (closed - mask).clamp(0, 1))


def _doubt(flow: Tensor, spare: int) -> Tensor:
    """(2, H, W) flow -> (H, W) 0…1, how unsure the outline of what moves is."""
    far = torch.hypot(*flow) / (SURE * max(flow.shape[-2:]))
    # Flow fades towards the wall; the rim moves as the person beside it.
    return _widen(far, spare).clamp(max=1)


def _widen(plane: Tensor, pixels: int) -> Tensor:
    """(H, W), the largest value at most `pixels` away."""
    return F.max_pool2d(plane[None], 2 * pixels + 1, 1, pixels)[0]


def held_frame(field: MotionField, frame: int) -> int:
    """The frame itself if it has a pose, else the last one before it that has, else 0."""
    with_pose = field.valid[: frame + 1].nonzero()
    return int(with_pose[-1]) if len(with_pose) else 0


def _mask_of(field: MotionField, size: tuple[int, int]) -> Tensor:
    if field.subject is None:
        raise DisPoseError(
            "preview: the motion field does not say where the person is (it comes from another "
            "program or densifier). Give a mask that is white on the person."
        )
    return F.interpolate(field.subject[None, None], size, mode="bilinear")[0, 0]


def person_colours(image: Tensor, mask: Tensor, spare: int = 0) -> Tensor:
    """The image with the person's own colours continued over the soft edge of the mask.

    Without this a rim of the old background would travel with the person.

    Args:
        image: (3, H, W).
        mask: (H, W) 0…1.
        spare: pixels beyond the mask where the colours are wanted as well.

    Returns:
        (3, H, W), equal to the image inside the person.
    """
    inner = [-F.max_pool2d(-mask[None, None], 2 * r + 1, 1, r) for r in (MIXED, 1)]
    # Where a part has no pure inside (a finger), its less mixed pixels decide.
    pure = inner[0] + 0.02 * inner[1] + 4e-4 * mask
    reach, colour, weight = MIXED + spare // 2, image[None] * pure, pure
    for _ in range(3):  # three boxes are nearly a Gaussian
        colour = F.avg_pool2d(colour, 2 * reach + 1, 1, reach)
        weight = F.avg_pool2d(weight, 2 * reach + 1, 1, reach)
    spread = colour / weight.clamp_min(1e-9)
    keep = inner[0] + (1 - mask) * (weight < 1e-6)
    return torch.lerp(spread, image[None], keep.clamp(0, 1))[0]


def snap_to_edges(image: Tensor, mask: Tensor) -> Tensor:
    """The mask with its outline moved to the image's own edge nearby (guided filter, He 2010).

    A mask that was found on a smaller image is soft and a pixel or two off; what it takes along
    or leaves behind shows as soon as the person moves.

    Args:
        image: (3, H, W) 0…1.
        mask: (H, W) 0…1.

    Returns:
        (H, W) 0…1, equal to the mask farther than SNAP pixels from its outline.
    """

    def mean(values: Tensor) -> Tensor:
        size = 2 * SNAP + 1
        return F.avg_pool2d(values[None], size, 1, SNAP, count_include_pad=False)[0]

    middle, level = mean(image), mean(mask[None])
    along = mean(image * mask) - middle * level  # (3, H, W) covariance with the mask
    pairs = mean((image[:, None] * image[None]).flatten(0, 1)).unflatten(0, (3, 3))
    spread = pairs - middle[:, None] * middle[None]
    spread = spread + SNAP_NOISE * torch.eye(3)[:, :, None, None]
    slope = torch.linalg.solve(spread.permute(2, 3, 0, 1), along.permute(1, 2, 0)).permute(2, 0, 1)
    start = level[0] - (slope * middle).sum(0)
    snapped = (mean(slope) * image).sum(0) + mean(start[None])[0]
    # The filter leaves a faint veil; the outline is where it passes one half.
    snapped = ((snapped - 0.5) * SNAP_STEEPNESS + 0.5).clamp(0, 1)
    near = (level[0] > 0.01) & (level[0] < 0.99)
    return torch.where(near, snapped, mask)


def _to_bytes(image: Tensor) -> Tensor:
    return (image * 255).round().clamp(0, 255).to(torch.uint8)
