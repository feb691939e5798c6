"""What ComfyUI lets through to a node: values of other nodes, and widgets it does not check."""

from __future__ import annotations

import math

import pytest
import torch

NAN = math.nan
IMAGE = torch.full((1, 64, 64, 3), 0.5)
HUGE = 10**400


@pytest.fixture
def wire(run):
    return run("DisPoseLoadPoses", file="reference.json [sample]")[0]


@pytest.mark.parametrize(
    ("node", "given", "message"),
    [
        ("DisPoseNoise", {"length": 0}, r"DisPose Noise: length is 0, but must be from 1 to 1024"),
        ("DisPoseNoise", {"length": 2.5}, "length is 2.5, but must be a whole number"),
        ("DisPoseNoise", {"length": "7"}, "length is '7', but must be a whole number"),
        ("DisPoseNoise", {"length": HUGE}, "length is 1000.*…, but must be a whole number"),
        ("DisPoseNoise", {"length": torch.tensor(3)}, "length is a value of type Tensor"),
        ("DisPosePrepare", {"reference": IMAGE, "start": NAN}, "start is nan, .* a finite number"),
        ("DisPosePrepare", {"reference": IMAGE, "start": -1.0}, "must be from 0.0 to 86400.0"),
        ("DisPosePrepare", {"reference": IMAGE[..., :1]}, "with 1 channels, needed RGB or RGBA"),
        ("DisPosePrepare", {"reference": IMAGE[:0]}, "reference: a batch without images"),
        ("DisPosePrepare", {"reference": IMAGE[0]}, r"float32 of shape \(64, 64, 3\)"),
        ("DisPosePrepare", {"reference": IMAGE.byte()}, "uint8 of shape .* as fractions"),
        ("DisPosePrepare", {"reference": IMAGE * NAN}, "reference: image 0 has values that are no"),
        ("DisPosePrepare", {"reference": None}, "reference: got NoneType, needed images"),
        ("DisPosePrepare", {"reference": IMAGE, "driving_video": 3}, "got 3, not a video"),
        ("DisPoseLoadPoses", {"file": ["a"]}, "file is a value of type list, .* name of an option"),
        ("DisPoseLoadPoses", {"file": "a\0b"}, "is not in .* Put the JSON"),
        ("DisPoseLoadPoses", {"file": "x" * 5000}, "is not in .* Put the JSON"),
        ("DisPoseDecode", {"samples": {}, "vae": 1}, "got a value of type dict, no latents"),
        ("DisPoseDensifierLoader", {"densifier": ""}, "densifier '' is not known"),
        ("DisPoseContextWindows", {"model": 3}, "model: got 3. Connect the output of a model load"),
        ("DisPoseMotionExport", {"motion_field": []}, "motion_field: got a value of type list"),
    ],
)  # fmt: skip
def test_a_bad_input_is_refused_with_its_name_and_the_way_out(run, node, given, message):
    with pytest.raises(Exception, match=message) as error:
        run(node, **given)
    assert type(error.value).__module__ == "dispose_pack.dispose_core.errors"


def test_an_unknown_option_is_refused_with_those_there_are(run, wire):
    with pytest.raises(Exception, match="method is 'feet', but must be one of: fit, limbs, none"):
        run("DisPosePoseAlign", reference_pose=wire, driving_pose=wire, method="feet")


def test_numbers_of_other_kinds_reach_a_node_as_python_numbers(pack, monkeypatch):
    import numpy as np

    (noise,) = pack["DisPoseNoise"].execute(seed=np.int64(3), length=7.0).result
    assert (type(noise.seed), type(noise.length)) == (int, int)


def test_optional_inputs_without_a_value_are_as_not_connected(run, wire):
    none = run("DisPosePoseRender", poses=wire, reference_pose=None, width=9, height=16)[0]
    assert none.shape == (1, 16, 9, 3)
    fitted = run("DisPosePrepare", reference=IMAGE, driving_images=IMAGE[:0], resolution=64)
    assert fitted[4] == 0


def test_inputs_of_earlier_versions_are_left_out(pack):
    assert pack["DisPoseNoise"].execute(seed=1, length=2, gone=IMAGE).result


