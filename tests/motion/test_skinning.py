import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from dispose_core.motion.densifiers.skinning.body_model import build_body_model
from dispose_core.motion.densifiers.skinning.densifier import SkinningDensifier, working_size
from dispose_core.motion.densifiers.skinning.limbs import limb_transform, measure_body_scale
from dispose_core.pose import skeleton
from dispose_core.pose.sequence import PoseSequence
from dispose_core.preview.rasterizer import forward_warp
from tests.motion.figures import (
    IMAGE,
    RIGHT_ARM,
    RIGHT_LEG,
    SIZE,
    clip_of,
    flow_at,
    silhouette_of,
    skin,
    standing,
    turned,
)


def move(transform: np.ndarray, x: float, y: float, z: float = 0.0) -> list[float]:
    return (transform[0] @ [x, y, z, 1]).tolist()


def test_a_bone_turned_by_90_degrees_carries_its_points_exactly():
    bone = limb_transform(
        np.array([[10.0, 10], [30, 10]]), np.array([[[10.0, 10], [10, 30]]]), np.ones(1)
    )

    assert move(bone, 20, 10) == pytest.approx([10, 20])  # on the bone
    assert move(bone, 20, 13) == pytest.approx([7, 20])  # 3 px beside it


def test_a_bone_that_gets_shorter_keeps_its_width():
    bone = limb_transform(
        np.array([[0.0, 0], [20, 0]]), np.array([[[0.0, 0], [10, 0]]]), np.ones(1)
    )

    assert move(bone, 20, 6) == pytest.approx([10, 6])


def test_the_surface_of_a_bone_that_points_at_the_viewer_slides_back_along_it():
    ends = np.array([[0.0, 0], [20, 0]])
    shortened = np.array([[[0.0, 0], [16, 0]]])  # cosine 0.8, so the sine is 0.6
    bone = limb_transform(ends, shortened, np.ones(1), tilt=(0.0, np.array([0.6])))

    assert move(bone, 10, 0, z=5) == pytest.approx([8 - 0.6 * 5, 0])
    assert move(bone, 10, 0, z=0) == pytest.approx([8, 0])


def test_a_twisted_bone_carries_its_front_across():
    ends = np.array([[0.0, 0], [20, 0]])
    bone = limb_transform(ends, ends[None], np.ones(1), twist=np.array([-np.pi / 2]))

    assert move(bone, 10, 0, z=5) == pytest.approx([10, 5])


def test_the_same_pose_does_not_move():
    assert skin(clip_of(standing(3))).grid.abs().max() < 1e-4


def test_a_shifted_person_moves_as_one_and_the_background_stays():
    body = standing()
    body[1] += (12, -7)
    mask = silhouette_of(body)
    flow = skin(clip_of(body), mask).grid[1]

    person = mask > 0.5
    assert_allclose(flow[:, person].T, np.tile([12, -7], (int(person.sum()), 1)), atol=1e-3)
    away = torch.from_numpy(cv2.distanceTransform(1 - person.byte().numpy(), cv2.DIST_L2, 5))
    assert flow[:, away > 8].abs().max() == 0
    fading = flow[0, (away > 3) & (away < 5)]
    assert fading.min() > 1 and fading.max() < 11


def test_a_person_who_comes_nearer_grows_everywhere():
    body = standing()
    body[1] = (body[1] - (150, 200)) * 1.2 + (150, 200)
    points = np.array([[150, 120], [131, 240], [169, 300], [106, 150], [150, 48]])

    assert_allclose(
        flow_at(skin(clip_of(body)), points), (points + 0.5 - (150, 200)) * 0.2, atol=0.15
    )


@pytest.mark.parametrize(("drawn", "size"), [(0.95, 1.0), (1.05, 1.0), (0.8, 0.8), (1.3, 1.3)])
def test_a_body_a_little_smaller_only_bends_and_one_much_smaller_is_farther(drawn, size):
    body = standing(6)
    body[1:] = (body[1:] - (150, 200)) * drawn + (150, 200)

    assert_allclose(
        measure_body_scale(build_body_model(clip_of(body), SIZE)), [1, *[size] * 5], rtol=1e-6
    )


def test_a_forearm_turned_about_the_elbow_takes_its_pixels_along():
    body = standing()
    elbow, wrist = body[0, 3], body[0, 4]
    body[1, 4] = turned(wrist, elbow, 90)
    middle = (0.4 * elbow + 0.6 * wrist).round() + 0.5
    flow = flow_at(skin(clip_of(body)), [middle])[0]

    # The forearm's front also swings a few pixels across: the pit of the elbow turns sideways.
    assert_allclose(flow, turned(middle, elbow, 90) - middle, atol=6)
    assert np.linalg.norm(flow) > 20


