"""Forward warping with visibility: nearer parts occlude farther ones.

The image is a triangle mesh with a vertex on every pixel. The flow moves the vertices, and each
output pixel samples the image through the triangle that covers it. This inverts the flow, so
textures stay sharp and stretched parts have no holes. Triangles torn apart by the flow are dropped,
so no colours are smeared between an arm and the torso.
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

# Cracks up to twice this width in pixels are closed.
CRACK = 2
# Depth peeling: number of surfaces blended through each other's soft edges.
PEELS = 3
# Mesh points further apart than this belong to different surfaces.
SAME_SURFACE = 2.0


def forward_warp(
    image: Tensor, flow: Tensor, mask: Tensor | None = None, layer: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Warp an image along a flow.

    Where surfaces overlap, the larger `layer` is in front; in one layer the side that faces the
    viewer, then the point that moved farther, as limbs pass in front of the torso more often than
    behind it. Soft edges are blended with the surface behind them.

    Args:
        image: (C, H, W).
        flow: (n, 2, H, W) pixels (dx, dy) from the image to each frame.
        mask: (H, W) 0…1, the moving part; everything when None. An empty mask draws nothing.
        layer: (H, W) drawing order, larger is nearer; a single layer when None.

    Returns:
        (n, C, H, W) colours, not premultiplied, 0 where nothing is drawn;
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
    """Warp an image by frames of a motion field, in its drawing order (see `forward_warp`).

    The flow of only one frame is in memory at a time.

    Args:
        image: (C, H, W).
        frames: absolute frames; 0 is the reference.
        mask: (H, W) 0…1, the person; everything when None.

    Returns:
        As `forward_warp`.
    """
    flows = (flow_of(field, frame, image.shape[-2:]) for frame in frames)
    return _draw_all(mesh_of(field, image, mask), flows)


def mesh_of(field: MotionField, image: Tensor, mask: Tensor | None) -> Mesh:
    """Mesh of an image with the drawing order of its motion field."""
    layer = field.layer
    if layer is not None:
        layer = F.interpolate(layer[None, None].float(), image.shape[-2:], mode="nearest")[0, 0]
    return make_mesh(image, mask, layer)


def flow_of(field: MotionField, frame: int, size: Sequence[int]) -> Tensor:
    """(2, H, W) flow of one frame, interpolated bilinearly.

    The steps of a nearest-neighbour grid, such as CMP's, would tear the mesh.
    """
    height, width = size
    return replace(field, resample="bilinear").flow([frame], (height, width))[0]


def _draw_all(mesh: Mesh, flows: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Colours (n, C, H, W) and coverage (n, 1, H, W)."""
    drawn = [draw_mesh(mesh, flow) for flow in flows]
    both = torch.stack(drawn) if drawn else mesh.colour.new_zeros(0, *mesh.colour.shape)
    return both[:, :-1], both[:, -1:]


def draw_mesh(mesh: Mesh, flow: Tensor) -> Tensor:
    """Draw one frame: (2, H, W) flow -> (C+1, H, W), colour (not premultiplied) and coverage."""
    channels, height, width = mesh.colour.shape
    dest, source, stretch, key = _candidates(mesh, flow.to(mesh.colour), height, width)
    result = mesh.colour.new_zeros(channels, height * width)
    transmittance = mesh.colour.new_ones(height * width)  # remaining transmittance
    mesh_covers = torch.zeros(height * width, dtype=torch.bool, device=transmittance.device)
    for _ in range(PEELS):
        if not len(dest):
            break
        front = torch.full((height * width,), -1, dtype=torch.int64, device=transmittance.device)
        front.scatter_reduce_(0, dest, key, "amax")
        pixels = (front >= 0).nonzero()[:, 0]
        # The lower bits of a key are the index of the candidate.
        point = source[:, front[pixels] & _INDEX]
        colour = _sample(mesh.colour, point)
        # Stretching does not widen the soft edge.
        steep = stretch[front[pixels] & _INDEX].clamp(1, TEAR)
        share = ((colour[-1] - 0.5) * steep + 0.5).clamp(0, 1) * transmittance[pixels]
        result[:-1, pixels] += colour[:-1] * share
        result[-1, pixels] += share
        transmittance[pixels] -= share
        mesh_covers[pixels] = True
        # Next peel: other surfaces behind soft edges.
        front_source = torch.zeros(2, height * width, device=transmittance.device)
        front_source[:, pixels] = point
        behind = (transmittance[dest] > 1 / 512) & (
            (source - front_source[:, dest]).abs().amax(0) > SAME_SURFACE
        )
        dest, source, stretch = dest[behind], source[:, behind], stretch[behind]
        key = (key[behind] & ~_INDEX) | torch.arange(len(dest), device=dest.device)
    result[:-1] /= result[-1].clamp_min(1e-6)
    return _close_cracks(result.view(channels, height, width), mesh_covers.view(height, width))


