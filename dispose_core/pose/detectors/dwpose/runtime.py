"""Run detector networks from files behind one interface.

ONNX files run in onnxruntime if it is installed and in OpenCV otherwise, TorchScript files in
torch. The file type is determined from its content.
"""

from __future__ import annotations

import hashlib
import re
import warnings
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from ....checkpoints import catalog as models
from ....checkpoints.onnx_header import OnnxHeader, Shape, read_header
from ....checkpoints.registry import recognize
from ....checkpoints.state_dict import open_weights
from ....errors import CheckpointError, NetworkError

# Batch size on a GPU. On a CPU batches are no faster and take more memory.
GPU_BATCH = 8

# Limits on the input shape, so that a damaged file cannot exhaust the memory.
_LARGEST_BATCH, _LONGEST_SIDE = 64, 4096

# Execution providers of onnxruntime that correspond to torch's "cuda" device.
_CUDA_PROVIDERS = ("CUDAExecutionProvider", "ROCMExecutionProvider")

# Batch size in the name of a traced TorchScript file, as in dw-ll_ucoco_384_bs5.torchscript.pt.
_TRACED_BATCH = re.compile(r"_bs(\d{1,2})(?!\d)")


class Network(ABC):
    """A network from images to arrays.

    Attributes:
        name: file name, for messages.
        size: (H, W) of the input images.
        batch: batch size.
        outputs: shape of each output, None for sides that the file leaves open.
    """

    def __init__(
        self, name: str, size: tuple[int, int], batch: int, padded: bool, outputs: list[Shape]
    ) -> None:
        self.name = name
        self.size = size
        self.batch = batch
        self.outputs = outputs
        self._padded = padded  # the batch size is fixed, so smaller batches are padded

    def ready(self) -> AbstractContextManager:
        """Context in which the weights are on the compute device; wraps the runs of a video."""
        return nullcontext()

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """Run on (n, 3, H, W) float32 and return all outputs with n rows each.

        Raises:
            NetworkError: the network cannot be run here, or outputs NaN.
        """
        starts = range(0, len(images), self.batch)
        parts = [self._run(images[i : i + self.batch]) for i in starts]
        outputs = [np.concatenate(output) for output in zip(*parts, strict=True)]
        if any(np.isnan(output).any() for output in outputs):
            raise NetworkError(
                f"{self.name}: the network gave NaN (not a number). The file is damaged, or the "
                "device computes it wrongly: download it again, or run it on the CPU."
            )
        return outputs

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        rows = len(images)
        if self._padded and rows < self.batch:
            images = np.pad(images, ((0, self.batch - rows), (0, 0), (0, 0), (0, 0)))
        outputs = self._forward(np.ascontiguousarray(images, np.float32))
        if any(output.ndim == 0 or len(output) != len(images) for output in outputs):
            raise NetworkError(
                f"{self.name}: {len(images)} images gave outputs of "
                f"{listed(output.shape for output in outputs)}. Use the file as it is "
                "published."
            )
        return [output[:rows] for output in outputs]

    @abstractmethod
    def _forward(self, images: np.ndarray) -> list[np.ndarray]:
        """Run one batch (batch, 3, H, W) float32 and return all outputs."""


def open_network(path: str | Path, device: str, size: tuple[int, int]) -> Network:
    """Open a network from an .onnx or TorchScript file.

    A TorchScript file contains a program; it is loaded because the user chose it as a detector.

    Args:
        device: torch device name, such as "cuda:0"; ignored by runtimes that cannot use it.
        size: (H, W) of the input images of a TorchScript file, which does not store it.

    Raises:
        CheckpointError: missing, damaged, or a file of another kind.
    """
    path = Path(path)
    if _begins(path, b"\x08"):
        return _open_onnx(path, device)
    if _is_torchscript(path):
        return TorchScriptNetwork(path, device, size)
    # Opening it as weights gives a specific error for web pages, truncated archives and pickles.
    architecture = recognize(open_weights(path).shapes)
    raise CheckpointError(
        f"{path.name}: this is {architecture.summary}, as plain weights. Needed is an "
        "ONNX or TorchScript file, such as yolox_l.onnx and dw-ll_ucoco_384.onnx "
        "(huggingface.co/yzd-v/DWPose)."
    )


