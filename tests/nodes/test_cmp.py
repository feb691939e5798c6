"""CMP in the graph: its file, the network in ComfyUI's hands, the field made with it."""

from __future__ import annotations

import pytest
import torch

from tests.rule_weights import rule_state
from tests.tiny_nets import manifest

NAME = "ckpt_iter_42000.pth.tar"


@pytest.fixture
def dispose_folder(pack, tmp_path, monkeypatch):
    """The folder that ComfyUI finds our weights in."""
    import folder_paths

    monkeypatch.setitem(folder_paths.folder_names_and_paths, "dispose", ([str(tmp_path)], set()))
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    return tmp_path


def test_the_network_is_comfyuis_to_manage_and_makes_a_field(run, dispose_folder, poses, reference):
    """From a file laid out as the published one, with rule weights."""
    from comfy.model_patcher import ModelPatcher

    state = rule_state(manifest("cmp", "module."), "module.", 1.25)
    content = {"step": 1, "state_dict": {f"module.{k}": v for k, v in state.items()}}
    torch.save(content, dispose_folder / NAME)
    (cmp,) = run("DisPoseCMPLoader", file=NAME)
    assert isinstance(cmp, ModelPatcher)
    assert cmp.model.dtype == torch.float32 and not cmp.model.training
    # docs/reference_behaviour.md#cmp-dense-motion, 4 bytes each
    assert cmp.model_size() == pytest.approx(4 * 28.5e6, rel=1e-2)

    reference_pose, aligned = poses
    given = {"reference": reference, "reference_pose": reference_pose, "driving_pose": aligned[:1]}
    field, images, report = run("DisPoseMotionField", **given, cmp=cmp)
    assert field.grid.shape == (2, 2, 384, 384) and field.size == (256, 144)
    assert not field.grid[0].any() and field.grid[1].any(0).all()  # background too
    assert images.shape == (2, 256, 288, 3)  # in the shape of the reference
    assert report.splitlines()[-1] == "CMP: saw the whole image"

    mask = torch.zeros(1, 256, 144)
    mask[:, :128] = 1
    alone, _, report = run("DisPoseMotionField", **given, cmp=cmp, subject=mask)
    assert "saw the person alone, 50 % of the image" in report
    assert (alone.grid[1] - field.grid[1]).abs().max() > 0.1
    assert alone.subject.mean() == 0.5


def test_a_missing_or_wrong_file_is_named(pack, run, dispose_folder):
    loader = pack["DisPoseCMPLoader"]
    assert loader.GET_SCHEMA().inputs[0].default == NAME
    assert f"{NAME}: not found in models/dispose. " in loader.validate_inputs(file=NAME)
    with pytest.raises(Exception, match=f"{NAME}: not found in"):
        run("DisPoseCMPLoader", file=NAME)
    torch.save({"unet.conv_in.weight": torch.zeros(320, 8, 3, 3)}, dispose_folder / "other.pth")
    with pytest.raises(Exception, match=r"other\.pth: .*ckpt_iter_42000\.pth\.tar"):
        run("DisPoseCMPLoader", file="other.pth")
