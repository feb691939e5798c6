"""The motion field's own file, and flow as an .npz for other programs."""

from __future__ import annotations

import contextlib
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from dispose_core.errors import MediaError
from dispose_core.motion.field_file import load_field, save_field
from dispose_core.motion.flow_npz import save_flow
from dispose_core.motion.motion_field import MotionField
from dispose_core.pose.skeleton import N_BODY


def write_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def foreign(frames=3, size=(4, 6)) -> dict[str, np.ndarray]:
    """What another program needs to write."""
    flow = np.ones((frames, 2, *size), np.float32)
    flow[0] = 0
    return {"flow": flow, "valid": np.ones(frames, bool), "size": np.array(size)}


@pytest.mark.parametrize("name", ["field.safetensors", "field"])
def test_a_saved_field_comes_back_whole(field, tmp_path, name):
    save_field(field, tmp_path / name)

    back = load_field(tmp_path / name)

    assert_close(back.grid, field.grid, atol=5 / 65534, rtol=0)  # half a step of the largest
    for part in ("start", "end", "visible"):
        saved, loaded = getattr(field.trajectories, part), getattr(back.trajectories, part)
        assert torch.equal(saved, loaded) and saved.dtype == loaded.dtype
    assert torch.equal(back.valid, field.valid) and torch.equal(back.layer, field.layer)
    assert torch.equal(back.subject, field.subject)
    assert (back.size, back.resample, back.report) == ((24, 32), "bilinear", field.report)


def test_only_points_that_move_are_stored(field, tmp_path):
    field.grid[:, :, :3] = 0
    save_field(field, tmp_path / "field.safetensors")

    tensors = load_file(tmp_path / "field.safetensors")
    assert tensors["flow"].shape == (6, 2, 12) and tensors["flow"].dtype == torch.int16
    assert tensors["moving"].tolist() == list(range(12, 24))
    assert_close(tensors["scale"], torch.arange(6.0) / 32767)
    assert not load_field(tmp_path / "field.safetensors").grid[:, :, :3].any()


def test_a_field_that_stands_still_has_no_layer_and_no_report_comes_back(field, tmp_path):
    still = torch.zeros_like(field.grid)
    bare = MotionField(still, field.trajectories, field.size, field.valid, resample="nearest")

    save_field(bare, tmp_path / "field.safetensors")
    back = load_field(tmp_path / "field.safetensors")

    assert torch.equal(back.grid, still)
    assert (back.layer, back.subject, back.resample, back.report) == (None, None, "nearest", [])


def test_packing_tells_how_far_it_is_and_may_be_cancelled(field, tmp_path):
    seen = []
    save_field(field, tmp_path / "field.safetensors", on_frame=lambda *step: seen.append(step))
    assert seen == [(n, 6) for n in range(1, 7)]

    def cancel(done, total):
        raise KeyboardInterrupt

    before = (tmp_path / "field.safetensors").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        save_field(field, tmp_path / "field.safetensors", on_frame=cancel)
    assert [p.name for p in tmp_path.iterdir()] == ["field.safetensors"]
    assert (tmp_path / "field.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({"flow": None}, {}, "'flow' is missing"),
        ({"flow": torch.zeros(6, 2, 9, dtype=torch.int16)}, {}, r"'flow' is .* needed .*24\)"),
        ({"scale": torch.zeros(6)[:5]}, {}, "'scale' is"),
        ({"scale": torch.full((6,), torch.nan)}, {}, "'scale' has values that are not finite"),
        ({"scale": torch.ones(6), "flow": torch.ones(6, 2, 24).short()}, {}, "frame 0"),
        ({"moving": torch.arange(24, dtype=torch.int32) + 1}, {}, "points outside the grid"),
        ({"start": torch.zeros(6, N_BODY, 2)}, {}, "'start' is torch.float32"),
        ({"layer": torch.ones(9, 9)}, {}, r"'layer' is .* needed torch.float32 \(6, 4\)"),
        ({}, {"resample": "cubic"}, "'resample' is 'cubic'"),
        ({}, {"size": "0 6"}, "its size is 0×6"),
        ({}, {"grid": "16000 16000"}, "its grid is 16000×16000"),
        ({}, {"grid": "many"}, "its grid is not given"),
        ({}, {"format": "pt"}, "not a motion field of this version"),
        ({}, {"report": "{"}, "its report cannot be read"),
    ],
)
def test_a_field_that_does_not_fit_is_named(field, tmp_path, tensors, metadata, message):
    path = tmp_path / "field.safetensors"
    save_field(field, path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata() | metadata
    changed = {k: v for k, v in (load_file(path) | tensors).items() if v is not None}
    save_file(changed, path, metadata=metadata)

    with pytest.raises(MediaError, match=message):
        load_field(path)


@pytest.mark.parametrize("name", ["field.safetensors", "field.npz"])
def test_a_file_cut_off_or_damaged_anywhere_is_told(field, tmp_path, name):
    path = tmp_path / name
    (save_flow if name.endswith("npz") else save_field)(field, path)
    whole = path.read_bytes()
    generator = np.random.default_rng(0)

    for length in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:length])
        with pytest.raises(MediaError):
            load_field(path)
    for _ in range(300):
        hurt = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            hurt[place] = generator.integers(0, 256)
        path.write_bytes(hurt)
        with contextlib.suppress(MediaError):  # what is not read may be damaged
            load_field(path)