def listed(shapes: Iterable[Shape]) -> str:
    """Format shapes for a message."""
    sides = (", ".join("?" if side is None else str(side) for side in shape) for shape in shapes)
    return " and ".join(f"({text})" for text in sides) or "nothing"


def _open_onnx(path: Path, device: str) -> Network:
    header = read_header(path)
    takes = [tensor.shape for tensor in header.inputs]
    image = takes[0] if len(takes) == 1 else ()
    if len(image) != 4 or image[1] != 3 or None in image[2:] or not header.outputs:
        raise CheckpointError(
            f"{path.name}: not a detector; it takes {listed(takes)}, while detectors take images "
            "(N, 3, height, width). Use the files as they are published."
        )
    if (image[0] or 1) > _LARGEST_BATCH or max(_size(image)) > _LONGEST_SIDE:
        raise CheckpointError(
            f"{path.name}: a network that takes {listed(takes)}, more than {_LARGEST_BATCH} "
            f"images or sides above {_LONGEST_SIDE} at once. Use the files as they are published."
        )
    if not all(tensor.is_float for tensor in (*header.inputs, *header.outputs)):
        raise CheckpointError(
            f"{path.name}: computes in another format than 32-bit floats. Use the files as they "
            "are published."
        )
    try:
        import onnxruntime
    except ImportError:
        return OpenCVNetwork(path, header)
    return OnnxRuntimeNetwork(path, header, device, onnxruntime)


class OnnxRuntimeNetwork(Network):
    """ONNX in onnxruntime, on the GPU if the installed package supports it."""

    def __init__(self, path: Path, header: OnnxHeader, device: str, onnxruntime) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = (
            3  # errors only; otherwise it warns about every folded constant
        )
        providers = _providers(device, onnxruntime.get_available_providers())
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as e:  # its errors have no common base
            raise CheckpointError(
                f"{path.name}: onnxruntime {onnxruntime.__version__} cannot load it "
                f"({_first_line(e)}). Download it again, or install a newer onnxruntime."
            ) from e
        (image_input,) = header.inputs
        fixed = image_input.shape[0]
        on_gpu = self._session.get_providers()[0] != "CPUExecutionProvider"
        batch = fixed or (GPU_BATCH if on_gpu else 1)
        self._input = image_input.name
        self._names = [tensor.name for tensor in header.outputs]
        shapes = [tensor.shape for tensor in header.outputs]
        super().__init__(path.name, _size(image_input.shape), batch, fixed is not None, shapes)

    def _forward(self, images: np.ndarray) -> list[np.ndarray]:
        try:
            return self._session.run(self._names, {self._input: images})
        except Exception as e:
            raise NetworkError(
                f"{self.name}: onnxruntime cannot run it ({_first_line(e)}). With a full GPU, "
                "free memory or use a smaller model."
            ) from e


class OpenCVNetwork(Network):
    """ONNX in OpenCV, on the CPU; one image at a time, as OpenCV's importer folds shapes."""

    def __init__(self, path: Path, header: OnnxHeader) -> None:
        # Loaded from memory, as OpenCV on Windows cannot open paths outside the code page.
        content = np.fromfile(path, np.uint8)
        _refuse_damaged(path.name, content)
        try:
            self._net = cv2.dnn.readNetFromONNX(content)
        except cv2.error as e:
            raise CheckpointError(
                f"{path.name}: OpenCV {cv2.__version__} cannot load it ({_first_line(e)}). "
                "Download it again, or install onnxruntime."
            ) from e
        (image_input,) = header.inputs
        self._input = image_input.name
        self._names = self._output_names([tensor.name for tensor in header.outputs])
        shapes = [tensor.shape for tensor in header.outputs]
        super().__init__(
            path.name, _size(image_input.shape), image_input.shape[0] or 1, True, shapes
        )

    def _output_names(self, names: list[str]) -> list[str]:
        """OpenCV's names of the outputs, in the order of the file rather than OpenCV's own."""
        available = list(self._net.getUnconnectedOutLayersNames())
        matches = [next((n for n in available if n.split("!")[-1] == name), None) for name in names]
        known = [name for name in matches if name is not None]
        return known if len(known) == len(matches) else available

    def _forward(self, images: np.ndarray) -> list[np.ndarray]:
        try:
            self._net.setInput(images, self._input)
            return list(self._net.forward(self._names))
        except cv2.error as e:
            raise NetworkError(
                f"{self.name}: OpenCV {cv2.__version__} cannot run it ({_first_line(e)}). "
                "Install onnxruntime."
            ) from e


