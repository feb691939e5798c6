"""`animate` and `features` from files to files, through the command line."""

from __future__ import annotations

import errno
import json
import os

import av
import numpy as np
import pytest

from dispose_core.cli import main
from dispose_core.errors import MediaError
from dispose_core.media.video_read import probe, read_audio, read_frames
from dispose_core.pipeline.config import RunConfig, load_config, with_values
from dispose_core.pipeline.model_files import find_model_files
from dispose_core.pipeline.plan import plan_animation, resolve
from dispose_core.pipeline.run import run_animation
from dispose_core.progress import no_progress

from .conftest import assert_same_clip


@pytest.fixture(scope="module")
def planned(job, models):
    """planned(output, …) -> the plan of the tiny clip with other settings."""
    settings = with_values(RunConfig(), {**job, "models": models}, "test")
    files = find_model_files(settings)

    def plan(output, **changes):
        changed = with_values(settings, {**changes, "output": output}, "test")
        return plan_animation(resolve(changed, files), files)

    return plan


def test_a_run_on_a_recording_without_a_length_is_planned_with_all_of_it(planned, tmp_path):
    recording = tmp_path / "recorded.webm"
    with av.open(str(recording), "w", options={"live": "1"}) as file:
        stream = file.add_stream("libvpx", rate=24)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number in range(48):
            image = np.full((32, 48, 3), 5 * number, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        file.mux(stream.encode(None))

    plan = planned("out.mp4", driving=str(recording), start=1.0, duration=None, max_frames=None)
    assert plan.num_driving == 24 // plan.stride
    assert plan.driver.duration == 2.0
    with pytest.raises(MediaError, match=r"no frames from 3 s on; it lasts 2\.00 s"):
        planned("out.mp4", driving=str(recording), start=3.0)


@pytest.fixture(scope="module")
def networks(planned, tiny_networks):
    settings = planned("out.mp4").settings
    paths = {name: getattr(settings, name) for name in ("unet", "pose_net", "dispose", "svd")}
    return tiny_networks(paths, "cpu", settings.torch_dtype)


def frames_of(path) -> np.ndarray:
    return np.stack(list(read_frames(path)))


def test_a_clip_from_files_with_sound_beside_its_settings_and_comparison(
    arguments, tmp_path, capsys, encoded
):
    out = tmp_path / "out.mp4"
    changes = {"steps": 2, "max_guidance": None, "output": out}
    assert main([*arguments(**changes), "--compare"]) == 0

    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert (summary["frames"], summary["size"], summary["fps"]) == (4, [64, 64], 12.0)
    for words in (
        "4 of 8 frames, every 2nd, 24 to 12 fps",
        "2 window-steps on cpu in fp32",
        " of weights in main memory; 0.2 MB for each of 5 frames",
    ):
        assert words in printed.err[: printed.err.index("motion field:")]  # told before the work
    info = probe(out)
    assert (info.width, info.height, info.num_frames, info.fps) == (64, 64, 4, 12)
    sound, rate = read_audio(out)
    assert sound.shape[1] / rate == pytest.approx(4 / 12, abs=0.2)  # of AAC's whole frames
    crossings = (np.diff(np.sign(sound[0, 800:2400])) != 0).sum() / 2 / 0.2
    assert crossings == pytest.approx(440, rel=0.03)

    compared = frames_of(tmp_path / "out_compare.mp4")
    assert compared.shape == (4, 64, 64 + 36 + 64 + 64 + 3 * 4, 3)
    assert np.abs(compared[:, :, -64:] - frames_of(out).astype(float)).mean() < 20
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.mp4", "out.toml", "out_compare.mp4",
    ]  # fmt: skip

    again = tmp_path / "again.mp4"
    assert main(["animate", "--config", str(tmp_path / "out.toml"), "-o", str(again)]) == 0
    assert_same_clip(encoded["again.mp4"], encoded["out.mp4"])
    assert np.abs(frames_of(out) - encoded["out.mp4"].astype(float)).mean() < 20
    first, second = (load_config(path.with_suffix(".toml")) for path in (out, again))
    assert second.model_dump() == {**first.model_dump(), "output": again} and first.compare


def test_features_that_were_made_before_give_the_same_clip(
    arguments, models, media, tmp_path, encoded
):
    saved = tmp_path / "features.safetensors"
    assert main([
        "features", "--reference", str(media / "reference.png"), "--resolution", "64",
        "--reference-pose", str(media / "reference.json"), "--models", str(models),
        "--device", "cpu", "-o", str(saved),
    ]) == 0  # fmt: skip
    made, loaded = tmp_path / "made.mp4", tmp_path / "loaded.mp4"
    points = {"point_strength": 1.0}
    assert main(arguments(output=made, **points)) == 0
    assert main(arguments(output=loaded, features=saved, **points)) == 0
    assert_same_clip(encoded["made.mp4"], encoded["loaded.mp4"])
    assert load_config(tmp_path / "loaded.toml").sd15 is None

    assert main(arguments(output=loaded, features=media / "poses.json", **points)) == 3


