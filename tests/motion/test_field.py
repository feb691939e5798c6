"""Motion fields: sizes, entries, files."""

from __future__ import annotations

import contextlib
import io
import sys
import zipfile

import numpy as np
import pytest
import torch
from pytest import approx
from torch.testing import assert_close

from dispose_core.errors import DisPoseError, MediaError
from dispose_core.motion.motion_field import MotionField, resize_flow
from dispose_core.motion.trajectory import trajectory_maps, trajectory_points


@pytest.fixture
def field(clip_of) -> MotionField:
    """Six entries of a 24×32 picture on a 6×4 grid; entry n moves everything by (n, -n) cells."""
    clip = clip_of(*({4: (8 + n, 10)} for n in range(6)), size=(24, 32))
    grid = torch.arange(6.0)[:, None, None, None] * torch.tensor([1.0, -1.0])[:, None, None]
    return MotionField(
        grid.repeat(1, 1, 6, 4),
        trajectory_points(clip),
        (24, 32),
        torch.tensor([True] * 5 + [False]),
        layer=torch.arange(24.0).view(6, 4),
        subject=torch.linspace(0, 1, 24).view(6, 4),
        report=["first line", "zweite Zeile: ü"],
    )


def write_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def foreign(entries=3, size=(4, 6)) -> dict[str, np.ndarray]:
    """What another program needs to write."""
    flow = np.ones((entries, 2, *size), np.float32)
    flow[0] = 0
    return {"flow": flow, "valid": np.ones(entries, bool), "size": np.array(size)}


def test_flow_is_in_pixels_of_the_size_asked_for(field):
    assert field.frames([2]).shape == (1, 2, 24, 32)
    assert field.frames([2])[0, :, 5, 5].tolist() == approx([2 * 32 / 4, -2 * 24 / 6])
    assert field.frames([2], (60, 8))[0, :, 30, 3].tolist() == approx([2 * 8 / 4, -2 * 60 / 6])
    assert torch.equal(field.frames([2], (6, 4)), field.grid[2:3])


def test_entries_are_absolute_numbers_in_any_order(field):
    size = (6, 4)

    assert field.frames([4, 1, 4], size)[:, 0, 0, 0].tolist() == [4.0, 1.0, 4.0]
    assert field.frames(slice(3, None), size)[:, 0, 0, 0].tolist() == [3.0, 4.0, 5.0]
    assert field.frames(range(1, 3), size)[:, 0, 0, 0].tolist() == [1.0, 2.0]
    assert field.frames(None, size).shape == (6, 2, 6, 4)
    assert field.frames([]).shape == (0, 2, 24, 32)


@pytest.mark.parametrize("entries", [[6], [0, -1]])
def test_an_entry_that_is_not_there_is_named(field, entries):
    with pytest.raises(DisPoseError, match=rf"entry {entries[-1]} .* entries 0…5"):
        field.frames(entries)


def test_what_is_handed_out_is_the_callers_own(field):
    field.frames([1], (6, 4)).zero_()
    field.frames(slice(None), (6, 4)).zero_()

    assert field.grid[1, 0, 0, 0] == 1.0


def test_skinning_is_enlarged_smoothly_and_cmp_by_repetition():
    flow = torch.tensor([0.0, 8.0]).view(1, 1, 1, 2).repeat(1, 2, 1, 1)

    smooth = resize_flow(flow, (1, 4))[0, 0, 0]
    nearest = resize_flow(flow, (1, 4), "nearest")[0, 0, 0]

    # Pixel centres at 1/8, 3/8, 5/8, 7/8; grid centres at 1/4 and 3/4; twice as many pixels.
    assert smooth.tolist() == approx([0.0, 2 * 2.0, 2 * 6.0, 2 * 8.0])
    assert nearest.tolist() == approx([0.0, 0.0, 16.0, 16.0])


def test_the_field_uses_its_own_way_of_enlarging(field):
    steps = MotionField(
        torch.arange(24.0).view(1, 1, 6, 4).repeat(1, 2, 1, 1),
        field.trajectories.at(torch.tensor([0])),
        (12, 8),
        torch.ones(1, dtype=torch.bool),
        resample="nearest",
    )

    assert steps.frames()[0, 0, 1, :4].tolist() == approx([0.0, 0.0, 2.0, 2.0])


