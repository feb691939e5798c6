"""What a model file is, whether it is whole, and where it belongs; nothing of it is loaded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CheckpointError
from .loaders import fit_of
from .magic import read_head
from .recognise import Kind, recognise
from .state_dict import Weights, open_weights
from .state_dict_diff import Fit
from .torchscript_onnx import Program, read_program

# Folder of ComfyUI's models folder and the node or program that takes the file.
_USES = {
    Kind.DISPOSE: ("controlnet", "DisPose's ControlNet"),
    Kind.MIMICMOTION: ("diffusion_models", "the video model and its PoseNet"),
    Kind.SVD_UNET: ("diffusion_models", "the video model; PoseNet is a file of its own"),
    Kind.SVD_COMFYUI: ("diffusion_models", "the video model; PoseNet is a file of its own"),
    Kind.SVD: ("checkpoints", "VAE and CLIP vision of the video model"),
    Kind.POSE_NET: ("dispose", "MimicMotion's PoseNet"),
    Kind.CMP: ("dispose", "the paper's motion network"),
    Kind.SD15: ("checkpoints", "keypoint features"),
    Kind.YOLOX: ("detection", "pose detection: finds people"),
    Kind.DWPOSE: ("detection", "pose detection: finds joints"),
}
# Where ComfyUI keeps what this pack has no use for.
_ELSEWHERE = {
    Kind.SD2: "checkpoints",
    Kind.SDXL: "checkpoints",
    Kind.CONTROLNET: "controlnet",
    Kind.LORA: "loras",
    Kind.VAE: "vae",
    Kind.CLIP_VISION: "clip_vision",
    Kind.TEXT_ENCODER: "text_encoders",
}


@dataclass(frozen=True)
class Inspection:
    """A file as it was found.

    Attributes:
        folder: of ComfyUI's models folder where it belongs, None for a file nobody knows.
        use: what the pack does with it, None where it has no use for it.
        dtypes: how many tensors there are of each type.
        complete: whether it has just what the pack's loader wants; None where that is not known.
        faults: what it lacks or has too much, in words.
        missing, unexpected, misshapen: keys; see `checkpoints.Fit`.
    """

    name: str
    size: int
    format: str
    kind: Kind
    folder: str | None
    use: str | None
    first_tensor: str | None = None
    tensors: int = 0
    parameters: int = 0
    dtypes: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    inputs: dict[str, tuple] = field(default_factory=dict)
    outputs: dict[str, tuple] = field(default_factory=dict)
    complete: bool | None = None
    faults: str = ""
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()


def inspect_file(path: str | Path) -> Inspection:
    """Looks into a weights file, ONNX model or TorchScript program without running it.

    Files of PyTorch before 1.6, such as CMP's, are read as a whole; all others only where their
    table of contents is.

    Raises:
        CheckpointError: no model file, a damaged one, or one with program code in it.
    """
    path = Path(path)
    head = read_head(path)
    program = None if head[8:9] == b"{" else read_program(path, head)
    size = path.stat().st_size
    if program is not None:
        return _of_program(path.name, size, program)
    return of_weights(open_weights(path), size)


def of_weights(weights: Weights, size: int) -> Inspection:
    """What opened weights are; see `inspect_file`."""
    kind = recognise(weights.shapes)
    folder, use = _USES.get(kind, (_ELSEWHERE.get(kind), None))
    if kind in (Kind.YOLOX, Kind.DWPOSE):
        # Detectors run as programs only.
        folder = use = None
    faults, complete, unfit = "", None, Fit()
    try:
        fit = fit_of(weights, kind)
    except CheckpointError as e:
        faults, complete = str(e), False
    else:
        if fit is not None:
            complete, faults, unfit = bool(fit), fit.faults(), fit
    return Inspection(
        name=weights.name,
        size=size,
        format=weights.format,
        kind=kind,
        folder=folder,
        use=use,
        first_tensor=next(iter(weights.tensors)),
        tensors=len(weights.tensors),
        parameters=sum(tensor.numel() for tensor in weights.tensors.values()),
        dtypes=dict(Counter(str(t.dtype).removeprefix("torch.") for t in weights.tensors.values())),
        metadata=weights.metadata,
        left_out=weights.left_out,
        complete=complete,
        faults=faults,
        missing=unfit.missing,
        unexpected=unfit.unexpected,
        misshapen=unfit.misshapen,
    )


def _of_program(name: str, size: int, program: Program) -> Inspection:
    folder, use = _USES.get(program.kind, (None, None))
    return Inspection(
        name=name,
        size=size,
        format=program.format,
        kind=program.kind,
        folder=folder,
        use=use,
        inputs=program.inputs,
        outputs=program.outputs,
    )