class TorchScriptNetwork(Network):
    """TorchScript in torch; on its device only while in use."""

    def __init__(self, path: Path, device: str, size: tuple[int, int]) -> None:
        import torch

        try:
            with warnings.catch_warnings():  # published files use a deprecated format
                warnings.simplefilter("ignore")
                self._model = torch.jit.load(str(path), map_location="cpu").eval()
        except (RuntimeError, ValueError, OSError) as e:
            raise CheckpointError(
                f"{path.name}: a damaged TorchScript file ({_first_line(e)}). Download it again."
            ) from e
        self.name = path.name
        self._device = device
        self._torch = torch
        floats = (p.dtype for p in self._model.parameters() if p.is_floating_point())
        self._dtype = next(floats, torch.float32)
        super().__init__(path.name, size, *self._probe(size))

    @contextmanager
    def ready(self) -> Iterator[None]:
        self._model.to(self._device)
        try:
            yield
        finally:
            self._model.to("cpu")

    def _probe(self, size: tuple[int, int]) -> tuple[int, bool, list[Shape]]:
        """Determine the batch size, whether it is fixed, and the output shapes.

        The file does not store them, so batch sizes are tried; a model traced for one batch size
        fails with others.
        """
        traced = _TRACED_BATCH.search(self.name)
        problem = ""
        for rows in [int(traced[1])] if traced else [2, 1, 5]:
            try:
                with self.ready():
                    outputs = self._forward(np.zeros((rows, 3, *size), np.float32))
            except NetworkError as e:
                problem = f" ({e})"
                continue
            if all(output.ndim and len(output) == rows for output in outputs):
                shapes: list[Shape] = [(None, *output.shape[1:]) for output in outputs]
                if rows != 2:
                    return rows, True, shapes
                on_gpu = self._torch.device(self._device).type != "cpu"
                return GPU_BATCH if on_gpu else 1, False, shapes
        raise CheckpointError(
            f"{self.name}: cannot be used on images of {size[1]}×{size[0]}{problem}. "
            "Use the files as they are published."
        )

    def _forward(self, images: np.ndarray) -> list[np.ndarray]:
        torch = self._torch
        tensor = torch.from_numpy(images).to(self._device, self._dtype)
        try:
            # Optimising for these shapes takes longer than it saves.
            with torch.inference_mode(), torch.jit.optimized_execution(False):
                outputs = self._model(tensor)
        except RuntimeError as e:
            raise NetworkError(f"{self.name}: torch cannot run it ({_last_line(e)}).") from e
        outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
        return [output.float().cpu().numpy() for output in outputs]


def _refuse_damaged(name: str, content: np.ndarray) -> None:
    """Reject damaged copies of published files, which may crash the process in OpenCV's importer.

    A file of the size of a published one must have its checksum.
    """
    sums = {model.sha256 for model in models.MODELS if model.size == content.size}
    if sums and hashlib.sha256(content.data).hexdigest() not in sums:
        raise CheckpointError(
            f"{name}: has the size of the published file, but not its content: it is damaged. "
            "Delete it and download it again."
        )


def _providers(device: str, available: list[str]) -> list:
    """Execution providers to request; requesting unavailable ones only causes a warning."""
    kind, _, index = str(device).partition(":")
    gpu_providers = [name for name in _CUDA_PROVIDERS if kind == "cuda" and name in available]
    return [
        *((name, {"device_id": int(index or 0)}) for name in gpu_providers),
        "CPUExecutionProvider",
    ]


def _size(image: Shape) -> tuple[int, int]:
    """(H, W) of a validated (N, 3, H, W) image input."""
    return cast("tuple[int, int]", image[2:])


def _begins(path: Path, mark: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(mark)) == mark
    except OSError:
        return False  # `open_weights` raises the error


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _last_line(error: Exception) -> str:
    """Last line of a torch error, which holds the message; the lines above are the traceback."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
