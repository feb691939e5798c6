"""Networks from files through each runtime, and files that are none."""

from __future__ import annotations

import hashlib
import sys
import warnings
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dispose_core.checkpoints.onnx_header import read_header
from dispose_core.errors import CheckpointError, NetworkError
from dispose_core.pose.detectors.dwpose import runtime
from dispose_core.pose.detectors.dwpose.runtime import open_network
from tests import onnx_files as tiny

needs_onnxruntime = pytest.mark.skipif(
    find_spec("onnxruntime") is None, reason="onnxruntime is not installed (an extra)"
)


@pytest.fixture
def without_onnxruntime(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (7, 3, *tiny.POSE_SIZE)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(crops) -> list[np.ndarray]:
    """What the network gives when nothing is in between."""
    with torch.no_grad():
        return [out.numpy() for out in tiny.TinyPose(*tiny.POSE_SIZE)(torch.from_numpy(crops))]


def check(network, crops, expected) -> None:
    with network.ready():
        outputs = network.run(crops)
    assert network.size == tiny.POSE_SIZE
    for ours, theirs in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_onnx_runs_through_opencv_alone(tmp_path, without_onnxruntime, crops, expected):
    network = open_network(tiny.pose_onnx(tmp_path / "q.onnx"), "cpu", (1, 1))
    assert isinstance(network, runtime.OpenCVNetwork) and network.batch == 1
    check(network, crops, expected)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_is_filled_up(tmp_path, without_onnxruntime, crops, expected, batch):
    path = tiny.pose_onnx(tmp_path / "q.onnx", batch=batch)
    network = open_network(path, "cpu", (1, 1))
    assert network.batch == batch
    check(network, crops, expected)


@needs_onnxruntime
@pytest.mark.parametrize("batch", ["batch", 1, 3])
def test_onnx_runs_through_onnxruntime_where_it_is(tmp_path, crops, expected, batch):
    path = tiny.pose_onnx(tmp_path / "q.onnx", batch=batch)
    network = open_network(path, "cuda:0", (1, 1))  # without CUDA: the CPU, without a warning
    assert isinstance(network, runtime.OnnxRuntimeNetwork)
    check(network, crops, expected)


def test_providers_are_those_that_are_there():
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    assert runtime._providers("cuda:0", [cpu]) == [cpu]
    assert runtime._providers("cpu", [cuda, cpu]) == [cpu]
    assert runtime._providers("cuda:1", [cuda, cpu]) == [(cuda, {"device_id": 1}), cpu]
    assert runtime._providers("mps", [cuda, cpu]) == [cpu]


@pytest.mark.parametrize(("traced", "batch"), [(-1, 1), (1, 1), (5, 5)])
def test_torchscript_runs_with_the_batch_it_was_traced_for(
    tmp_path, crops, expected, traced, batch
):
    path = tiny.pose_torchscript(tmp_path / "q.pt", batch=traced)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch deprecates the format; users need not know
        network = open_network(path, "cpu", tiny.POSE_SIZE)
        check(network, crops, expected)
    assert network.batch == batch
    assert network.outputs == [(None, 133, 96), (None, 133, 128)]


def test_a_batch_in_the_files_name_is_believed(tmp_path, crops, expected):
    path = tiny.pose_torchscript(tmp_path / "dw-ll_ucoco_384_bs4.torchscript.pt", batch=4)
    network = open_network(path, "cpu", tiny.POSE_SIZE)
    assert network.batch == 4
    check(network, crops, expected)


def test_torchscript_is_on_its_device_only_while_it_is_used(tmp_path):
    network = open_network(tiny.pose_torchscript(tmp_path / "q.pt"), "cpu", tiny.POSE_SIZE)
    network._device = "meta"  # the one other device that is everywhere
    places = lambda: {p.device.type for p in network._model.parameters()}  # noqa: E731
    moved = []
    network._model.to = moved.append
    with network.ready():
        assert moved == ["meta"]
    assert moved == ["meta", "cpu"] and places() == {"cpu"}


def test_all_three_agree_on_the_person_detector(tmp_path, without_onnxruntime):
    image = np.random.default_rng(1).uniform(0, 255, (2, 3, 64, 64)).astype(np.float32)
    onnx = open_network(tiny.person_onnx(tmp_path / "p.onnx"), "cpu", (1, 1))
    script = open_network(tiny.person_torchscript(tmp_path / "p.pt"), "cpu", (64, 64))
    assert onnx.size == script.size == (64, 64)
    np.testing.assert_allclose(onnx.run(image)[0], script.run(image)[0], atol=1e-4)


def test_weights_listed_as_inputs_are_no_inputs(tmp_path):
    """As exporters wrote it before 2019."""
    nodes = [tiny.node("Relu", ["x"], "y")]
    weights = {"w": np.zeros((2, 2), np.float32)}
    inputs = [("w", (2, 2)), ("x", ("N", 3, 8, 8))]
    path = tiny.write_onnx(tmp_path / "old.onnx", nodes, weights, inputs, [("y", (1, 3, 8, 8))])
    assert [i.name for i in read_header(path).inputs] == ["x"]


def test_nan_is_an_error_that_names_the_file(tmp_path):
    class Broken(torch.nn.Module):
        def forward(self, images):
            return images.flatten(1) * float("nan")

    path = tiny.write_torchscript(tmp_path / "b.pt", Broken(), torch.zeros(1, 3, 8, 8))
    network = open_network(path, "cpu", (8, 8))
    with pytest.raises(NetworkError, match=r"b.pt: the network gave NaN"):
        network.run(np.ones((1, 3, 8, 8), np.float32))


def test_torchscript_for_other_images_is_refused(tmp_path):
    path = tiny.pose_torchscript(tmp_path / "q.pt")
    with pytest.raises(CheckpointError, match=r"q.pt: cannot be used on images of 32×32 \(.*ape"):
        open_network(path, "cpu", (32, 32))


def write(path, content: bytes):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"<!doctype html><title>Sign in</title>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\x08\x06" + b"\xff" * 40, "damaged or cut-off ONNX"),
        (b"\x08\x06\x12\x03abc", "it contains no graph"),
        (b"\x08" * 2000, "damaged or cut-off ONNX"),
        (b"PK\x03\x04 half an archive", "cut off"),
    ],
)
def test_what_is_no_network_is_refused_by_name(tmp_path, content, message):
    path = write(tmp_path / "yolox_l.onnx", content)
    with pytest.raises(CheckpointError, match=rf"(?s)yolox_l.onnx: .*{message}"):
        open_network(path, "cpu", (64, 64))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"yolox_l.onnx: .*(cannot be read|not)"):
        open_network(tmp_path / "yolox_l.onnx", "cpu", (64, 64))