def test_missing_models_are_told_before_any_work(arguments, tmp_path, capsys):
    out = tmp_path / "clips" / "out.mp4"
    assert main(arguments(models=tmp_path, output=out, point_strength=1.0)) == 3
    error = json.loads(capsys.readouterr().out)["error"]
    assert error.count("nothing found in") == 5 and "lihxxx/DisPose" in error
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"start": 10}, 3, "no frames from 10 s on; it lasts 0.33 s"),
        ({"output": None}, 2, "output is not given"),
        ({"output": "out.gif"}, 2, "not a video name. Use .mkv, .mov, .mp4"),
        ({"output": "{media}/driving.mp4"}, 2, "would overwrite an input"),
        ({"device": "quantum"}, 2, "device is quantum, which cannot be used"),
        ({"overlap": 16}, 3, "length 16 with overlap 16"),
        ({"max_frames": 1}, 3, "4 poses, the driving video gives 1 frames"),
        ({"reference_pose": "{media}/poses.json"}, 3, "4 poses, needed 1"),
        ({"resolution": 20}, 3, "resolution is 20; the networks need at least 64"),
        ({"features": "{media}/driving.mp4"}, 3, "driving.mp4"),
        ({"config": "{media}/poses.json"}, 2, "poses.json: not a TOML file"),
    ],
)
def test_what_cannot_be_used_says_so(arguments, media, tmp_path, capsys, changes, code, message):
    changes = {
        key: value.format(media=media) if isinstance(value, str) else value
        for key, value in changes.items()
    }
    before = (media / "driving.mp4").read_bytes()
    assert main(arguments(**{"output": tmp_path / "out.mp4", **changes})) == code
    assert message in json.loads(capsys.readouterr().out)["error"]
    assert list(tmp_path.iterdir()) == [] and (media / "driving.mp4").read_bytes() == before


@pytest.mark.slow  # what the CPU does with bf16
def test_bf16_on_a_cpu_is_used_when_asked_for(planned, networks, tiny_networks, tmp_path):
    plan = planned(tmp_path / "out.mp4", dtype="bf16")
    half = tiny_networks(networks.paths, "cpu", plan.settings.torch_dtype)
    assert run_animation(plan, half).num_driving == 4
    assert str(half.pipeline.dtype) == "torch.bfloat16"
    assert load_config(tmp_path / "out.toml").dtype == "bf16"


def test_cancelling_leaves_what_was_there_and_the_networks_as_they_were(
    planned, networks, tmp_path
):
    def stop(stage: str):
        def progress(done: int, total: int) -> None:
            if stage == "sampling":
                raise KeyboardInterrupt

        return progress

    plan = planned(tmp_path / "out.mp4")
    (tmp_path / "out.mp4").write_bytes(b"older")
    with pytest.raises(KeyboardInterrupt):
        run_animation(plan, networks, stop)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_bytes() == b"older"

    assert run_animation(plan, networks).num_driving == 4
    assert len(frames_of(tmp_path / "out.mp4")) == 4


def test_a_full_disk_leaves_what_was_there(planned, networks, tmp_path, monkeypatch):
    (tmp_path / "out.mp4").write_bytes(b"older")
    (tmp_path / "out.toml").write_bytes(b"steps = 9")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("dispose_core.media.atomic_write.os.replace", full)
    with pytest.raises(MediaError, match=r"out\.mp4: cannot be written \(No space left"):
        run_animation(planned(tmp_path / "out.mp4"), networks)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        "out.mp4": b"older",
        "out.toml": b"steps = 9",
    }


def test_a_folder_that_cannot_be_written_is_told_before_the_work(planned, networks, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    asked = []
    with pytest.raises(MediaError, match="cannot be written"):
        run_animation(planned(tmp_path / "file" / "out.mp4"), networks, asked.append)
    assert asked == []


def test_of_two_runs_into_one_file_the_last_is_whole(planned, networks, tmp_path):
    out = tmp_path / "out.mp4"

    def run_the_other(stage: str):
        if stage == "decoding":
            run_animation(planned(out, seed=1), networks)
            assert load_config(tmp_path / "out.toml").sampling.seed == 1
        return no_progress

    run_animation(planned(out, seed=2), networks, run_the_other)

    assert load_config(tmp_path / "out.toml").sampling.seed == 2
    assert len(frames_of(out)) == 4 and len(list(tmp_path.iterdir())) == 2
