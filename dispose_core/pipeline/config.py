"""`Settings`: everything that decides a run, from TOML, JSON or a command line, and to TOML."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import torch

from ..errors import NetworkError, PoseError, SettingsError
from ..media.atomic_write import atomic_write
from ..pose.tracking.person_selection import PersonChoice
from ..sampling.options import SamplingOptions
from .offload import Offload

DTypeName = Literal["auto", "fp32", "fp16", "bf16"]

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

# Of `SamplingOptions`, those whose names mean something else among all settings.
_RENAMED = {"fps": "model_fps", "reference": "official"}


@dataclass(frozen=True)
class Settings:
    """One clip; all of it but `sampling` under its own name in files, that flat beside it.

    Raises:
        SettingsError: a value outside its range; the message names it and the range.
    """

    reference: Path | None = None
    driving: Path | None = None
    output: Path | None = None
    reference_pose: Path | None = None  # OpenPose JSON; found in the picture when None
    poses: Path | None = None  # OpenPose JSON of the sampled frames; found when None
    features: Path | None = None  # keypoint features that `features` wrote; made when None

    resolution: int = 576  # short side, pixels
    stride: int = 2
    start: float = 0.0  # seconds
    duration: float | None = None  # seconds
    max_frames: int | None = None

    detector: str = "mediapipe"
    detector_files: Path | None = None
    person: PersonChoice = field(default_factory=PersonChoice)
    method: Literal["fit", "limbs", "none"] = "fit"
    smoothing: float = 0.0  # frames
    densifier: Literal["skinning", "cmp"] | None = None  # None: cmp where its file is named
    mask: Path | None = None

    models: Path | None = None  # ComfyUI's models folder
    unet: Path | None = None
    dispose: Path | None = None
    svd: Path | None = None
    sd15: Path | None = None
    pose_net: Path | None = None
    cmp: Path | None = None

    device: str = "auto"
    dtype: DTypeName = "auto"
    offload: Offload = "stages"
    compare: bool = False

    sampling: SamplingOptions = field(default_factory=SamplingOptions)

    def __post_init__(self) -> None:
        from ..pose.detectors.registry import DETECTORS

        for name, good, allowed in (
            ("stride", self.stride >= 1, "1 (every frame) or more"),
            ("start", self.start >= 0, "0 or more seconds"),
            ("duration", self.duration is None or self.duration > 0, "more than 0 seconds"),
            ("max_frames", self.max_frames is None or self.max_frames >= 1, "1 or more"),
            ("smoothing", self.smoothing >= 0, "0 (off) or more frames"),
            ("detector", self.detector in DETECTORS, " or ".join(DETECTORS)),
        ):
            if not good:
                raise SettingsError(f"{name} is {getattr(self, name)}; allowed is {allowed}.")

    @property
    def torch_dtype(self) -> torch.dtype | None:
        """None for "auto"."""
        return DTYPES.get(self.dtype)

    @property
    def uses_cmp(self) -> bool:
        """Whether CMP spreads the motion: when asked for, or when its file is named."""
        return self.densifier == "cmp" or (self.densifier is None and self.cmp is not None)

    @property
    def uses_control(self) -> bool:
        """Whether the ControlNet is run at all."""
        return self.sampling.control_strength > 0

    @property
    def makes_features(self) -> bool:
        """Whether SD 1.5 is needed."""
        return self.uses_control and self.sampling.point_strength > 0 and self.features is None


# What may be set for each clip of a batch is everything but what is loaded once for all.
SHARED = (
    *("models", "unet", "dispose", "svd", "sd15", "pose_net", "cmp"),
    *("device", "dtype", "offload"),
)


def keys() -> dict[str, Any]:
    """Every key that files may hold, and its type."""
    own = {name: kind for name, kind in get_type_hints(Settings).items() if name != "sampling"}
    return {**own, **{_RENAMED.get(k, k): t for k, t in get_type_hints(SamplingOptions).items()}}


def with_values(
    settings: Settings, values: Mapping[str, Any], source: str, folder: Path | None = None
) -> Settings:
    """Settings with some of them replaced.

    Args:
        values: by key; None takes the default again.
        source: where they come from, for messages.
        folder: what relative paths count from; the working directory when None.

    Raises:
        SettingsError: an unknown key, or a value of another type or outside its range.
    """
    known = keys()
    unknown = [key for key in values if key not in known]
    if unknown:
        raise SettingsError(
            f"{source}: unknown key {', '.join(map(repr, unknown))}. Allowed are "
            f"{', '.join(known)}."
        )
    read = {
        key: _read(key, value, known[key], source, folder or Path())
        for key, value in values.items()
    }
    sampling = {
        f.name: read.pop(_RENAMED.get(f.name, f.name))
        for f in fields(SamplingOptions)
        if _RENAMED.get(f.name, f.name) in read
    }
    try:
        return replace(settings, sampling=replace(settings.sampling, **sampling), **read)
    except (SettingsError, NetworkError) as e:
        raise SettingsError(f"{source}: {e}") from None


def load_settings(path: Path, base: Settings | None = None) -> Settings:
    """Settings of a TOML file; paths in it count from its folder.

    Raises:
        SettingsError: not to be read, no TOML, or see `with_values`.
    """
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib

    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise SettingsError(f"{path}: cannot be read ({e.strerror}). Check the path.") from e
    except ValueError as e:  # TOMLDecodeError and UnicodeDecodeError
        raise SettingsError(f"{path}: no TOML file ({e}). One setting a line: steps = 25") from e
    return with_values(base or Settings(), values, str(path), path.parent)


def to_toml(settings: Settings, notes: tuple[str, ...] = ()) -> str:
    """All settings that have a value, paths absolute; notes stand above as comments."""
    values = {k: getattr(settings, k) for k in get_type_hints(Settings) if k != "sampling"}
    for f in fields(SamplingOptions):
        values[_RENAMED.get(f.name, f.name)] = getattr(settings.sampling, f.name)
    lines = [f"{key} = {_written(value)}" for key, value in values.items() if value is not None]
    return "\n".join([*(f"# {note}" for note in notes), *lines, ""])


def save_settings(path: Path, settings: Settings, notes: tuple[str, ...] = ()) -> None:
    """Writes what `load_settings` reads.

    Raises:
        MediaError: the folder cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(to_toml(settings, notes), encoding="utf-8")