def test_plain_weights_are_told_from_a_network(tmp_path):
    torch.save({"backbone.backbone.stem.conv.weight": torch.zeros(1)}, tmp_path / "yolox_l.pth")
    with pytest.raises(
        CheckpointError,
        match=r"yolox_l.pth: this is YOLOX, the person detector of DWPose, as plain weights\. "
        r"Needed is an ONNX or TorchScript",
    ):
        open_network(tmp_path / "yolox_l.pth", "cpu", (64, 64))


def test_pickled_code_is_refused_and_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "was_run"), "w"))

    torch.save({"a": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match=r"evil.pth: "):
        open_network(tmp_path / "evil.pth", "cpu", (64, 64))
    assert not (tmp_path / "was_run").exists()


def test_onnx_that_takes_no_images_or_other_numbers_is_refused(tmp_path):
    nodes = [tiny.node("Relu", ["x"], "y")]
    path = tiny.write_onnx(tmp_path / "t.onnx", nodes, {}, [("x", (1, 77))], [("y", (1, 77))])
    with pytest.raises(CheckpointError, match=r"t.onnx: not a detector; it takes \(1, 77\)"):
        open_network(path, "cpu", (64, 64))
    for shape in ((2**30, 3, 8, 8), (1, 3, 8, 2**30)):
        path = tiny.write_onnx(tmp_path / "l.onnx", nodes, {}, [("x", shape)], [("y", shape)])
        with pytest.raises(CheckpointError, match=r"l.onnx: .* more than 64 images or sides ab"):
            open_network(path, "cpu", (64, 64))
    shape = (1, 3, 8, 8)
    path = tiny.write_onnx(tmp_path / "h.onnx", nodes, {}, [("x", shape)], [("y", shape)], 10)
    with pytest.raises(CheckpointError, match=r"h.onnx: computes in another format than 32-bit"):
        open_network(path, "cpu", (64, 64))


@pytest.mark.parametrize("write_file", [tiny.pose_onnx, tiny.pose_torchscript])
def test_a_file_cut_anywhere_is_refused(tmp_path, write_file):
    whole = write_file(tmp_path / "whole").read_bytes()
    for part in (0.02, 0.3, 0.7, 0.999):
        path = write(tmp_path / "cut.bin", whole[: int(len(whole) * part)])
        with pytest.raises(CheckpointError, match=r"cut.bin: "):
            open_network(path, "cpu", tiny.POSE_SIZE)


def test_flipped_bits_give_a_clear_error_or_a_header(tmp_path):
    """Of the header: OpenCV's own reader does not withstand every damage behind it."""
    random = np.random.default_rng(3)
    whole = np.frombuffer(tiny.person_onnx(tmp_path / "whole.onnx").read_bytes(), np.uint8)
    refused = 0
    for _ in range(200):
        flipped = whole.copy()
        flipped[random.integers(len(whole))] ^= 1 << random.integers(8)
        path = write(tmp_path / "flipped.onnx", flipped.tobytes())
        try:
            read_header(path)
        except CheckpointError as e:
            assert "flipped.onnx: a damaged or cut-off ONNX file" in str(e)
            refused += 1
    assert refused > 0


def test_a_published_file_with_other_bytes_never_reaches_opencv(
    tmp_path, monkeypatch, without_onnxruntime, crops, expected
):
    path = tiny.pose_onnx(tmp_path / "dw.onnx")
    content = bytearray(path.read_bytes())
    known = SimpleNamespace(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(runtime.models, "MODELS", (known,))
    check(open_network(path, "cpu", (1, 1)), crops, expected)
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    monkeypatch.setattr(runtime.cv2.dnn, "readNetFromONNX", lambda _: pytest.fail("was opened"))
    with pytest.raises(CheckpointError, match="damaged"):
        open_network(path, "cpu", (1, 1))