def test_a_trajectory_is_from_the_entry_before_whichever_entries_are_asked_for(field):
    whole = trajectory_maps(field.trajectories, (24, 32))

    assert torch.equal(field.trajectory([5, 2]), whole[[5, 2]])
    assert field.trajectory([2], (48, 64)).shape == (1, 2, 48, 64)
    assert not field.trajectory([0]).any() and field.trajectory([1]).any()


def test_a_slice_is_a_field_of_its_entries_with_the_same_values(field):
    part = field.slice([0, 3, 5])

    assert len(part) == 3
    assert torch.equal(part.frames(), field.frames([0, 3, 5]))
    assert torch.equal(part.trajectory(), field.trajectory([0, 3, 5]))
    assert part.valid.tolist() == [True, True, False]
    assert torch.equal(part.layer, field.layer) and part.report == field.report


def test_the_largest_motion_is_in_pixels_of_the_picture(field):
    assert field.largest_motion() == approx(5 * np.hypot(32 / 4, 24 / 6))
    assert field.largest_motion((6, 4)) == approx(5 * np.hypot(1, 1))


def test_a_saved_field_comes_back_whole(field, tmp_path):
    field.save(tmp_path / "field.npz", size=(12, 16))

    back = MotionField.load(tmp_path / "field.npz")

    assert torch.equal(back.grid, field.grid)
    for part in ("start", "end", "visible"):
        saved, loaded = getattr(field.trajectories, part), getattr(back.trajectories, part)
        assert torch.equal(saved, loaded) and saved.dtype == loaded.dtype
    assert torch.equal(back.valid, field.valid) and torch.equal(back.layer, field.layer)
    assert torch.equal(back.subject, field.subject)
    assert (back.size, back.resample, back.report) == ((24, 32), "bilinear", field.report)


def test_a_field_without_layer_and_report_comes_back(field, tmp_path):
    bare = MotionField(field.grid, field.trajectories, field.size, field.valid, resample="nearest")

    bare.save(tmp_path / "field.npz")
    back = MotionField.load(tmp_path / "field.npz")

    assert (back.layer, back.resample, back.report) == (None, "nearest", [])


def test_other_programs_find_flow_and_trajectories_at_the_size_asked_for(field, tmp_path):
    field.save(tmp_path / "field.npz", size=(12, 16))

    with np.load(tmp_path / "field.npz", allow_pickle=False) as file:
        assert file["size"].tolist() == [12, 16]
        assert file["valid"].tolist() == [True] * 5 + [False]
        assert file["flow"].dtype == file["trajectory"].dtype == np.float32
        assert_close(torch.from_numpy(file["flow"]), field.frames(None, (12, 16)))
        assert_close(torch.from_numpy(file["trajectory"]), field.trajectory(None, (12, 16)))


def test_without_a_size_the_file_has_the_pictures(field, tmp_path):
    field.save(tmp_path / "field.npz")

    with np.load(tmp_path / "field.npz") as file:
        assert file["flow"].shape == (6, 2, 24, 32) and file["size"].tolist() == [24, 32]


def test_a_file_of_another_program_is_enough_with_flow_valid_and_size(tmp_path):
    arrays = foreign()
    arrays["flow"] = np.asfortranarray(arrays["flow"].astype(">f8"))
    arrays["valid"][2] = False

    field = MotionField.load(write_npz(tmp_path / "other.npz", **arrays))

    assert field.size == (4, 6) and field.valid.tolist() == [True, True, False]
    assert_close(field.frames(), torch.from_numpy(foreign()["flow"]))
    assert not field.trajectory().any()
    assert "another program" in field.report[0]


def test_saving_tells_how_far_it_is(field, tmp_path):
    seen = []

    field.save(tmp_path / "field.npz", on_entry=lambda *step: seen.append(step))

    assert seen == [(4, 12), (6, 12), (10, 12), (12, 12)]


def test_a_cancelled_save_leaves_what_was_there(field, tmp_path):
    path = tmp_path / "field.npz"
    path.write_text("old")

    def cancel(done, total):
        if done > 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        field.save(path, on_entry=cancel)
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
            field.save(tmp_path / "field.npz", size=(512, 512))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MediaError, match=r"nothing\.npz: cannot be read .*Check the path"):
        MotionField.load(tmp_path / "nothing.npz")


