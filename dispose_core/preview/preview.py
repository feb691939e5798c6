"""Preview of a motion field: the person warped over the inpainted background.

No model is used, so surfaces that the reference does not show (the other side of a turning head, a
palm) cannot appear.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DisPoseError
from ..motion.motion_field import MotionField
from ..pose.canvas import same_shape
from ..progress import Progress, no_progress
from .background_inpainting import SEARCH_SIDE, inpaint_background
from .mesh import MARGIN
from .rasterizer import draw_mesh, flow_of, mesh_of

# Width of the mask's edge in which pixels are mixed with the background.
MIXED = 2
# Guided filter that snaps the mask to image edges: radius, regularisation (variance of colours in
# 0…1 below which there is no edge), and gain around 0.5.
SNAP, SNAP_NOISE, SNAP_STEEPNESS = 3, 1e-3, 2.0
# The outline is dilated by up to SPARE where a part moves by SURE or more, both as shares of the
# longer side. The outline of a moving part is uncertain, and a rim of background inside the person
# is more visible than one of the person outside.
SPARE, SURE = 0.002, 0.005
# Opacity of the person in the overlay.
ONION = 0.55


@dataclass(frozen=True, eq=False)
class PreviewFrame:
    """One frame of the preview.

    Attributes:
        image: (3, H, W) uint8, the warped person over the inpainted background.
        overlay: (3, H, W) uint8, the warped person, half transparent, over the reference image.
        uncovered: (H, W) 0…1, where inpainted background replaces the person.
        coverage: (H, W) 0…1, where the warped person is drawn.
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
    """Yield preview frames one at a time.

    A frame without a pose repeats the last frame before it that has one, even if that one is not in
    `frames`; before the first pose the person stays as in the reference.

    Args:
        image: (3, H, W) reference, 0…1, at the output size.
        field: motion field of this image at any size.
        frames: absolute frames in output order; 0 is the reference.
        mask: (H, W) 0…1, the person; that of the field when None.
        search_side: quality of the background, see `inpaint_background`.

    Raises:
        DisPoseError: the mask is missing or empty, or sizes differ.
    """
    height, width = image.shape[-2:]
    if not same_shape((height, width), field.size):
        raise DisPoseError(
            f"preview: the image ({width}×{height}) has another shape than the one that the motion "
            f"field was made from ({field.size[1]}×{field.size[0]}). Give that image."
        )
    if mask is None:
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
    spare = min(round(SPARE * max(mask.shape)), MARGIN)  # limited to the mesh
    rim = _spare_rim(mask, spare)
    mesh = mesh_of(field, person_colours(image, mask, spare), mask)
    drawn_frame, preview = -1, None
    for done, frame in enumerate(frames, 1):
        source_frame = held_frame(field, frame)
        if preview is None or source_frame != drawn_frame:
            flow = flow_of(field, source_frame, image.shape[-2:])
            outline = mask + rim * _outline_uncertainty(flow, spare)
            colour = torch.cat([mesh.colour[:-1], outline[None]])
            warped = draw_mesh(replace(mesh, colour=colour), flow)
            person, coverage = warped[:3], warped[3]
            preview = PreviewFrame(
                _to_bytes(torch.lerp(background, person, coverage)),
                _to_bytes(torch.lerp(image, person, ONION * coverage)),
                mask * (1 - coverage),
                coverage,
            )
            drawn_frame = source_frame
        yield preview
        on_frame(done, len(frames))


def _spare_rim(mask: Tensor, spare: int) -> Tensor:
    """(H, W) 0…1, dilation of the outline; zero in gaps as narrow as those between fingers."""
    dilated = _dilate(mask, spare)
    closed = -_dilate(-_dilate(mask, 3 * spare), 3 * spare)
    return (dilated - mask) * (1 - (closed - mask).clamp(0, 1))


def _outline_uncertainty(flow: Tensor, spare: int) -> Tensor:
    """(H, W) 0…1, uncertainty of the outline for a flow (2, H, W)."""
    motion = torch.hypot(*flow) / (SURE * max(flow.shape[-2:]))
    # The flow fades towards the background; the rim takes the value of the person beside it.
    return _dilate(motion, spare).clamp(max=1)


