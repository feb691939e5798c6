"""What the driver does not show does not move: legs and hips in skinning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dispose_core.motion.densifiers.skinning.densifier import SkinningDensifier
from dispose_core.motion.densify import motion_field
from dispose_core.pose.alignment.align import align_poses
from dispose_core.pose.pose_files import load_poses
from dispose_core.pose.sequence import join_sequences
from tests.motion.figures import LEFT_LEG, RIGHT_LEG, clip_of, flow_at, skin, standing, turned

OTHERS = Path(__file__).parents[1] / "pose" / "files_of_others"


def torso_raised(frames: int = 6) -> np.ndarray:
    """The figure, whose upper half rises by 20 px and narrows as arms rise."""
    body = standing(frames)
    rise = np.linspace(0, 1, frames)[:, None]
    upper = [0, 1, 2, 5, 14, 15, 16, 17]
    body[:, upper, 1] -= 20 * rise
    body[:, 2, 0] += 10 * rise[:, 0]
    body[:, 5, 0] -= 10 * rise[:, 0]
    body[:, [3, 6], 1] -= 45 * rise
    body[:, [4, 7], 1] -= 130 * rise
    return body


@pytest.mark.parametrize("unseen", [[8, 9, 10, 11, 12, 13], [8, 11]])
def test_without_hips_the_legs_stay(unseen):
    body = torso_raised()
    seen = np.ones(body.shape[:2], bool)
    seen[1:, unseen] = False

    motion = skin(clip_of(body, seen))

    for frame in range(1, len(body)):
        assert np.abs(flow_at(motion, body[0, [*RIGHT_LEG, *LEFT_LEG]], frame)).max() < 3
    assert flow_at(motion, body[0, [4, 7]], 5)[:, 1].max() < -80


def test_a_leg_that_is_not_seen_stays_though_the_hips_sway():
    body = standing(3)
    body[1:, :, 0] += 10
    seen = np.ones(body.shape[:2], bool)
    seen[1:, [12, 13]] = False

    motion = skin(clip_of(body, seen))

    assert np.abs(flow_at(motion, body[0, [12, 13]], 2)).max() < 0.5
    assert flow_at(motion, body[0, [9, 10]], 2)[:, 0] == pytest.approx([10, 10], abs=0.5)


def test_hips_that_walk_away_drag_an_unseen_leg_along():
    """By 150 px, of which the leg stays a shoulder width, 60 px, behind."""
    body = standing(2)
    body[1:, :, 0] += 150
    seen = np.ones(body.shape[:2], bool)
    seen[1:, [12, 13]] = False

    motion = skin(clip_of(body, seen))

    assert flow_at(motion, body[0, [13]])[0, 0] == pytest.approx(90, abs=3)


def test_legs_that_are_lost_stay_where_they_were_last_seen():
    """Shifted by 30 px in frame 2, unseen in 3 and 4 before they are back in 5, 60 px away."""
    body = standing(7)
    body[2:, :, 0] += 30
    body[5:, :, 0] += 30
    seen = np.ones(body.shape[:2], bool)
    seen[3:5, [8, 9, 10, 11, 12, 13]] = seen[6, [8, 9, 10, 11, 12, 13]] = False

    motion = skin(clip_of(body, seen))

    ankle = [flow_at(motion, body[0, [13]], frame)[0, 0] for frame in range(7)]
    assert ankle == pytest.approx([0, 0, 30, 40, 50, 60, 60], abs=1)


def test_legs_of_a_driver_without_hips_in_a_user_s_file(assets):
    """Arms rise; the legs, which the driver does not show, shrank to 77 % and flew up 140 px."""
    driving = load_poses(OTHERS / "driver_without_hips.json")[0]
    reference = load_poses(assets / "poses" / "reference.json")[0]
    size = reference[0].canvas
    aligned, _ = align_poses(reference, driving, size)
    clip = join_sequences(reference[0], aligned[0])
    legs = reference[0].body[0, [*RIGHT_LEG, *LEFT_LEG]] * (size[1], size[0])
    mask = torch.zeros(size)
    mask[200:920, 130:480] = 1

    flow = motion_field(torch.rand(3, *size), clip, SkinningDensifier(mask)).flow()

    x, y = legs.astype(int).T
    assert flow[:, :, y, x].abs().max() < 0.5


def test_a_leg_that_comes_back_turned_keeps_its_size_on_the_way():
    """From straight down to 150 degrees aside over ten frames in which it is not seen."""
    body = standing(12)
    for joint in (12, 13):
        body[11:, joint] = turned(body[0, joint], body[0, 11], 150)
    seen = np.ones(body.shape[:2], bool)
    seen[1:11, [12, 13]] = False

    motion = skin(clip_of(body, seen))

    knee, hip = body[0, 12], body[0, 11]
    for frame in range(1, 11):
        moved = knee + flow_at(motion, knee[None], frame)[0]
        assert np.linalg.norm(moved - hip) == pytest.approx(np.linalg.norm(knee - hip), rel=0.15)
