"""CMP: against the official arrays with the weights of the rule, and what the densifier adds."""

from __future__ import annotations

import copy

import pytest
import torch
from pytest import approx
from torch.testing import assert_close

from dispose_core.models.cmp import CmpNetwork, expected_flow
from dispose_core.motion.densifiers.cmp import GRID, CmpDensifier
from dispose_core.motion.densify import motion_field
from dispose_core.motion.field_file import load_field, save_field
from dispose_core.motion.motion_field import MotionField
from dispose_core.motion.sparse_flow import image_on_grid, sparse_flow
from dispose_core.motion.trajectory import trajectory_points
from dispose_core.motion.visualize import motion_images
from dispose_core.preview.preview import preview_frames
from tests.rule_weights import fill_by_rule, rnd
from tests.tiny_nets import manifest

IMAGE = rnd("cmp_picture", (3, 96, 48)).sigmoid()
SIZE = (96, 48)


@pytest.fixture(scope="module")
def network() -> CmpNetwork:
    return fill_by_rule(CmpNetwork(), "module.", 1.25)


@pytest.fixture(scope="module")
def marks(golden) -> tuple[torch.Tensor, torch.Tensor]:
    """Sparse flow and mask of golden 07."""
    arrays = golden("07_cmp_net")
    y, x = torch.from_numpy(arrays["sparse_idx_yx"].T).long()
    sparse, mask = torch.zeros(2, 1, 2, 128, 128)
    sparse[0, :, y, x] = torch.from_numpy(arrays["sparse_val"].T)
    mask[0, :, y, x] = 1
    return sparse, mask


class Marks:
    """In the network's place: dense flow that is the image's red and a half of the marks."""

    def __init__(self):
        self.batches, self.images = [], []

    def to(self, device, dtype):
        self.moved = device, dtype
        return self

    def encode_reference(self, image):
        self.images.append(image)
        return image[:1]

    def flow(self, encoded, sparse, mask):
        self.batches.append(len(sparse))
        return encoded + sparse / 2 + mask * 3


def driven(clip_of, frames: int):
    """Two joints, of which the second moves 2 px to the right in each frame."""
    return clip_of(*({2: (10.0, 10.0), 4: (20.0 + 2 * n, 50.0)} for n in range(frames)), size=SIZE)


def run(network, clip, on_frame=lambda done, total: None, **options):
    return CmpDensifier(network, **options)(IMAGE, clip, on_frame)


# The network


def test_the_keys_and_shapes_are_the_released_ones(network):
    state = {key: tuple(value.shape) for key, value in network.state_dict().items()}

    assert len(state) == 455
    assert state == manifest("cmp", "module.")


def test_the_fuser_is_the_official_one(golden):
    arrays = golden("06_fuser")

    flow = expected_flow(torch.from_numpy(arrays["logits"]))

    assert_close(flow, torch.from_numpy(arrays["flow"]), atol=1e-5, rtol=0)


def test_one_sure_bin_is_its_centre_in_pixels():
    logits = torch.zeros(1, 198, 1, 1)
    logits[0, 0] = logits[0, 99 + 50] = 100.0

    dx, dy = expected_flow(logits).flatten().tolist()
    assert dx == approx(-50 + 50 / 99, abs=1e-5)
    assert dy == approx(100 / 99, abs=1e-5)  # one step beside the middle, bin 49


def test_features_are_the_official_ones(golden, network, marks):
    arrays = golden("07_cmp_net")
    image = torch.from_numpy(arrays["image"]) * 2 - 1

    with torch.no_grad():
        found, half, quarter = network.image_encoder(image)
        sparse = network.flow_encoder(torch.cat(marks, 1))

    assert list(found.shape) == arrays["img_enc_shape"].tolist()
    for features, name in (
        (found, "img_enc_sub"),
        (half, "skip_conv1_sub"),
        (quarter, "skip_layer1_sub"),
        (sparse, "sparse_enc"),
    ):
        official = torch.from_numpy(arrays[name])
        across = features.shape[1] // official.shape[1]
        along = features.shape[2] // official.shape[2]
        ours = features[:, ::across, ::along, ::along]
        assert_close(ours, official, atol=1e-3, rtol=0)