def test_a_linked_file_is_not_validated_before_it_is_there(pack):
    """ComfyUI leaves inputs with a connection out, or gives None."""
    loader = pack["DisPoseLoadPoses"]
    assert loader.validate_inputs() is True and loader.validate_inputs(file=None) is True
    assert "must be the name of an option" in loader.validate_inputs(file=3)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("", "is empty"),
        ("../x", "leads outside"),
        ("/poses/x", "leads outside"),
        ("C:\\x", "leads outside"),
        ("a\0b", "control characters"),
        ("\ud800", "control characters"),
        (".x", "hidden name"),
        ("poses/NUL", "NUL is a device in Windows"),
        ("com1.poses/x", "com1.poses is a device in Windows"),
        ("x" * 201, "a name of 201 bytes"),
        ("é" * 101, "a name of 202 bytes"),
    ],
)
def test_a_name_that_not_every_system_accepts_is_refused(run, wire, folders, prefix, message):
    with pytest.raises(Exception, match=rf"filename_prefix .*: .*{message}.* such as poses/dance"):
        run("DisPoseSavePoses", poses=wire, filename_prefix=prefix)
    assert list(folders.output.rglob("*")) == []


def test_the_longest_name_can_be_saved_and_loaded(run, wire, folders):
    name, _ = run("DisPoseSavePoses", poses=wire, filename_prefix="x" * 200)
    assert run("DisPoseLoadPoses", file=name)[1] == 1


def test_a_file_in_place_of_a_folder_is_told(run, wire, folders):
    (folders.output / "poses").write_text("")
    with pytest.raises(Exception, match="filename_prefix 'poses/dance': cannot be written"):
        run("DisPoseSavePoses", poses=wire, filename_prefix="poses/dance")


@pytest.fixture
def little_memory(monkeypatch):
    from comfy import model_management

    monkeypatch.setattr(model_management, "get_free_memory", lambda device: 20_000)


@pytest.mark.parametrize(
    ("node", "given", "message"),
    [
        ("DisPosePoseRender", {"width": 36, "height": 64}, "skeletons: 1 image of 36×64 take"),
        ("DisPosePoseExtract", {"images": IMAGE}, "skeletons: 1 image of 64×64 take"),
        ("DisPosePersonMask", {"images": IMAGE.expand(2, -1, -1, -1)}, "masks: 2 images of 64×64"),
        ("DisPoseMotionField", {"reference": IMAGE}, "motion field: 2 images of 64×64 take"),
    ],
)
def test_images_are_made_only_where_they_fit(run, wire, little_memory, node, given, message):
    from types import SimpleNamespace

    def never(*_):
        raise AssertionError("worked before it asked")

    more = {
        "DisPosePoseRender": {"poses": wire},
        "DisPoseMotionField": {"reference_pose": wire, "driving_pose": wire},
    }.get(node, {"detector": SimpleNamespace(name="none", detect=never, detect_masks=never)})
    with pytest.raises(Exception, match=f"{message}.* memory are free. ") as error:
        run(node, **given, **more)
    assert type(error.value).__name__ == "NotEnoughMemory"


def test_previews_and_flow_are_made_only_where_they_fit(run, moving_square, little_memory):
    with pytest.raises(Exception, match="preview: 2 images of 32×24 take"):
        run("DisPoseMotionPreview", reference=IMAGE[:, :24, :32], motion_field=moving_square)
    with pytest.raises(Exception, match="optical flow: 2 images of 8192×1 take"):
        run("DisPoseMotionExport", motion_field=moving_square, width=8192, height=1)


def test_a_line_of_pixels_is_not_blown_up_to_terabytes(run):
    from types import SimpleNamespace

    vae = SimpleNamespace(encode=None, decode=None)
    clip_vision = SimpleNamespace(model=None, patcher=None, load_device=None)
    line = torch.full((1, 1, 4096, 3), 0.5)
    with pytest.raises(Exception, match="reference image before its sides are cut off: 1 image of"):
        run(
            "DisPoseConditioning", clip_vision=clip_vision, vae=vae, reference=line, width=8192,
            height=8192,
        )  # fmt: skip


def test_latents_of_no_machine_are_not_made(run):
    from types import SimpleNamespace

    vae = SimpleNamespace(encode=None, decode=None)
    clip_vision = SimpleNamespace(model=None, patcher=None, load_device=None)
    with pytest.raises(Exception, match="latents: 100001 of 1024×1024 take 1677"):
        run(
            "DisPoseConditioning", clip_vision=clip_vision, vae=vae, reference=IMAGE, width=8192,
            height=8192, frames=100_000,
        )  # fmt: skip
