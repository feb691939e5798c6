import cv2
import numpy as np
import pytest
import torch

from dispose_core.motion.densifiers.skinning.body_model import TEMPLATE, build_body_model
from dispose_core.motion.densifiers.skinning.person_segmentation import find_subject, silhouette
from dispose_core.pose.sequence import PoseSequence

SIZE = (400, 300)


def standing(scale: float = 60, neck: tuple[float, float] = (150, 90)) -> PoseSequence:
    body = (TEMPLATE * scale + neck) / SIZE[::-1]
    return PoseSequence.from_parts(SIZE, body[None], np.ones((1, 18)))


def painted(pose: PoseSequence) -> tuple[torch.Tensor, np.ndarray]:
    """A blue figure before a grained brown wall."""
    person = silhouette(build_body_model(pose, SIZE), SIZE) > 0
    random = np.random.default_rng(0)
    image = np.full((*SIZE, 3), (120, 90, 60)) + random.normal(0, 8, (*SIZE, 3))
    image[person] = np.array([40, 60, 160]) + random.normal(0, 8, (person.sum(), 3))
    for thing in ((30, 30), (127, 50)):  # blue things, far away and beside the head
        cv2.circle(image, thing, 4, (40, 60, 160), -1)
    image = torch.from_numpy(image.clip(0, 255) / 255).permute(2, 0, 1).float()
    return image, person


def overlap(mask: torch.Tensor, truth: np.ndarray) -> float:
    found = mask.numpy() > 0.5
    return (found & truth).sum() / (found | truth).sum()


def test_a_person_of_another_colour_than_the_wall_is_cut_out():
    pose = standing()
    image, person = painted(pose)
    mask = find_subject(image, pose)

    assert mask.shape == SIZE and mask.dtype == torch.float32
    assert mask.min() >= 0 and mask.max() <= 1
    assert overlap(mask, person) > 0.97
    assert mask[30, 30] == 0 and mask[50, 127] == 0  # same colour, but no part of the figure


def test_hands_are_found_though_the_pose_has_none(assets):
    truth = np.load(assets / "ground_truth.npz", allow_pickle=False)
    image = cv2.imread(str(assets / "reference.png"))[..., ::-1].copy()
    body = truth["keypoints"][:1, :, :2] / (576, 1024)
    pose = PoseSequence.from_parts((1024, 576), body, np.ones((1, 18)))
    mask = find_subject(torch.from_numpy(image).permute(2, 0, 1) / 255, pose)

    for x, y in truth["hands"][0, :, [5, 9, 13]].reshape(-1, 2).round().astype(int):  # knuckles
        assert mask[y, x] > 0.5


@pytest.mark.parametrize("ankles_up", [0, 17])
def test_the_sample_s_person_is_found_with_hands_hair_and_shoes(assets, ankles_up):
    """Also where a detector puts the ankles too high, as MediaPipe does by up to 18 pixels."""
    truth = np.load(assets / "ground_truth.npz", allow_pickle=False)
    image = cv2.imread(str(assets / "reference.png"))[..., ::-1].copy()
    pixels = np.array([576.0, 1024.0])
    body = truth["keypoints"][:1, :, :2].copy()
    body[:, [10, 13], 1] -= ankles_up
    pose = PoseSequence.from_parts(
        (1024, 576),
        body / pixels,
        np.ones((1, 18)),
        truth["hands"][:1, ::-1] / pixels,
        np.ones((1, 2, 21)),
    )
    mask = find_subject(torch.from_numpy(image).permute(2, 0, 1) / 255, pose)
    person = cv2.resize(truth["flow_valid"].astype(np.uint8), (576, 1024)) > 0

    assert overlap(mask, person) > 0.97
    assert mask.numpy()[920:][person[920:]].mean() > 0.8  # shoes
    assert mask[232, 288] > 0.5  # hair
    assert mask[600, 108] > 0.5  # fingers of the right hand


def test_the_same_image_gives_the_same_mask_whatever_opencv_drew_before():
    pose = standing()
    image = torch.rand(3, *SIZE, generator=torch.manual_seed(0))  # nothing to hold on to
    masks = []
    for seed in (1, 2):
        cv2.setRNGSeed(seed)
        masks.append(find_subject(image, pose))

    assert torch.equal(*masks)


@pytest.mark.parametrize("grey", [0.0, 0.5])
def test_an_image_of_one_colour_gives_the_figure_s_outline(grey):
    pose = standing()
    mask = find_subject(torch.full((3, *SIZE), grey), pose)

    assert overlap(mask, silhouette(build_body_model(pose, SIZE), SIZE) > 0) > 0.95


def test_a_tiny_person_gives_the_figure_s_outline():
    pose = standing(scale=3)
    mask = find_subject(torch.rand(3, *SIZE, generator=torch.manual_seed(0)), pose)

    assert 20 < (mask > 0.5).sum() < 200


@pytest.mark.parametrize("neck", [(-2000, 90), (150, 1e7), (150, 395)])
def test_a_person_outside_the_image_or_at_its_edge_does_no_harm(neck):
    mask = find_subject(torch.rand(3, *SIZE, generator=torch.manual_seed(0)), standing(neck=neck))

    assert mask.shape == SIZE and mask.isfinite().all()


def test_without_a_pose_nobody_is_found():
    assert find_subject(torch.rand(3, *SIZE), PoseSequence.empty(1, SIZE)).sum() == 0


def test_a_hole_in_the_person_is_closed_and_a_gap_between_the_legs_is_not():
    pose = standing()
    image, _ = painted(pose)
    wall = torch.tensor([120, 90, 60])[:, None, None] / 255
    image[:, 148:151, 124:127] = wall  # 3×3, inside the right edge of the torso
    mask = find_subject(image, pose)

    assert (mask[148:151, 124:127] > 0.5).all()
    assert mask[290, 150] < 0.5


def test_a_shoe_seen_from_the_side_is_found_to_its_tip():
    pose = standing()
    image, _ = painted(pose)
    ankle = (pose.body[0, 13] * SIZE[::-1]).astype(int)
    toe = np.add(ankle, (33, 8))  # a foot is a little longer than half the shoulders' width of 60
    shoe = np.zeros(SIZE, np.uint8)
    cv2.line(shoe, np.add(ankle, (0, 6)).tolist(), toe.tolist(), 1, 9)
    colour = np.array([[40], [60], [160]])
    cloth = colour + np.random.default_rng(1).normal(0, 8, (3, shoe.sum()))
    image[:, torch.from_numpy(shoe) > 0] = torch.from_numpy(cloth / 255).float()
    mask = find_subject(image, pose)

    assert mask[toe[1], toe[0]] > 0.5
