"""Files that may be anything, opened without running what is in them."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from dispose_core.checkpoints.state_dict import open_weights
from dispose_core.errors import CheckpointError

TENSORS = {"a.weight": torch.arange(600.0).view(20, 30), "a.bias": torch.ones(20).half()}


class RunsCode:
    """A pickle of it makes a folder when it is loaded without care."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def same(found: dict, expected: dict = TENSORS) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert_close(found[key], value, atol=0, rtol=0)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.ckpt"])
def test_content_decides_what_a_file_is_and_not_its_name(tmp_path, name):
    save_file(TENSORS, tmp_path / name)
    same(open_weights(tmp_path / name).tensors)
    torch.save(TENSORS, tmp_path / name)
    same(open_weights(tmp_path / name).tensors)


def test_the_old_torch_format_is_read_too(tmp_path):
    torch.save(TENSORS, tmp_path / "w.pth.tar", _use_new_zipfile_serialization=False)

    same(open_weights(tmp_path / "w.pth.tar").tensors)


def test_a_training_checkpoint_is_unpacked(tmp_path):
    wrapped = {f"module.{key}": value for key, value in TENSORS.items()}
    torch.save({"state_dict": wrapped, "step": 42000, "optimizer": {}}, tmp_path / "w.pth")

    same(open_weights(tmp_path / "w.pth").tensors)


def test_a_prefix_that_only_some_keys_have_stays(tmp_path):
    mixed = {"module.a": torch.zeros(1), "b": torch.zeros(1)}
    torch.save(mixed, tmp_path / "w.pth")

    assert set(open_weights(tmp_path / "w.pth").tensors) == {"module.a", "b"}


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_tensors_are_mapped_and_not_read(tmp_path, name):
    big = {"w": torch.zeros(64, 1024, 1024, dtype=torch.uint8)}
    save_file(big, tmp_path / name) if name.endswith("s") else torch.save(big, tmp_path / name)
    del big
    tensors = open_weights(tmp_path / name).tensors
    maps = Path("/proc/self/smaps")
    if not maps.exists():
        pytest.skip("needs /proc to see what is mapped")
    blocks = maps.read_text().split("VmFlags")
    mapped = [b for b in blocks if name in b]

    assert tensors["w"].shape == (64, 1024, 1024)
    resident = sum(int(b.split("Rss:")[1].split()[0]) for b in mapped)
    assert mapped and resident < 8 * 1024  # kB of 64 MB


@pytest.mark.parametrize("zipped", [True, False])
def test_program_code_is_refused_and_never_run(tmp_path, zipped):
    mark = tmp_path / "was run"
    torch.save(
        {**TENSORS, "x": RunsCode(mark)},
        tmp_path / "w.pth",
        _use_new_zipfile_serialization=zipped,
    )

    with pytest.raises(CheckpointError, match=r"contains program code \(\w+\.mkdir\).*not run"):
        open_weights(tmp_path / "w.pth")
    assert not mark.exists()


def test_a_plain_pickle_with_code_is_refused_and_never_run(tmp_path):
    mark = tmp_path / "was run"
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(RunsCode(mark), protocol=2))

    with pytest.raises(CheckpointError):
        open_weights(tmp_path / "w.pkl")
    assert not mark.exists()


def test_torchscript_is_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "w.pt"))

    with pytest.raises(CheckpointError, match=r"as TorchScript: a program.*not run"):
        open_weights(tmp_path / "w.pt")


@pytest.mark.parametrize("part", [0.02, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["safetensors", "zip", "old"])
def test_a_half_downloaded_file_says_so(tmp_path, kind, part):
    path = tmp_path / "w.pth"
    if kind == "safetensors":
        save_file(TENSORS, path)
    else:
        torch.save(TENSORS, path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])

    with pytest.raises(CheckpointError, match=r"w\.pth: .*cut.off.*[Dd]ownload"):
        open_weights(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><title>Sign in</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS pointer"),
        (b"GGUF\x03\0\0\0", "a GGUF file"),
        (b"\x08\x07\x12\x07pytorch:", "damaged or cut-off ONNX file"),
        (b"\x01\x02\x03\x04" * 9, "neither safetensors nor a PyTorch file"),
        (b'{"error": "Access to model is restricted"}', "text or JSON.*refused the download"),
        (b"Entry not found", "text or JSON"),
        (b"\0" * 4096, "nothing but zeros"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    ],
)
def test_what_is_saved_by_mistake_is_named(tmp_path, content, message):
    (tmp_path / "w.pth").write_bytes(content)

    with pytest.raises(CheckpointError, match=message):
        open_weights(tmp_path / "w.pth")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.pth: cannot be read"):
        open_weights(tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="cannot be read"):
        open_weights(tmp_path)


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "w.pth")

    with pytest.raises(CheckpointError, match="it contains no weights"):
        open_weights(tmp_path / "w.pth")


def test_a_number_that_claims_terabytes_is_refused(tmp_path):
    torch.save({"a": torch.zeros(1).expand(10**12)}, tmp_path / "w.pth")

    with pytest.raises(CheckpointError, match=r"a claims 4,000,000,000,000 bytes, .* holds 4 "):
        open_weights(tmp_path / "w.pth")


def test_a_tensor_that_is_not_plain_numbers_is_refused(tmp_path):
    torch.save({"a": torch.eye(3).to_sparse()}, tmp_path / "w.pth")

    with pytest.raises(CheckpointError, match=r"a is a torch\.sparse_coo tensor"):
        open_weights(tmp_path / "w.pth")


def test_a_compressed_archive_is_refused(tmp_path):
    torch.save(TENSORS, tmp_path / "w.pth")
    with (
        zipfile.ZipFile(tmp_path / "w.pth") as sound,
        zipfile.ZipFile(tmp_path / "c.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in sound.namelist():
            packed.writestr(name, sound.read(name))

    with pytest.raises(CheckpointError, match="a compressed archive"):
        open_weights(tmp_path / "c.pth")