def test_one_leg_does_not_move_the_other():
    body = standing()
    body[1, [9, 10]] = turned(body[1, [9, 10]], body[1, 8], 25)
    motion = skin(clip_of(body))

    assert np.abs(flow_at(motion, body[0, [12, 13]])).max() < 0.1
    assert np.abs(flow_at(motion, body[0, [9, 10]])).min(0).max() > 20


def test_what_is_missing_in_a_frame_follows_what_it_hangs_on():
    body = standing()
    body[1, [3, 4]] = turned(body[1, [3, 4]], body[1, 2], 30)
    seen = np.ones((2, 18), bool)
    seen[1, 4] = False  # the wrist
    hidden = skin(clip_of(body, seen))
    seen[1, 4] = True
    known = skin(clip_of(body, seen))

    points = [0.5 * (body[0, 3] + body[0, 4]), body[0, 4]]
    assert_allclose(flow_at(hidden, points), flow_at(known, points), atol=1.5)


def test_a_leg_that_the_reference_lacks_is_no_bone():
    body = standing()
    body[1, RIGHT_LEG[1:]] += (200, 0)
    seen = np.ones((2, 18), bool)
    seen[0, RIGHT_LEG[1:]] = False

    assert skin(clip_of(body, seen)).grid.abs().max() < 1e-4


def test_a_forearm_moves_though_the_shoulder_is_not_seen():
    body = standing()
    body[1, [3, 4]] += (-15, 5)
    seen = np.ones((2, 18), bool)
    seen[:, 2] = False
    middle = [0.5 * (body[0, 3] + body[0, 4])]

    assert_allclose(flow_at(skin(clip_of(body, seen)), middle), [[-15, 5]], atol=0.5)


def test_a_frame_without_a_pose_does_not_move():
    body = standing(3)
    body[1:] += (10, 0)
    seen = np.ones((3, 18), bool)
    seen[1] = False
    grid = skin(clip_of(body, seen)).grid

    assert grid[1].abs().max() == 0
    assert grid[2].abs().max() == pytest.approx(10, abs=1e-3)


def test_a_bust_moves_by_what_is_seen_of_it():
    body = standing()
    body[1] += (9, 4)
    seen = np.zeros((2, 18), bool)
    seen[:, [0, 1, 2, 5, 14, 15]] = True

    assert_allclose(flow_at(skin(clip_of(body, seen)), [[150, 130]]), [[9, 4]], atol=0.01)


HAND_MASK = torch.zeros(SIZE)
HAND_MASK[170:230, 70:140] = 1  # all round the right hand


def hands_at(body: np.ndarray) -> np.ndarray:
    """(n, 2, 21, 2): straight hands of 27 px below the wrists, fingers 4 px apart."""
    finger = np.arange(20) // 4
    joint = np.arange(20) % 4
    shape = np.stack([4.0 * (finger - 2), 12.0 + 5 * joint], 1)
    shape = np.concatenate([[[0, 0]], shape])
    return body[:, [7, 4], None] + shape


def test_a_finger_bends_alone():
    body = standing()
    hands = hands_at(body)
    hands[1, 1, 17:21] = turned(hands[1, 1, 17:21], hands[1, 1, 17], -90)  # the right little one
    motion = skin(clip_of(body, hands=hands), HAND_MASK)

    little, middle = hands[0, 1, 20], hands[0, 1, 12]
    assert np.linalg.norm(flow_at(motion, [little])) > 10
    assert np.linalg.norm(flow_at(motion, [middle])) < 1


def test_a_hand_far_from_its_wrist_is_left_out_and_reported():
    body = standing()
    hands = hands_at(body)
    hands[1, 1] += (60, 0)  # a shoulder width from where it belongs
    motion = skin(clip_of(body, hands=hands), HAND_MASK)

    assert motion.grid.abs().max() < 1e-4
    assert motion.report[-1] == (
        "right hand left out in 1 of 2 poses: farther from the arm's wrist than a hand reaches"
    )


def test_arms_are_before_the_torso_and_behind_it_from_the_back():
    for facing in (1, -1):
        body = standing(facing=facing)
        layer = skin(clip_of(body), silhouette_of(body)).layer
        torso = layer[150, 150].item()
        x, y = (0.5 * (body[0, 3] + body[0, 4])).astype(int)
        assert np.sign(layer[y, x].item() - torso) == facing