def test_flow_and_logits_are_the_official_ones(golden, network, marks):
    arrays = golden("07_cmp_net")
    encoded = network.encode_reference(torch.from_numpy(arrays["image"])[0])

    flow = network.flow(encoded, *marks)
    with torch.no_grad():
        logits = network.flow_decoder(encoded, network.flow_encoder(torch.cat(marks, 1)))

    assert list(logits.shape) == arrays["logits_shape"].tolist()
    assert_close(
        logits[:, ::11, ::4, ::4], torch.from_numpy(arrays["logits_sub"]), atol=1e-3, rtol=0
    )
    assert_close(flow, torch.from_numpy(arrays["flow"]), atol=1e-3, rtol=0)


def test_a_batch_of_frames_is_each_of_them_alone(golden, network, marks):
    encoded = network.encode_reference(torch.from_numpy(golden("07_cmp_net")["image"])[0])
    sparse = torch.cat([marks[0], -marks[0], 0 * marks[0]])
    mask = torch.cat([marks[1], marks[1], 0 * marks[1]])

    together = network.flow(encoded, sparse, mask)

    alone = [network.flow(encoded, sparse[n : n + 1], mask[n : n + 1]) for n in range(3)]
    assert_close(together, torch.cat(alone), atol=2e-4, rtol=0)
    assert (together[0] - together[1]).abs().max() > 0.1


# The densifier


def test_the_field_enlarges_the_grid_as_the_official_code(golden):
    arrays = golden("08_dense_flow")
    mask = (rnd("df_mask", (2, 2, 384, 384)) > 1).float()
    flow = rnd("df_sparse", (2, 2, 384, 384), 10) * 0.5 + mask * 3
    flow += rnd("df_frames", (2, 3, 384, 384))[:, :2]
    grid = torch.cat([torch.zeros(1, 2, *GRID), flow])

    for name, official in arrays.items():
        height, width = (int(side) for side in name.split("_")[1].split("x"))
        field = MotionField(grid, None, (height, width), torch.ones(3).bool(), resample="nearest")
        ours = field.flow([1, 2])[..., ::5, ::5]
        assert_close(ours, torch.from_numpy(official)[0], atol=1e-5, rtol=0)


def test_the_network_gets_image_and_marks_at_384_and_each_frame_its_flow(clip_of):
    clip, network = driven(clip_of, 4), Marks()

    motion = run(network, clip)

    small = image_on_grid(IMAGE, GRID)
    sparse, mask = sparse_flow(clip, SIZE, GRID)
    assert torch.equal(motion.grid[1:], (small[:1] + sparse / 2 + mask * 3)[1:])
    assert motion.grid[2, :, 200, 160].tolist() == approx(
        [small[0, 200, 160].item() + 4 * 384 / 48 / 2 + 3, small[0, 200, 160].item() + 3], abs=1e-5
    )
    assert motion.grid.shape == (4, 2, 384, 384)
    assert motion.resample == "nearest"


def test_the_reference_does_not_move(clip_of):
    motion = run(Marks(), driven(clip_of, 3))

    assert not motion.grid[0].any()
    assert motion.grid[1:].abs().amin((1, 2, 3)).min() > 0


@pytest.mark.parametrize(("chunk", "batches"), [(1, [1, 1, 1, 1]), (3, [3, 1]), (8, [4])])
def test_the_image_is_encoded_once_and_frames_go_in_chunks(clip_of, chunk, batches):
    network, clip = Marks(), driven(clip_of, 5)

    motion = run(network, clip, chunk=chunk)

    assert network.batches == batches
    assert len(network.images) == 1
    assert torch.equal(motion.grid, run(Marks(), clip, chunk=2).grid)


def test_frames_without_a_pose_stay_and_cost_nothing(clip_of):
    clip, network = clip_of({4: (20.0, 50.0)}, {}, {4: (22.0, 50.0)}, size=SIZE), Marks()

    motion = run(network, clip)

    assert not motion.grid[1].any() and motion.grid[2].any()
    assert network.batches == [1]


