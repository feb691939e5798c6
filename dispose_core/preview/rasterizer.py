"""Moving an image along a flow, with visibility: nearer parts hide farther ones.

The image is a rubber sheet with a vertex on every pixel. Each frame moves the vertices, and
every output pixel looks up which triangle of the sheet lies on it and reads the image there:
the inverse of the flow, so that textures stay sharp and a stretched body has no holes. Triangles
that the flow tears apart are left out, so no colour is smeared between an arm and the torso.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DisPoseError
from ..motion.motion_field import MotionField
from .mesh import TEAR, Mesh, grow_square, make_mesh

# Cracks up to twice this many pixels wide between parts that separate are closed.
CRACK = 2
# At most this many surfaces are seen through each other's soft edges.
PEELS = 3
# Points of the sheet further apart than this are different surfaces, not neighbouring triangles.
SAME_SURFACE = 2.0


def forward_warp(
    image: Tensor, flow: Tensor, mask: Tensor | None = None, layer: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Moves each point of the image along the flow.

    Where surfaces overlap, the larger `layer` wins; in one layer, the side that still faces the
    viewer, then the point that moved farther (limbs pass in front of the torso more often than
    behind it). Soft edges of a nearer surface show the farther one through them.

    Args:
        image: (C, H, W).
        flow: (n, 2, H, W) pixels (dx, dy) from the image to each frame.
        mask: (H, W) 0…1, what moves; everything when None. Nothing is drawn for an empty mask.
        layer: (H, W) drawing order, larger is nearer; one layer when None.

    Returns:
        (n, C, H, W) colours, not multiplied by the coverage, 0 where nothing is drawn;
        (n, 1, H, W) coverage 0…1.

    Raises:
        DisPoseError: sizes differ.
    """
    if flow.shape[-2:] != image.shape[-2:]:
        raise DisPoseError(
            f"warp: the flow is {flow.shape[-1]}×{flow.shape[-2]}, the image "
            f"{image.shape[-1]}×{image.shape[-2]}. Ask the motion field for the image's size."
        )
    return _draw_all(make_mesh(image, mask, layer), flow)