@pytest.mark.parametrize("name", ["field.safetensors", "field.npz"])
def test_a_file_of_another_format_is_told(tmp_path, name):
    (tmp_path / name).write_text("hello")

    with pytest.raises(MediaError, match=r"hello|field\.\w+: "):
        load_field(tmp_path / name)


def test_other_programs_find_flow_and_trajectories_at_the_size_asked_for(field, tmp_path):
    save_flow(field, tmp_path / "field.npz", size=(12, 16))

    with np.load(tmp_path / "field.npz", allow_pickle=False) as file:
        assert file["size"].tolist() == [12, 16]
        assert file["valid"].tolist() == [True] * 5 + [False]
        assert file["flow"].dtype == file["trajectory"].dtype == np.float32
        assert_close(torch.from_numpy(file["flow"]), field.flow(None, (12, 16)))
        assert_close(torch.from_numpy(file["trajectory"]), field.trajectory(None, (12, 16)))


def test_without_a_size_the_file_has_the_images(field, tmp_path):
    save_flow(field, tmp_path / "field.npz")

    with np.load(tmp_path / "field.npz") as file:
        assert file["flow"].shape == (6, 2, 24, 32) and file["size"].tolist() == [24, 32]


def test_a_file_of_another_program_is_enough_with_flow_valid_and_size(tmp_path):
    arrays = foreign()
    arrays["flow"] = np.asfortranarray(arrays["flow"].astype(">f8"))
    arrays["valid"][2] = False

    field = load_field(write_npz(tmp_path / "other.npz", **arrays))

    assert field.size == (4, 6) and field.valid.tolist() == [True, True, False]
    assert_close(field.flow(), torch.from_numpy(foreign()["flow"]))
    assert not field.trajectory().any()
    assert field.report == ["other.npz: flow at full size, without trajectories"]


def test_saving_tells_how_far_it_is(field, tmp_path):
    seen = []

    save_flow(field, tmp_path / "field.npz", on_frame=lambda *step: seen.append(step))

    assert seen == [(4, 12), (6, 12), (10, 12), (12, 12)]


def test_a_cancelled_save_leaves_what_was_there(field, tmp_path):
    path = tmp_path / "field.npz"
    path.write_text("old")

    def cancel(done, total):
        if done > 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_flow(field, path, on_frame=cancel)
    assert [p.name for p in tmp_path.iterdir()] == ["field.npz"]
    assert path.read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk_leaves_no_half_file(field, tmp_path):
    import resource
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(MediaError, match=r"field\.npz: cannot be written"):
            save_flow(field, tmp_path / "field.npz", size=(512, 512))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MediaError, match=r"nothing\.npz: cannot be read .*Check the path"):
        load_field(tmp_path / "nothing.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"valid": None}, "there is no 'valid' in it, only flow, size"),
        ({"flow": None}, "there is no 'flow'"),
        ({"flow": np.zeros((3, 2, 4, 5), np.float32)}, r"'flow' is .* needed .*\(3, 2, 4, 6\)"),
        ({"flow": np.zeros((4, 2, 4, 6), np.float32)}, r"'flow' is .* needed .*\(3, 2, 4, 6\)"),
        ({"flow": np.zeros((3, 2, 4, 6), np.int32)}, "'flow' is int32 .* needed float32"),
        ({"flow": np.full((3, 2, 4, 6), np.nan)}, "'flow' has values that are not finite"),
        ({"flow": np.full((3, 2, 4, 6), 1e300)}, "'flow' has values that are not finite"),
        ({"flow": np.ones((3, 2, 4, 6))}, "frame 0, the reference itself"),
        ({"valid": np.ones(3)}, "'valid' is float64"),
        ({"size": np.array([4, 10**9])}, r"needed float32 \(3, 2, 4, 1000000000\)"),
        ({"size": np.array([0, 6])}, r"'size' is int64 \[0, 6\]"),
        ({"valid": np.ones(0, bool), "flow": np.ones((0, 2, 4, 6))}, "frame 0"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, message):
    arrays = {k: v for k, v in (foreign() | change).items() if v is not None}

    with pytest.raises(MediaError, match=message):
        load_field(write_npz(tmp_path / "other.npz", **arrays))


def test_pickled_objects_are_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return exec, ("raise SystemExit",)

    arrays = foreign() | {"valid": np.array([Trap()] * 3, dtype=object)}

    with pytest.raises(MediaError, match=r"damaged.*allow_pickle=False"):
        load_field(write_npz(tmp_path / "other.npz", **arrays))