def test_a_file_that_is_no_archive_is_told(tmp_path):
    (tmp_path / "field.npz").write_text("hello")

    with pytest.raises(MediaError, match=r"not an \.npz file"):
        MotionField.load(tmp_path / "field.npz")


def test_a_file_cut_off_or_damaged_anywhere_is_told(field, tmp_path):
    path = tmp_path / "field.npz"
    field.save(path)
    whole = path.read_bytes()
    generator = np.random.default_rng(0)

    for length in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:length])
        with pytest.raises(MediaError):
            MotionField.load(path)
    for _ in range(300):
        hurt = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            hurt[place] = generator.integers(0, 256)
        path.write_bytes(hurt)
        with contextlib.suppress(MediaError):  # what is not read may be damaged
            MotionField.load(path)


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
        ({"flow": np.ones((3, 2, 4, 6))}, "entry 0, the reference itself"),
        ({"valid": np.ones(3)}, "'valid' is float64"),
        ({"size": np.array([4, 10**9])}, "'size' is 4, 1000000000"),
        ({"size": np.array([0, 6])}, "'size' is 0, 6"),
        ({"valid": np.ones(0, bool), "flow": np.ones((0, 2, 4, 6))}, "entry 0"),
        ({"layer": np.ones((9, 9))}, r"'layer' is .* needed float32 \(4, 6\)"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, message):
    arrays = {k: v for k, v in (foreign() | change).items() if v is not None}

    with pytest.raises(MediaError, match=message):
        MotionField.load(write_npz(tmp_path / "other.npz", **arrays))


def test_an_unknown_way_of_enlarging_is_refused(field, tmp_path):
    field.save(tmp_path / "field.npz")
    with np.load(tmp_path / "field.npz") as file:
        arrays = {name: file[name] for name in file}

    arrays["resample"] = np.array(b"cubic")
    with pytest.raises(MediaError, match="'resample' is 'cubic'"):
        MotionField.load(write_npz(tmp_path / "other.npz", **arrays))


def test_pickled_objects_are_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return exec, ("raise SystemExit",)

    arrays = foreign() | {"valid": np.array([Trap()] * 3, dtype=object)}

    with pytest.raises(MediaError, match="'valid' is object"):
        MotionField.load(write_npz(tmp_path / "other.npz", **arrays))


def member(shape: tuple[int, ...], body: bytes, dtype: str = "|b1") -> bytes:
    """A .npy file whose header may promise anything."""
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + body


@pytest.mark.parametrize("shape", [(10**15,), (1 << 62,), (1 << 70,)])
def test_a_header_that_promises_more_than_the_file_holds_costs_nothing(tmp_path, shape):
    path = tmp_path / "field.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("valid.npy", member(shape, b"\1" * 10))

    with pytest.raises(MediaError, match=r"'valid' claims .* cannot be in the 0\.0 MB"):
        MotionField.load(path)


def test_a_directory_that_confirms_a_false_promise_does_not_help(tmp_path):
    path = tmp_path / "field.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("valid.npy", member((3 << 30,), b"\1" * 100))
    true_size = len(member((3 << 30,), b"\1" * 100)).to_bytes(4, "little")
    false_size = (0xFFFFFF00).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(true_size, false_size))

    with pytest.raises(MediaError, match=r"'valid' claims 3221\.2 MB"):
        MotionField.load(path)


@pytest.mark.parametrize(("body", "message"), [(b"\1" * 2, "shorter"), (b"\1" * 9, "longer")])
def test_an_array_of_another_length_than_its_header_says_is_refused(tmp_path, body, message):
    # Padded to the promised size by the header alone, so that only reading tells.
    path = tmp_path / "field.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("valid.npy", member((3,), body))

    with pytest.raises(MediaError, match=message):
        MotionField.load(path)


def test_an_encrypted_archive_is_refused(field, tmp_path):
    path = tmp_path / "field.npz"
    field.save(path)
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.find(signature)
        while place >= 0:
            data[place + flags] |= 1
            place = data.find(signature, place + 4)
    path.write_bytes(data)

    with pytest.raises(MediaError, match="encrypted"):
        MotionField.load(path)