def warp_frames(
    field: MotionField, image: Tensor, frames: Sequence[int], mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """`forward_warp` of an image by frames of a field, in the field's drawing order.

    Args:
        field: of this image.
        image: (C, H, W).
        frames: absolute frames, 0 the reference.
        mask: (H, W) 0…1, the person; everything when None.

    Returns:
        as `forward_warp`. Only one frame's flow is held at a time.
    """
    flows = (flow_of(field, frame, image.shape[-2:]) for frame in frames)
    return _draw_all(mesh_of(field, image, mask), flows)


def mesh_of(field: MotionField, image: Tensor, mask: Tensor | None) -> Mesh:
    """The sheet of an image with the drawing order of its field."""
    layer = field.layer
    if layer is not None:
        layer = F.interpolate(layer[None, None].float(), image.shape[-2:], mode="nearest")[0, 0]
    return make_mesh(image, mask, layer)


def flow_of(field: MotionField, frame: int, size: Sequence[int]) -> Tensor:
    """(2, H, W) flow of one frame, smooth between grid points.

    A grid enlarged by repetition (CMP's) moves in steps, which would tear a sheet.
    """
    height, width = size
    return replace(field, resample="bilinear").flow([frame], (height, width))[0]


def _draw_all(mesh: Mesh, flows: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Colours (n, C, H, W) and coverage (n, 1, H, W)."""
    drawn = [draw_mesh(mesh, flow) for flow in flows]
    both = torch.stack(drawn) if drawn else mesh.colour.new_zeros(0, *mesh.colour.shape)
    return both[:, :-1], both[:, -1:]


def draw_mesh(mesh: Mesh, flow: Tensor) -> Tensor:
    """One frame: (2, H, W) flow -> (C+1, H, W), colour (not multiplied) and coverage."""
    channels, height, width = mesh.colour.shape
    dest, source, stretch, key = _candidates(mesh, flow.to(mesh.colour), height, width)
    result = mesh.colour.new_zeros(channels, height * width)
    left = mesh.colour.new_ones(height * width)  # what still shines through
    mesh_covers = torch.zeros(height * width, dtype=torch.bool, device=left.device)
    for _ in range(PEELS):
        if not len(dest):
            break
        front = torch.full((height * width,), -1, dtype=torch.int64, device=left.device)
        front.scatter_reduce_(0, dest, key, "amax")
        pixels = (front >= 0).nonzero()[:, 0]
        # The lower bits of a key number the candidate.
        point = source[:, front[pixels] & _INDEX]
        colour = _sample(mesh.colour, point)
        # An edge stays as narrow where the body stretches.
        steep = stretch[front[pixels] & _INDEX].clamp(1, TEAR)
        share = ((colour[-1] - 0.5) * steep + 0.5).clamp(0, 1) * left[pixels]
        result[:-1, pixels] += colour[:-1] * share
        result[-1, pixels] += share
        left[pixels] -= share
        mesh_covers[pixels] = True
        # Next: other surfaces that lie behind a soft edge.
        seen = torch.zeros(2, height * width, device=left.device)
        seen[:, pixels] = point
        behind = (left[dest] > 1 / 512) & ((source - seen[:, dest]).abs().amax(0) > SAME_SURFACE)
        dest, source, stretch = dest[behind], source[:, behind], stretch[behind]
        key = (key[behind] & ~_INDEX) | torch.arange(len(dest), device=dest.device)
    result[:-1] /= result[-1].clamp_min(1e-6)
    return _close_cracks(result.view(channels, height, width), mesh_covers.view(height, width))


# The bits of a drawing key that number the candidate; above them lies the drawing order.
_INDEX = (1 << 30) - 1


def _candidates(
    mesh: Mesh, flow: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every (output pixel, triangle on it): pixel index (N,), source x, y (2, N), stretch, key."""
    home = torch.stack([mesh.vertices % width, mesh.vertices // width]).to(flow)
    moved = flow.reshape(2, -1)[:, mesh.vertices]
    if len(mesh.rim):
        moved[:, mesh.rim] = (moved[:, mesh.rim_source] * mesh.rim_weight).sum(-1)
    place = home + moved

    p0, p1, p2 = (place.index_select(1, c) for c in mesh.triangles.unbind(-1))  # (2, T) each
    e1, e2 = p1 - p0, p2 - p0
    area = e1[0] * e2[1] - e1[1] * e2[0]
    diagonal = (e1 - e2).square_().sum(0) / 2
    stretch = e1.square().sum(0).maximum(e2.square().sum(0)).maximum(diagonal).sqrt_()
    stretch /= stretch.median().clamp_min(1) if len(stretch) else 1
    low = p0.minimum(p1).minimum(p2).ceil_().clamp_min_(0)
    high = p0.maximum(p1).maximum(p2).floor_()
    high = high.minimum(high.new_tensor([[width - 1], [height - 1]]))
    span = (high - low + 1).clamp_min_(0)
    keep = (area.abs() > 1e-6) & (stretch <= mesh.reach) & (span.amin(0) > 0)
    keep = keep.nonzero()[:, 0]

    columns, rows = span[:, keep].long()
    count = columns * rows
    which = torch.repeat_interleave(keep, count)
    nth = torch.arange(len(which), device=which.device)
    nth -= torch.repeat_interleave(count.cumsum(0) - count, count)
    columns = torch.repeat_interleave(columns, count)
    down = nth // columns
    pixel = low[:, which] + torch.stack([nth - down * columns, down])

    f1, f2, inverse = e1[:, which], e2[:, which], 1 / area[which]
    off = pixel - p0[:, which]
    u = (off[0] * f2[1] - off[1] * f2[0]) * inverse
    v = (f1[0] * off[1] - f1[1] * off[0]) * inverse
    # Both triangles may claim a pixel on their common edge; neither may miss it.
    on = ((u > -1e-3) & (v > -1e-3) & (u + v < 1.001)).nonzero()[:, 0]
    which = which[on]
    corner = mesh.triangles[which, 0]
    source = home[:, corner] + torch.stack([u[on], v[on]]) * mesh.leg[which]
    dest = (pixel[1, on] * width + pixel[0, on]).long()

    far = torch.hypot(*moved[:, corner]).clamp_max(1023).long()
    stretch = stretch[which]
    order = mesh.order[which] * (stretch <= TEAR)  # rubber lies behind all layers
    key = (order << 11) | ((area[which] > 0).long() << 10) | far
    return dest, source, stretch, (key << 30) | torch.arange(len(on), device=on.device)


def _sample(colour: Tensor, point: Tensor) -> Tensor:
    """(C, H, W) at points x, y (2, N) -> (C, N)."""
    height, width = colour.shape[-2:]
    scale = point.new_tensor([[2 / max(width - 1, 1)], [2 / max(height - 1, 1)]])
    grid = (point * scale - 1).t()[None, None]
    return F.grid_sample(
        colour[None], grid, mode="bilinear", padding_mode="border", align_corners=True
    )[0, :, 0]


def _close_cracks(result: Tensor, there: Tensor) -> Tensor:
    """Fills gaps in the sheet that are at most 2·CRACK wide from the pixels beside them."""
    width = there.shape[1]
    gap = ~grow_square(~grow_square(there, CRACK), CRACK) & ~there
    # The outermost pixels lack neighbours; the gap inside them is closed all the same.
    gap[[0, -1]] = gap[:, [0, -1]] = False
    steps = torch.tensor([-width - 1, -width, 1 - width, -1, 1, width - 1, width, width + 1])
    flat, known = result.flatten(1), there.flatten().clone()
    todo = gap.flatten().nonzero()[:, 0]
    for _ in range(CRACK):
        if not len(todo):
            break
        beside = todo[:, None] + steps.to(todo)
        weight = known[beside].to(result)  # (N, 8)
        found = weight.sum(1) > 0
        colour, weight = flat[:, beside[found]], weight[found]
        weight = weight / weight.sum(1, keepdim=True)
        alpha = (colour[-1] * weight).sum(1)
        flat[:-1, todo[found]] = (colour[:-1] * colour[-1] * weight).sum(2) / alpha.clamp_min(1e-6)
        flat[-1, todo[found]] = alpha
        known[todo[found]] = True
        todo = todo[~found]
    return flat.view_as(result)
