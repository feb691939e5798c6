"""Background inpainting: removes the person from the image for the preview.

The hole is filled from coarse to fine with patches of the surrounding image (PatchMatch, Barnes et
al. 2009, with the voting of Wexler et al. 2007). Patches from the same row or column are preferred,
since edges behind a person (skirting, door frame, horizon) are mostly horizontal or vertical.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Dilation of the mask as a share of the longer side, for soft edges and contact shadows.
GROW = 0.008
# Largest image side for the patch search; finer levels reuse the matches of the coarser one.
SEARCH_SIDE = 512
# Approximate longer side of the coarsest level.
COARSEST_SIDE = 60
PATCH = 7
# Share of the detail missing on the coarser level that is taken from the interpolated guess.
GUESS = 0.8
# Cost of a patch from neither the same row nor the same column, added to the mean squared
# difference: PRICE × distance as a share of the longer side, up to PRICE_REACH.
PRICE, PRICE_REACH = 0.03, 0.03
# Weight of the contrast-normalised detail relative to colour, and floor of the contrast.
DETAIL, CONTRAST_FLOOR = 0.2, 0.03
# Iterations of search and vote per level, coarsest first; the last one holds for finer levels.
ROUNDS = (12, 8, 6, 4, 3)


def inpaint_background(image: Tensor, mask: Tensor, search_side: int = SEARCH_SIDE) -> Tensor:
    """Remove the person from the image.

    Args:
        image: (3, H, W) 0…1.
        mask: (H, W) 0…1, the person. An empty mask returns the image unchanged. If no patch fits
            beside the mask, the hole is filled by interpolation.
        search_side: largest image side for the patch search; smaller is faster and coarser.

    Returns:
        (3, H, W) 0…1, equal to the image outside the dilated mask.
    """
    hole = grow(mask > 0.02, max(3, round(GROW * max(image.shape[-2:]))))
    if not hole.any():
        return image.clone()
    filled = _fill(image.float(), hole, search_side)
    return torch.where(hole, filled, image.float()).to(image.dtype)


def grow(area: Tensor, radius: int) -> Tensor:
    """Dilate a (H, W) bool mask by a disc of `radius` pixels."""
    # Alternating squares and diamonds give an octagon, which approximates the disc.
    grown = area[None, None].float()
    for step in range(radius):
        if step % 2:
            grown = F.max_pool2d(grown, 3, 1, 1)
        else:
            grown = torch.maximum(
                F.max_pool2d(grown, (1, 3), 1, (0, 1)), F.max_pool2d(grown, (3, 1), 1, (1, 0))
            )
    return grown[0, 0] > 0


def _fill(known: Tensor, hole: Tensor, search_side: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    pyramid = [(known, hole)]
    while max(pyramid[-1][1].shape) >= 2 * COARSEST_SIDE and min(pyramid[-1][1].shape) > 4 * PATCH:
        pyramid.append(_halve(*pyramid[-1]))
    pyramid.reverse()

    match = None
    image, hole = pyramid[0]
    image = _interpolate_hole(image, hole)
    for level, (known, hole) in enumerate(pyramid):
        sources = _sources(hole)
        if not sources.any():
            # No patch fits beside the person, so the hole is interpolated.
            image = _interpolate_hole(known, hole)
            continue
        height, width = hole.shape
        size = (height, width)
        if level:
            # Detail too fine for the coarser level, such as thin lines, comes from the guess.
            guess = _interpolate_hole(known, hole)
            coarse = F.interpolate(guess[None], image.shape[1:], mode="area")[0]
            image = _enlarge(image, size) + GUESS * (guess - _enlarge(coarse, size))
            image = torch.where(hole, image, known)
        targets = grow(hole, PATCH // 2).nonzero()
        match = _initial_match(match, targets, sources, generator)
        if max(size) <= search_side or level == 0:
            for _ in range(ROUNDS[min(level, len(ROUNDS) - 1)]):
                match, cost = _search(image, targets, match, sources, generator)
                image = _vote(image, hole, targets, match, cost)
        else:
            cost = torch.zeros(len(targets))
            image = _vote(image, hole, targets, match, cost, patch=3)
        match_map = torch.full((*size, 2), -1)
        match_map[targets[:, 0], targets[:, 1]] = match
        match = match_map
    return image


def _enlarge(image: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(image[None], size, mode="bilinear", align_corners=False)[0]


def _halve(image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """Downsample by two; colours are averaged over known pixels only."""
    pad = (0, hole.shape[1] % 2, 0, hole.shape[0] % 2)
    known = F.pad((~hole)[None, None].float(), pad)
    colour = F.pad(image[None], pad) * known
    weight = F.avg_pool2d(known, 2)
    colour = F.avg_pool2d(colour, 2) / weight.clamp_min(1e-6)
    return colour[0], weight[0, 0] < 0.5


def _interpolate_hole(image: Tensor, hole: Tensor) -> Tensor:
    """Fill the hole by linear interpolation along rows and columns, weighted by 1 / gap².

    An image without known pixels becomes grey.
    """
    if hole.all():
        return torch.full_like(image, 0.5)
    across, gap_across = _interpolate_rows(image, hole)
    along, gap_along = _interpolate_rows(image.transpose(1, 2), hole.t())
    along, gap_along = along.transpose(1, 2), gap_along.t()
    row_weight, column_weight = gap_across.clamp_min(1) ** -2.0, gap_along.clamp_min(1) ** -2.0
    return torch.where(
        hole, (across * row_weight + along * column_weight) / (row_weight + column_weight), image
    )


def _interpolate_rows(image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """Interpolate rows between known pixels; returns the image and the gap widths (H, W).

    A row known on one side only is extended; a row without known pixels has a gap of 1e6.
    """
    height, width = hole.shape
    x = torch.arange(width).expand(height, width)
    left = torch.where(hole, -1, x).cummax(1).values
    right = torch.where(hole, width, x).flip(1).cummin(1).values.flip(1)
    share = (x - left) / (right - left).clamp_min(1)
    share = torch.where(left < 0, 1.0, torch.where(right == width, 0.0, share))
    rows = torch.arange(height)[:, None]
    interpolated = (
        image[:, rows, left.clamp_min(0)] * (1 - share)
        + image[:, rows, right.clamp_max(width - 1)] * share
    )
    open_ended = (left < 0) | (right == width)
    gap = (right - left).float() + open_ended * width
    return interpolated, torch.where(hole.all(1)[:, None], 1e6, gap)


def _sources(hole: Tensor) -> Tensor:
    """(H, W) bool: centres of patches that lie in the image and do not touch the hole."""
    half = PATCH // 2
    touched = F.max_pool2d(F.pad(hole[None, None].float(), (half,) * 4, value=1.0), PATCH, 1)
    return touched[0, 0] == 0


def _initial_match(match: Tensor | None, targets: Tensor, sources: Tensor, generator) -> Tensor:
    """Initial source (N, 2) y, x of each target, from the coarser level or random."""
    candidates = sources.nonzero()
    pick = candidates[torch.randint(len(candidates), (len(targets),), generator=generator)]
    if match is None:
        return pick
    height, width = match.shape[:2]
    parent = torch.stack(
        [(targets[:, 0] // 2).clamp_max(height - 1), (targets[:, 1] // 2).clamp_max(width - 1)], -1
    )
    coarse = match[parent[:, 0], parent[:, 1]]
    fine = coarse * 2 + targets % 2
    limit = torch.tensor(sources.shape) - 1
    fine = torch.minimum(fine, limit)
    usable = (coarse[:, 0] >= 0) & sources[fine[:, 0], fine[:, 1]]
    return torch.where(usable[:, None], fine, pick)


def _search(
    image: Tensor, targets: Tensor, match: Tensor, sources: Tensor, generator
) -> tuple[Tensor, Tensor]:
    """One PatchMatch iteration: propagation and random search -> match (N, 2), cost (N,)."""
    height, width = sources.shape
    half = PATCH // 2
    padded = F.pad(_features(image), (half,) * 4, mode="replicate")
    patches = F.unfold(padded, PATCH)[0].t().contiguous()  # (H·W, 4·PATCH²)
    target_patches = patches[targets[:, 0] * width + targets[:, 1]]
    table = torch.full((height, width, 2), -1)
    limit = torch.tensor([height, width]) - 1

    def price(candidate: Tensor, indices: Tensor) -> Tensor:
        difference = patches[candidate[:, 0] * width + candidate[:, 1]].sub_(
            target_patches[indices]
        )
        misalignment = (candidate - targets[indices]).abs().amin(1) / max(height, width)
        return difference.square_().mean(1) + PRICE * misalignment.clamp_max(PRICE_REACH)

    best = match.clone()
    cost = price(best, torch.arange(len(targets)))

    def attempt(candidate: Tensor) -> None:
        candidate = torch.minimum(candidate.clamp_min(0), limit)
        worth = sources[candidate[:, 0], candidate[:, 1]] & (candidate != best).any(1)
        indices = worth.nonzero()[:, 0]
        new_cost = price(candidate[indices], indices)
        better = new_cost < cost[indices]
        best[indices[better]] = candidate[indices[better]]
        cost[indices[better]] = new_cost[better]

    for reach in (4, 2, 1):
        for step in ((0, reach), (0, -reach), (reach, 0), (-reach, 0)):
            table[targets[:, 0], targets[:, 1]] = best
            neighbour = targets + torch.tensor(step)
            clamped = torch.minimum(neighbour.clamp_min(0), limit)
            neighbour_match = table[clamped[:, 0], clamped[:, 1]]
            attempt(
                torch.where(neighbour_match[:, :1] >= 0, neighbour_match - torch.tensor(step), best)
            )
    radius = max(height, width)
    while radius >= 2:
        shift = torch.rand(len(targets), 2, generator=generator) * 2 - 1
        # Two thirds of the searches stay at about the same height.
        level = torch.rand(len(targets), generator=generator) < 2 / 3
        shift[level, 0] *= 2 / radius
        attempt(best + (shift * radius).round().long())
        radius //= 2
    # Random candidates in the row and the column of the target.
    across = torch.randint(width, (len(targets),), generator=generator)
    attempt(torch.stack([targets[:, 0], across], -1))
    along = torch.randint(height, (len(targets),), generator=generator)
    attempt(torch.stack([along, targets[:, 1]], -1))
    return best, cost


def _features(image: Tensor) -> Tensor:
    """Patch descriptors (1, 4, H, W): colour and contrast-normalised detail.

    Without the latter, faint lines have almost no cost and are not continued.
    """
    grey = image.mean(0)[None, None]
    smooth = F.avg_pool2d(grey, 9, 1, 4, count_include_pad=False)
    detail = grey - smooth
    contrast = F.avg_pool2d(detail**2, 9, 1, 4, count_include_pad=False).sqrt()
    return torch.cat([image[None], DETAIL * detail / (contrast + CONTRAST_FLOOR)], 1)


def _vote(
    image: Tensor, hole: Tensor, targets: Tensor, match: Tensor, cost: Tensor, patch: int = PATCH
) -> Tensor:
    """Set each hole pixel to the weighted mean of all patches that cover it."""
    height, width = hole.shape
    half = patch // 2
    spread = cost.quantile(0.5).clamp_min(1e-5) if len(cost) <= 1 << 20 else cost.median()
    weight = torch.exp(-cost / (2 * spread.clamp_min(1e-5)))
    flat = image.reshape(3, -1)
    total = torch.zeros(4, height * width)
    for dy in range(-half, half + 1):
        for dx in range(-half, half + 1):
            y, x = targets[:, 0] + dy, targets[:, 1] + dx
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            pixel = (y * width + x)[inside]
            origin = ((match[:, 0] + dy) * width + match[:, 1] + dx)[inside]
            w = weight[inside]
            total.index_add_(1, pixel, torch.cat([flat[:, origin] * w, w[None]]))
    mean = (total[:3] / total[3].clamp_min(1e-9)).view_as(image)
    return torch.where(hole, mean, image)