# Bits of a drawing key that hold the candidate's index, below the drawing order.
_INDEX = (1 << 30) - 1


def _candidates(
    mesh: Mesh, flow: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All pairs of output pixel and covering triangle, as in triangle rasterisation.

    Returns pixel index (N,), source x, y (2, N), stretch (N,) and drawing key (N,). The barycentric
    coordinates (u, v) of a pixel in the deformed triangle give its source, corner + (u, v) · leg.
    """
    origin = torch.stack([mesh.vertices % width, mesh.vertices // width]).to(flow)
    displacement = flow.reshape(2, -1)[:, mesh.vertices]
    if len(mesh.rim):
        displacement[:, mesh.rim] = (displacement[:, mesh.rim_source] * mesh.rim_weight).sum(-1)
    position = origin + displacement

    p0, p1, p2 = (position.index_select(1, c) for c in mesh.triangles.unbind(-1))  # (2, T) each
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
    triangle = torch.repeat_interleave(keep, count)
    index = torch.arange(len(triangle), device=triangle.device)
    index -= torch.repeat_interleave(count.cumsum(0) - count, count)
    columns = torch.repeat_interleave(columns, count)
    row = index // columns
    pixel = low[:, triangle] + torch.stack([index - row * columns, row])

    f1, f2, inverse = e1[:, triangle], e2[:, triangle], 1 / area[triangle]
    offset = pixel - p0[:, triangle]
    u = (offset[0] * f2[1] - offset[1] * f2[0]) * inverse
    v = (f1[0] * offset[1] - f1[1] * offset[0]) * inverse
    # The tolerance may assign a pixel on a common edge to both triangles, but never to none.
    inside = ((u > -1e-3) & (v > -1e-3) & (u + v < 1.001)).nonzero()[:, 0]
    triangle = triangle[inside]
    corner = mesh.triangles[triangle, 0]
    source = origin[:, corner] + torch.stack([u[inside], v[inside]]) * mesh.leg[triangle]
    dest = (pixel[1, inside] * width + pixel[0, inside]).long()

    distance = torch.hypot(*displacement[:, corner]).clamp_max(1023).long()
    stretch = stretch[triangle]
    order = mesh.order[triangle] * (
        stretch <= TEAR
    )  # overstretched triangles lie behind all layers
    key = (order << 11) | ((area[triangle] > 0).long() << 10) | distance
    return dest, source, stretch, (key << 30) | torch.arange(len(inside), device=inside.device)


def _sample(colour: Tensor, point: Tensor) -> Tensor:
    """Sample (C, H, W) bilinearly at points x, y (2, N) -> (C, N)."""
    height, width = colour.shape[-2:]
    scale = point.new_tensor([[2 / max(width - 1, 1)], [2 / max(height - 1, 1)]])
    grid = (point * scale - 1).t()[None, None]
    return F.grid_sample(
        colour[None], grid, mode="bilinear", padding_mode="border", align_corners=True
    )[0, :, 0]


def _close_cracks(result: Tensor, covered: Tensor) -> Tensor:
    """Fill gaps of at most 2·CRACK pixels in the mesh from neighbouring pixels."""
    width = covered.shape[1]
    gap = ~grow_square(~grow_square(covered, CRACK), CRACK) & ~covered
    # Border pixels lack neighbours and are skipped.
    gap[[0, -1]] = gap[:, [0, -1]] = False
    steps = torch.tensor([-width - 1, -width, 1 - width, -1, 1, width - 1, width, width + 1])
    flat, known = result.flatten(1), covered.flatten().clone()
    todo = gap.flatten().nonzero()[:, 0]
    for _ in range(CRACK):
        if not len(todo):
            break
        neighbours = todo[:, None] + steps.to(todo)
        weight = known[neighbours].to(result)  # (N, 8)
        fillable = weight.sum(1) > 0
        colour, weight = flat[:, neighbours[fillable]], weight[fillable]
        weight = weight / weight.sum(1, keepdim=True)
        alpha = (colour[-1] * weight).sum(1)
        filled = todo[fillable]
        flat[:-1, filled] = (colour[:-1] * colour[-1] * weight).sum(2) / alpha.clamp_min(1e-6)
        flat[-1, filled] = alpha
        known[filled] = True
        todo = todo[~fillable]
    return flat.view_as(result)