def _dilate(plane: Tensor, pixels: int) -> Tensor:
    """Dilate a (H, W) plane: maximum over a square of radius `pixels`."""
    return F.max_pool2d(plane[None], 2 * pixels + 1, 1, pixels)[0]


def held_frame(field: MotionField, frame: int) -> int:
    """`frame` if it has a pose, else the last frame before it that has one, else 0."""
    with_pose = field.valid[: frame + 1].nonzero()
    return int(with_pose[-1]) if len(with_pose) else 0


def _mask_of(field: MotionField, size: tuple[int, int]) -> Tensor:
    if field.subject is None:
        raise DisPoseError(
            "preview: the motion field has no mask of the person (it comes from another "
            "program or densifier). Give a mask that is white on the person."
        )
    return F.interpolate(field.subject[None, None], size, mode="bilinear")[0, 0]


def person_colours(image: Tensor, mask: Tensor, spare: int = 0) -> Tensor:
    """Extend the person's colours over the soft edge of the mask.

    Otherwise a rim of the old background would move with the person.

    Args:
        image: (3, H, W).
        mask: (H, W) 0…1.
        spare: additional pixels beyond the mask.

    Returns:
        (3, H, W), equal to the image inside the person.
    """
    inner = [-F.max_pool2d(-mask[None, None], 2 * r + 1, 1, r) for r in (MIXED, 1)]
    # Thin parts such as fingers have no unmixed pixels; the least mixed ones are used.
    pure = inner[0] + 0.02 * inner[1] + 4e-4 * mask
    reach, colour, weight = MIXED + spare // 2, image[None] * pure, pure
    for _ in range(3):  # three box filters approximate a Gaussian
        colour = F.avg_pool2d(colour, 2 * reach + 1, 1, reach)
        weight = F.avg_pool2d(weight, 2 * reach + 1, 1, reach)
    spread = colour / weight.clamp_min(1e-9)
    keep = inner[0] + (1 - mask) * (weight < 1e-6)
    return torch.lerp(spread, image[None], keep.clamp(0, 1))[0]


def snap_to_edges(image: Tensor, mask: Tensor) -> Tensor:
    """Align the outline of the mask with image edges by a guided filter (He 2010).

    A mask estimated at a lower resolution is soft and a pixel or two off, which becomes visible
    when the person moves.

    Args:
        image: (3, H, W) 0…1.
        mask: (H, W) 0…1.

    Returns:
        (H, W) 0…1, equal to the mask further than SNAP pixels from its outline.
    """

    def mean(values: Tensor) -> Tensor:
        size = 2 * SNAP + 1
        return F.avg_pool2d(values[None], size, 1, SNAP, count_include_pad=False)[0]

    image_mean, mask_mean = mean(image), mean(mask[None])
    covariance = mean(image * mask) - image_mean * mask_mean  # (3, H, W) covariance with the mask
    pairs = mean((image[:, None] * image[None]).flatten(0, 1)).unflatten(0, (3, 3))
    image_covariance = pairs - image_mean[:, None] * image_mean[None]
    image_covariance = image_covariance + SNAP_NOISE * torch.eye(3)[:, :, None, None]
    slope = torch.linalg.solve(
        image_covariance.permute(2, 3, 0, 1), covariance.permute(1, 2, 0)
    ).permute(2, 0, 1)
    intercept = mask_mean[0] - (slope * image_mean).sum(0)
    snapped = (mean(slope) * image).sum(0) + mean(intercept[None])[0]
    # Sharpen the soft result around its level 0.5.
    snapped = ((snapped - 0.5) * SNAP_STEEPNESS + 0.5).clamp(0, 1)
    near = (mask_mean[0] > 0.01) & (mask_mean[0] < 0.99)
    return torch.where(near, snapped, mask)


def _to_bytes(image: Tensor) -> Tensor:
    return (image * 255).round().clamp(0, 255).to(torch.uint8)
