"""The reference person moving: cut out, carried by a motion field, laid over the filled background.

A preview of the motion, made without any model: what the picture does not show (the other side of
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
from .background_inpainting import SEARCH_SIDE, background_plate
from .mesh import MARGIN
from .rasterizer import draw_sheet, flow_of, sheet_of

# Pixels this close to the mask's edge are taken to be mixed with the old background.
MIXED = 2
# The mask's outline moves to an edge of the picture at most this far away; SNAP_NOISE is the
# variance of colour (0…1) that is no edge yet.
SNAP, SNAP_NOISE, SNAP_STEEPNESS = 3, 1e-3, 2.0
# The person's outline is drawn wider by up to SPARE where a part moved SURE or farther, both shares
# of the picture's longer side: the farther a part moves, the less is known of where it ends, and a
# rim of wall inside the person shows more than a rim of sleeve beside it.
SPARE, SURE = 0.002, 0.005
# How much of the moved person shows over the still picture in the overlay.
ONION = 0.55


@dataclass(frozen=True, eq=False)
class PreviewFrame:
    """One entry of the preview.

    Attributes:
        picture: (3, H, W) uint8, the person moved, over the filled background.
        overlay: (3, H, W) uint8, the moved person half transparent over the reference picture.
        uncovered: (H, W) 0…1, where the filled background shows in place of the person.
        coverage: (H, W) 0…1, where the moved person is drawn.
    """

    picture: Tensor
    overlay: Tensor
    uncovered: Tensor
    coverage: Tensor


def preview_frames(
    picture: Tensor,
    field: MotionField,
    entries: Sequence[int],
    mask: Tensor | None = None,
    on_entry: Progress = no_progress,
    search_side: int = SEARCH_SIDE,
) -> Iterator[PreviewFrame]:
    """Draws entries one after the other, holding one at a time.

    An entry without a pose holds the picture of the last entry before it that has one, among
    those asked for or not; before the first one the person stands as in the reference.

    Args:
        picture: (3, H, W) reference, 0…1, at the size wanted.
        field: of this picture at any size.
        entries: absolute entries, 0 the reference, in the order wanted.
        mask: (H, W) 0…1, the person; the field's own when None.
        on_entry: called after each entry; may raise to cancel.
        search_side: how finely the background is filled, see `background_plate`.

    Raises:
        DisPoseError: nothing is in the mask, or there is none, or sizes differ.
    """
    if mask is None:
        height, width = picture.shape[-2:]
        mask = _mask_of(field, (height, width))
    if tuple(mask.shape) != tuple(picture.shape[-2:]):
        raise DisPoseError(
            f"preview: the subject mask has (H, W) = {tuple(mask.shape)}, the picture "
            f"{tuple(picture.shape[-2:])}. Resize the mask to the picture."
        )
    if not (mask > 0.5).any():
        raise DisPoseError(
            "preview: the subject mask is empty, so there is no person to move. "
            "Give a mask that is white on the person, or none to take the motion field's own."
        )
    return _draw(picture.float(), field, entries, mask.float(), on_entry, search_side)


def _draw(
    picture: Tensor,
    field: MotionField,
    entries: Sequence[int],
    mask: Tensor,
    on_entry: Progress,
    search_side: int,
) -> Iterator[PreviewFrame]:
    plate = background_plate(picture, mask, search_side)
    mask = snap_to_edges(picture, mask)
    spare = min(round(SPARE * max(mask.shape)), MARGIN)  # the sheet reaches no farther
    rim = _spare_rim(mask, spare)
    sheet = sheet_of(field, person_colours(picture, mask, spare), mask)
    shown, frame = -1, None
    for done, entry in enumerate(entries, 1):
        wanted = held_entry(field, entry)
        if frame is None or wanted != shown:
            flow = flow_of(field, wanted, picture.shape[-2:])
            outline = mask + rim * _doubt(flow, spare)
            colour = torch.cat([sheet.colour[:-1], outline[None]])
            drawn = draw_sheet(replace(sheet, colour=colour), flow)
            person, coverage = drawn[:3], drawn[3]
            frame = PreviewFrame(
                _to_bytes(torch.lerp(plate, person, coverage)),
                _to_bytes(torch.lerp(picture, person, ONION * coverage)),
                mask * (1 - coverage),
                coverage,
            )
            shown = wanted
        yield frame
        on_entry(done, len(entries))


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


def held_entry(field: MotionField, entry: int) -> int:
    """The entry itself if it has a pose, else the last one before it that has, else 0."""
    with_pose = field.valid[: entry + 1].nonzero()
    return int(with_pose[-1]) if len(with_pose) else 0


def _mask_of(field: MotionField, size: tuple[int, int]) -> Tensor:
    if field.subject is None:
        raise DisPoseError(
            "preview: the motion field does not say where the person is (it comes from another "
            "program or densifier). Give a mask that is white on the person."
        )
    return F.interpolate(field.subject[None, None], size, mode="bilinear")[0, 0]


def person_colours(picture: Tensor, mask: Tensor, spare: int = 0) -> Tensor:
    """The picture with the person's own colours continued over the soft edge of the mask.

    Without this a rim of the old background would travel with the person.

    Args:
        picture: (3, H, W).
        mask: (H, W) 0…1.
        spare: pixels beyond the mask where the colours are wanted as well.

    Returns:
        (3, H, W), equal to the picture inside the person.
    """
    inner = [-F.max_pool2d(-mask[None, None], 2 * r + 1, 1, r) for r in (MIXED, 1)]
    # Where a part has no pure inside (a finger), its less mixed pixels decide.
    pure = inner[0] + 0.02 * inner[1] + 4e-4 * mask
    reach, colour, weight = MIXED + spare // 2, picture[None] * pure, pure
    for _ in range(3):  # three boxes are nearly a Gaussian
        colour = F.avg_pool2d(colour, 2 * reach + 1, 1, reach)
        weight = F.avg_pool2d(weight, 2 * reach + 1, 1, reach)
    spread = colour / weight.clamp_min(1e-9)
    keep = inner[0] + (1 - mask) * (weight < 1e-6)
    return torch.lerp(spread, picture[None], keep.clamp(0, 1))[0]


def snap_to_edges(picture: Tensor, mask: Tensor) -> Tensor:
    """The mask with its outline moved to the picture's own edge nearby (guided filter, He 2010).

    A mask that was found on a smaller picture is soft and a pixel or two off; what it takes along
    or leaves behind shows as soon as the person moves.

    Args:
        picture: (3, H, W) 0…1.
        mask: (H, W) 0…1.

    Returns:
        (H, W) 0…1, equal to the mask farther than SNAP pixels from its outline.
    """

    def mean(values: Tensor) -> Tensor:
        size = 2 * SNAP + 1
        return F.avg_pool2d(values[None], size, 1, SNAP, count_include_pad=False)[0]

    middle, level = mean(picture), mean(mask[None])
    along = mean(picture * mask) - middle * level  # (3, H, W) covariance with the mask
    pairs = mean((picture[:, None] * picture[None]).flatten(0, 1)).unflatten(0, (3, 3))
    spread = pairs - middle[:, None] * middle[None]
    spread = spread + SNAP_NOISE * torch.eye(3)[:, :, None, None]
    slope = torch.linalg.solve(spread.permute(2, 3, 0, 1), along.permute(1, 2, 0)).permute(2, 0, 1)
    start = level[0] - (slope * middle).sum(0)
    snapped = (mean(slope) * picture).sum(0) + mean(start[None])[0]
    # The filter leaves a faint veil; the outline is where it passes one half.
    snapped = ((snapped - 0.5) * SNAP_STEEPNESS + 0.5).clamp(0, 1)
    near = (level[0] > 0.01) & (level[0] < 0.99)
    return torch.where(near, snapped, mask)


def _to_bytes(picture: Tensor) -> Tensor:
    return (picture * 255).round().clamp(0, 255).to(torch.uint8)