def test_an_empty_mask_moves_nothing_and_keeps_every_number_finite():
    body = standing()
    body[1] += 10

    assert skin(clip_of(body), torch.zeros(SIZE)).grid.abs().max() == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", range(24))
def test_whatever_is_missing_or_coincides_gives_finite_flow(case):
    random = np.random.default_rng(case)
    body = standing(4) + random.normal(0, 20, (4, 18, 2))
    if case % 3 == 0:
        body[:] = body[:, :1]
    elif case % 3 == 1:
        body *= 1e4 if case % 2 else 0
    seen = random.random((4, 18)) < random.random()
    motion = skin(clip_of(body, seen))

    assert motion.grid.isfinite().all() and motion.layer.isfinite().all()
    assert motion.grid[0].abs().max() < 1e-2
    assert (motion.grid[~torch.from_numpy(seen.any(1))] == 0).all()


def test_progress_is_told_after_each_frame_and_may_cancel():
    class Cancelled(Exception):
        pass

    def stop_at_two(done: int, total: int) -> None:
        told.append((done, total))
        if done == 2:
            raise Cancelled

    told = []
    with pytest.raises(Cancelled):
        SkinningDensifier(torch.ones(SIZE))(IMAGE, clip_of(standing(4)), stop_at_two)
    assert told == [(1, 4), (2, 4)]


def test_the_working_grid_is_at_most_512_long_and_never_larger_than_the_image():
    assert working_size((1024, 576)) == (512, 288)
    assert working_size((1080, 1920)) == (288, 512)
    assert working_size((300, 200)) == (300, 200)


@pytest.mark.parametrize(("hands", "limit"), [(True, 1.8), (False, 1.95)])
def test_error_on_the_sample_is_far_below_plain_bone_skinning(assets, hands, limit):
    """Frames 12, 28 and 40 of the truth, where plain bone skinning is 3.4 px off."""
    truth = np.load(assets / "ground_truth.npz", allow_pickle=False)
    image = cv2.imread(str(assets / "reference.png"))[..., ::-1].copy()
    which, frames = [2, 6, 9], [0, 12, 28, 40]
    pixels = np.array([576.0, 1024.0])
    body = truth["keypoints"][frames, :, :2] / pixels
    points = truth["hands"][frames][:, ::-1] / pixels if hands else None  # stored right, left
    sequence = PoseSequence.from_parts(
        (1024, 576),
        body,
        np.ones((4, skeleton.N_BODY)),
        points,
        np.ones((4, 2, 21)) if hands else None,
    )
    motion = SkinningDensifier()(
        torch.from_numpy(image).permute(2, 0, 1) / 255, sequence, lambda done, total: None
    )

    off = np.linalg.norm(motion.grid[1:].numpy() - truth["flow"][which], axis=1)
    assert motion.grid.shape == (4, 2, 512, 288)
    assert off[:, truth["flow_valid"]].mean() < limit


def test_the_outer_side_of_a_bent_elbow_does_not_collapse():
    body = standing()
    shoulder, elbow, wrist = body[0, RIGHT_ARM]
    body[1, 4] = turned(wrist, elbow, 90)
    along = (wrist - shoulder) / np.linalg.norm(wrist - shoulder)
    across = np.array([-along[1], along[0]])
    across *= -np.sign(across @ (body[1, 4] - elbow))  # away from the bend
    rim = np.floor(elbow + 7.5 * across) + 0.5
    moved = rim + flow_at(skin(clip_of(body)), [rim])[0]

    # Mixing the two bones alone leaves a sixth of the distance.
    assert np.linalg.norm(moved - elbow) > 0.55 * np.linalg.norm(rim - elbow)


def test_an_arm_across_the_torso_is_drawn_over_it():
    body = standing()
    body[1, 3], body[1, 4] = (125, 140), (160, 140)  # the forearm lies level before the chest
    image = torch.zeros(3, *SIZE)
    image[2] = 1.0  # all blue, and the forearm red
    mask = silhouette_of(body)
    elbow, wrist = body[0, 3], body[0, 4]
    arm = np.zeros(SIZE, np.uint8)
    cv2.line(arm, elbow.astype(int).tolist(), wrist.astype(int).tolist(), 1, 8)
    image[:, torch.from_numpy(arm) > 0] = torch.tensor([1.0, 0, 0])[:, None]
    motion = SkinningDensifier(mask)(image, clip_of(body), lambda done, total: None)
    drawn, _ = forward_warp(image, motion.grid[1:], mask, motion.layer)

    assert drawn[0, 0, 140, 142] > 0.9
    assert drawn[0, 2, 170, 150] > 0.9  # the torso below it