def settings_path(output: Path) -> Path:
    """Where the settings of a result are."""
    return output.with_suffix(".toml")


def _read(key: str, value: Any, kind: Any, source: str, folder: Path) -> Any:
    choices = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if value is None and type(None) in choices:
        return None
    for choice in choices:
        if get_origin(choice) is Literal:
            if value in get_args(choice) and isinstance(value, str):
                return value
        elif choice is PersonChoice:
            if isinstance(value, PersonChoice):
                return value
            if isinstance(value, str):
                try:
                    return PersonChoice.parse(value)
                except PoseError as e:
                    raise SettingsError(f"{source}: {key}: {e}") from None
        elif choice is Path:
            if isinstance(value, (str, Path)) and str(value):
                return folder / value
        elif choice is float:
            if type(value) in (int, float) and math.isfinite(value):
                return float(value)
        elif type(value) is choice:
            return value
    allowed = " or ".join(_named(choice) for choice in choices if choice is not type(None))
    raise SettingsError(f"{source}: {key} is {value!r}; allowed is {allowed}.")


def _named(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    names = {Path: "a path", bool: "true or false", int: "a whole number", float: "a number"}
    return names.get(kind, "a text")


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value.resolve()) if isinstance(value, Path) else str(value)
    # A JSON string is a TOML string too.
    return json.dumps(text, ensure_ascii=False)
