"""Triangle mesh of the moving part of an image, with a vertex on every pixel.

Built once per image; `rasterizer.draw_mesh` deforms it for every frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DisPoseError

# A cell stretched by more than TEAR relative to the median joins separated parts and is removed.
# If its corners have similar colours (within LIKE), it is kept up to STRETCH, behind everything
# else, to close gaps in cloth.
TEAR, STRETCH, LIKE = 3.0, 16.0, 0.15
# Extent of the mesh beyond the mask, to include its soft edge.
MARGIN = 2
# Pixels nearer to the edge of the mask than this, where the flow fades to the background's, get
# flow extrapolated from inside.
TRUST = 2
# Radius and spacing of the samples for the extrapolation, and sigma of their Gaussian weights.
REACH, FIT_STRIDE, FIT_SIGMA = 8, 2, 3.0


@dataclass(frozen=True, eq=False)
class Mesh:
    """Mesh of the moving part of an image, shared by all frames.

    Attributes:
        colour: (C+1, H, W) the image with its alpha as the last channel.
        vertices: (V,) index of each vertex's pixel in the flat image.
        triangles: (T, 3) vertices: right angle first, then along x, then along y.
        leg: (T,) ±1, direction of the legs from the right angle along x and y.
        order: (T,) int64, 1…4096, drawing order; larger is nearer.
        reach: (T,) largest stretch of each triangle.
        rim: (R,) vertices whose flow is extrapolated.
        rim_source: (R, K) vertices that it is extrapolated from.
        rim_weight: (R, K) their weights.
    """

    colour: Tensor
    vertices: Tensor
    triangles: Tensor
    leg: Tensor
    order: Tensor
    reach: Tensor
    rim: Tensor
    rim_source: Tensor
    rim_weight: Tensor


def make_mesh(image: Tensor, mask: Tensor | None = None, layer: Tensor | None = None) -> Mesh:
    """Build the mesh; arguments as in `forward_warp`."""
    height, width = image.shape[-2:]
    device = image.device
    for name, plane in (("mask", mask), ("layer", layer)):
        if plane is not None and tuple(plane.shape) != (height, width):
            raise DisPoseError(
                f"warp: the {name} is {tuple(plane.shape)}, the image has (H, W) = "
                f"({height}, {width}). Resize the {name} to the image."
            )
    alpha = torch.ones(height, width, device=device) if mask is None else mask.to(image)
    inside = grow_square(alpha > 0, MARGIN)
    number = torch.full((height, width), -1, device=device)
    vertices = inside.flatten().nonzero()[:, 0]
    number.view(-1)[vertices] = torch.arange(len(vertices), device=device)

    # Two right triangles per cell; only those with all corners in the mesh are kept.
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    triangles = torch.stack([torch.stack([a, b, c], -1), torch.stack([d, c, b], -1)])
    leg = torch.tensor([1.0, -1.0], device=device)[:, None, None].expand(triangles.shape[:-1])
    complete = (triangles >= 0).all(-1)
    triangles, leg = triangles[complete], leg[complete]

    order = torch.ones(len(triangles), dtype=torch.int64, device=device)
    if layer is not None and len(triangles):
        low, high = layer.min(), layer.max()
        rank = ((layer - low) / (high - low).clamp_min(1e-9) * 4095).round().long().to(device)
        # A cell between two layers belongs to the farther one.
        order += rank.view(-1)[vertices][triangles].amin(-1)
    corners = image.float().flatten(1)[:, vertices][:, triangles]  # (C, T, 3)
    similar = (corners.amax(-1) - corners.amin(-1)).amax(0) < LIKE
    reach = torch.where(similar, STRETCH, TEAR)
    rim = _continue_flow(alpha, number, vertices) if mask is not None else None
    if rim is None:
        no_pixels = torch.zeros(0, 1, dtype=torch.int64, device=device)
        rim = (no_pixels[:, 0], no_pixels, no_pixels.float())
    return Mesh(
        torch.cat([image.float(), alpha[None].float()]),
        vertices,
        triangles,
        leg,
        order,
        reach,
        *rim,
    )


def grow_square(area: Tensor, radius: int) -> Tensor:
    """Dilate a (H, W) bool mask by a square of `radius` pixels; faster than max-pooling."""
    height, width = area.shape
    padded = F.pad(area, (radius,) * 4)
    tall = torch.stack([padded[s : s + height] for s in range(2 * radius + 1)]).any(0)
    return torch.stack([tall[:, s : s + width] for s in range(2 * radius + 1)]).any(0)


def _continue_flow(
    alpha: Tensor, number: Tensor, vertices: Tensor
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Weights that extrapolate flow to the rim: `Mesh.rim`, `rim_source`, `rim_weight`.

    Moving least squares: a rim vertex takes the value of the affine map fitted to the flow around
    it, so that the edge of a rotating limb rotates with it. Samples deep inside the mask have the
    largest weights; in thin parts those at the edge decide.
    """
    height, width = alpha.shape
    shrunk = [-F.max_pool2d(-alpha[None, None], 2 * r + 1, 1, r)[0, 0] for r in (TRUST, 1)]
    trust = shrunk[0] + 0.02 * shrunk[1] + 4e-4 * alpha
    rim = (shrunk[0].flatten()[vertices] < 0.95).nonzero()[:, 0]
    if not len(rim):
        return None
    steps = torch.arange(-REACH, REACH + 1, FIT_STRIDE, device=alpha.device)
    dy, dx = (s.flatten() for s in torch.meshgrid(steps, steps, indexing="ij"))
    near = torch.exp(-(dx**2 + dy**2) / (2 * FIT_SIGMA**2))
    y = vertices[rim, None] // width + dy
    x = vertices[rim, None] % width + dx
    valid = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    flat = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    source = number.view(-1)[flat]
    weight = trust.view(-1)[flat] * near * (valid & (source >= 0))
    weight = weight.double() / weight.sum(1, keepdim=True).clamp_min(1e-12)
    # Value at the rim vertex of the weighted fit of 1, dx, dy: e0^T inv(X^T W X + ridge) X^T W.
    basis = torch.stack([torch.ones_like(dx), dx, dy]).double()  # (3, K)
    normal = torch.einsum("rk,ik,jk->rij", weight, basis, basis)
    normal += torch.diag(torch.tensor([0.0, 1e-3, 1e-3])).to(normal)
    normal[:, 0, 0] += 1e-9
    first = torch.linalg.solve(normal, torch.eye(3)[:1].to(normal).expand(len(rim), 3))
    fit = torch.einsum("ri,ik,rk->rk", first, basis, weight)
    fit /= fit.sum(1, keepdim=True)
    return rim, source.clamp_min(0), fit.float()