def test_what_is_not_the_subject_is_grey_for_the_network(clip_of):
    network, mask = Marks(), torch.zeros(1, 48, 24)  # of another size than the image
    mask[:, :, :12] = 1

    motion = run(network, driven(clip_of, 2), subject=mask)

    (seen,) = network.images
    assert torch.equal(seen[..., :192], image_on_grid(IMAGE, GRID)[..., :192])
    assert (seen[..., 192:] == 0.5).all()
    assert motion.subject.shape == GRID
    assert motion.subject.mean().item() == 0.5
    assert motion.report == [
        "CMP: saw the person alone, 50 % of the image; the rest was made plain grey"
    ]


def test_the_person_and_the_order_of_limbs_are_found_for_the_preview(clip_of):
    """CMP says neither where the person is nor which limb is nearer."""
    standing = {
        1: (24.0, 20.0), 2: (18.0, 20.0), 3: (17.0, 34.0), 4: (22.0, 44.0), 5: (30.0, 20.0),
        8: (20.0, 50.0), 9: (20.0, 68.0), 11: (28.0, 50.0), 12: (28.0, 68.0),
    }  # fmt: skip
    found = run(Marks(), clip_of(standing, standing, size=SIZE))

    # The chest, 24, 35 of 48×96, on the grid; the corner of the image.
    assert found.subject[140, 192] > 0.5 and found.subject[10, 10] == 0
    # The forearm, around 20, 40, before the torso.
    assert found.layer[160, 160] > found.layer[140, 200]


def test_missing_joints_are_marked_only_the_official_way(clip_of):
    clip = clip_of({4: (20.0, 50.0)}, {4: (22.0, 50.0)}, size=SIZE)

    ours, official = (run(Marks(), clip, official=way).grid[1] for way in (False, True))

    (corner,) = (official - ours).abs().sum(0).nonzero().tolist()
    assert corner == [0, 0]


def test_progress_is_told_for_each_frame_and_may_cancel(clip_of):
    told = []

    def stop_at_three(done, total):
        told.append((done, total))
        if done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run(Marks(), driven(clip_of, 6), stop_at_three, chunk=2)
    assert told == [(1, 6), (2, 6), (3, 6)]


def test_the_network_is_moved_where_and_to_what_it_is_told(clip_of):
    network = Marks()

    run(network, driven(clip_of, 2), device="meta", dtype=torch.bfloat16)

    assert network.moved == ("meta", torch.bfloat16)


def test_the_network_takes_images_and_marks_in_any_precision(golden, network, marks):
    image = torch.from_numpy(golden("07_cmp_net")["image"])[0]
    double = copy.deepcopy(network).double()

    flow = double.flow(double.encode_reference(image), *marks)

    assert flow.dtype == torch.float32
    assert_close(flow, network.flow(network.encode_reference(image), *marks), atol=1e-3, rtol=0)


def test_a_field_is_made_of_it(clip_of):
    clip = driven(clip_of, 3)

    field = motion_field(IMAGE, clip, CmpDensifier(Marks()))

    assert field.flow([1]).shape == (1, 2, *SIZE)
    assert field.flow([2])[0, 0, 50, 20].item() == approx(
        (IMAGE[0, 50, 20].item() + 16 + 3) / 8, abs=1e-4
    )
    assert torch.equal(field.trajectories.visible, trajectory_points(clip).visible)
    assert field.report[-1] == "CMP: saw the whole image"


def test_a_field_of_it_is_saved_loaded_pictured_and_previewed(clip_of, tmp_path):
    clip = driven(clip_of, 3)
    save_field(motion_field(IMAGE, clip, CmpDensifier(Marks())), tmp_path / "field.safetensors")

    field = load_field(tmp_path / "field.safetensors")

    assert field.resample == "nearest" and field.grid.shape == (3, 2, *GRID)
    assert field.subject.shape == field.layer.shape == GRID
    images = list(motion_images(IMAGE, field))
    assert [p.shape for p in images] == [(96, 96, 3)] * 3
    shown = list(preview_frames(IMAGE, field, [1, 2]))
    assert [tuple(f.image.shape) for f in shown] == [(3, 96, 48)] * 2
