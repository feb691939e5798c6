"""`RunConfig`: all settings of a run, read from TOML, JSON or the command line.

Defaults and descriptions are defined only here and in `SamplingOptions`; the command line is
generated from them. Importing this module does not import torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    model_validator,
)

from ..errors import NetworkError, PoseError, SettingsError
from ..motion.densifiers.registry import DENSIFIERS
from ..pose.detectors.registry import DETECTORS
from ..pose.pose_files import CanvasSize
from ..pose.tracking.person_selection import PersonChoice
from ..sampling.options import SamplingOptions

if TYPE_CHECKING:
    import torch

THRESHOLD = 0.3  # least score of a detected point
# Names in files that earlier versions wrote.
_FORMER_NAMES = {"split_halves": "split_cfg"}


def _path(value: Any, info: ValidationInfo) -> Any:
    """Resolve relative paths against the folder of the file that contains them."""
    if not isinstance(value, (str, Path)) or not str(value):
        raise ValueError("Input should be a path")
    return (info.context or {}).get("folder", Path()) / value


def _person(value: Any) -> Any:
    try:
        return PersonChoice.parse(value) if isinstance(value, str) else value
    except PoseError as e:
        raise ValueError(str(e)) from None


def _canvas(value: Any) -> Any:
    try:
        return CanvasSize.parse(value) if isinstance(value, str) else value
    except PoseError as e:
        raise ValueError(str(e)) from None


def _one_of(registry: Mapping[str, Any]) -> BeforeValidator:
    def check(value: Any) -> Any:
        if value is not None and value not in registry:
            raise ValueError(f"Input should be {' or '.join(registry)}")
        return value

    return BeforeValidator(check)


FilePath = Annotated[Path, BeforeValidator(_path)]
Person = Annotated[PersonChoice, BeforeValidator(_person)]
Canvas = Annotated[CanvasSize, BeforeValidator(_canvas)]
DetectorName = Annotated[str, _one_of(DETECTORS)]
DensifierName = Annotated[str, _one_of(DENSIFIERS)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]


def _file(description: str) -> Any:
    return Field(default=None, description=description)


def _sampling_fields() -> dict[str, Any]:
    hints = get_type_hints(SamplingOptions)
    return {
        f.name: (
            Number if hints[f.name] is float else hints[f.name],
            Field(default=f.default, description=f.metadata["help"]),
        )
        for f in fields(SamplingOptions)
    }


class _Base(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),  # pydantic before 2.10 warns of `model_fps`
    )


_Sampling = create_model("_Sampling", __base__=_Base, **_sampling_fields())


class RunConfig(_Sampling):  # type: ignore[misc, valid-type]
    """Settings of one run. Frozen; `with_values` raises `SettingsError` for invalid values.

    Includes every field of `SamplingOptions`.
    """

    reference: FilePath | None = _file("reference image: the person to animate")
    driving: FilePath | None = _file("driving video, animated image or folder of images")
    output: FilePath | None = _file(
        "video to write, such as out.mp4; out.toml beside it holds the settings"
    )
    reference_pose: FilePath | None = _file(
        "pose of the reference image, in a file like those of --poses; detected if not given"
    )
    poses: FilePath | None = _file(
        "poses of the sampled driving frames, as OpenPose JSON or the results of AlphaPose, mmpose "
        "or a COCO program, or a folder with one JSON file a frame; detected if not given"
    )
    canvas: Canvas | None = Field(
        None,
        description="width and height in pixels of the video that --poses was made from, such as "
        "576x1024, if the file does not say it",
    )
    features: FilePath | None = _file(
        "keypoint features written by `features`; computed if not given"
    )

    resolution: Count = Field(
        576, description="length of the short side in pixels; the weights were trained with 576"
    )
    stride: Count = Field(
        2, description="use every Nth driving frame; at 48 fps and more, more frames are skipped"
    )
    start: Annotated[Seconds, Field(ge=0)] = Field(0.0, description="seconds to skip")
    duration: Annotated[Seconds, Field(gt=0)] | None = Field(
        None, description="seconds of the video to use"
    )
    max_frames: Count | None = Field(None, description="use at most N driving frames")

    detector: DetectorName | None = Field(
        None,
        description="default: dwpose if its files are found, else mediapipe",
    )
    detector_files: FilePath | None = _file(
        "folder with the detector's files under their published names; default: detection below "
        "--models"
    )
    threshold: Annotated[Number, Field(ge=0, le=1)] = Field(
        THRESHOLD, description="points found with a lower score count as missing"
    )
    person: Person = Field(
        default_factory=PersonChoice,
        description="which person to use: largest; X,Y: the one nearest to this point (0,0 is the "
        "top left corner, 1,1 the bottom right); track:N: number N in the first frame, counted "
        "from 0; these are tracked through the clip; X,Y@FRAME and track:N@FRAME choose in another "
        "of the sampled frames; index:N: number N in every frame, without tracking",
    )
    method: Literal["fit", "limbs", "none"] = Field(
        "fit",
        description="fit: scale and move the driving poses onto the reference; limbs: also keep "
        "the reference's proportions, for another build or age; none: use the poses as they are",
    )
    smoothing: Annotated[Number, Field(ge=0)] = Field(
        0.0,
        description="average points at rest over about this many 24ths of a second; 0 is off, 2 "
        "halves the jitter",
    )
    densifier: DensifierName | None = Field(
        None,
        description="default: cmp if --cmp is given, else skinning",
    )
    densifier_files: FilePath | None = _file(
        "folder with the densifier's files under their published names"
    )
    mask: FilePath | None = _file(
        "mask of the person in the reference image, white on black; made from the skeleton if not "
        "given, but then cmp also sees the background"
    )

    models: FilePath | None = _file(
        "ComfyUI's models folder, in which files are found by name or content; not needed if the "
        "pack is installed in ComfyUI"
    )
    unet: FilePath | None = _file("MimicMotion's UNet: MimicMotion_1-1.pth or a merged UNet")
    dispose: FilePath | None = _file("DisPose.pth")
    svd: FilePath | None = _file("Stable Video Diffusion: single file or diffusers folder")
    sd15: FilePath | None = _file("Stable Diffusion 1.5: single file or diffusers folder")
    pose_net: FilePath | None = _file("MimicMotion's PoseNet, if the UNet file does not contain it")
    cmp: FilePath | None = _file("CMP's weights: ckpt_iter_42000.pth.tar")

    device: str = Field(
        "auto", description="device to compute on: cpu, cuda, cuda:1, mps; auto: the GPU if present"
    )
    dtype: Literal["auto", "fp32", "fp16", "bf16"] = Field(
        "auto", description="auto: the data type of MimicMotion's file; on the CPU fp32"
    )
    offload: Literal["none", "stages", "sequential"] = Field(
        "stages",
        description="what is kept in main memory until it is needed; none: nothing; stages: the "
        "networks of other stages; sequential: all but one layer at a time, for small GPUs",
    )
    compare: bool = Field(
        False,
        description="also write out_compare.mp4: reference image, driving video, skeleton and "
        "result side by side",
    )

    @model_validator(mode="after")
    def _check_sampling(self) -> RunConfig:
        try:
            _ = self.sampling
        except NetworkError as e:
            raise ValueError(str(e)) from None
        return self

    @property
    def sampling(self) -> SamplingOptions:
        return SamplingOptions(**{f.name: getattr(self, f.name) for f in fields(SamplingOptions)})

    @property
    def torch_dtype(self) -> torch.dtype | None:
        """None for "auto"."""
        import torch

        return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}.get(
            self.dtype
        )

    @property
    def densifier_name(self) -> str:
        """The densifier, by default CMP if its file is given."""
        return self.densifier or ("cmp" if self.cmp is not None else "skinning")

    @property
    def uses_control(self) -> bool:
        return self.control_strength > 0

    @property
    def makes_features(self) -> bool:
        """Whether keypoint features are computed, which needs SD 1.5."""
        return self.uses_control and self.point_strength > 0 and self.features is None


# Settings that all jobs of a batch share, because they determine the loaded components.
SHARED = (
    *("models", "unet", "dispose", "svd", "sd15", "pose_net", "cmp", "densifier_files"),
    *("device", "dtype", "offload"),
)


def with_values(
    config: RunConfig, values: Mapping[str, Any], source: str, folder: Path | None = None
) -> RunConfig:
    """Return a configuration with some values replaced.

    Args:
        values: by name; None resets to the default.
        source: origin of the values, for messages.
        folder: base of relative paths; the working directory when None.

    Raises:
        SettingsError: an unknown name, or a value of the wrong type or out of range.
    """
    values = {_FORMER_NAMES.get(key, key): value for key, value in values.items()}
    new_values = {
        key: value for key, value in values.items() if value is not None or not _takes_none(key)
    }
    unchanged = {key: getattr(config, key) for key in config.model_fields_set if key not in values}
    # Unchanged paths are absolute or relative to the working directory.
    folder = folder or Path()
    try:
        checked = RunConfig.model_validate(new_values, context={"folder": folder})
        checked_values = {key: getattr(checked, key) for key in checked.model_fields_set}
        return RunConfig.model_validate({**unchanged, **checked_values})
    except ValidationError as e:
        raise SettingsError("\n".join(f"{source}: {line}" for line in _lines(e))) from None


def load_config(path: Path, base: RunConfig | None = None) -> RunConfig:
    """Read a configuration from TOML; relative paths are relative to its folder.

    Raises:
        SettingsError: the file cannot be read, is not TOML, or see `with_values`.
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
        raise SettingsError(
            f"{path}: not a TOML file ({e}). Write one setting per line: steps = 25"
        ) from e
    return with_values(base or RunConfig(), values, str(path), path.parent)


def to_toml(config: RunConfig, notes: tuple[str, ...] = ()) -> str:
    """All settings that have a value, with absolute paths; notes become comments at the top."""
    values = {name: getattr(config, name) for name in RunConfig.model_fields}
    lines = [
        f"{key} = {_to_toml_value(value)}" for key, value in values.items() if value is not None
    ]
    return "\n".join([*(f"# {note}" for note in notes), *lines, ""])


def config_path(output: Path) -> Path:
    """The TOML file beside an output video."""
    return output.with_suffix(".toml")


def _takes_none(key: str) -> bool:
    return key in RunConfig.model_fields and RunConfig.model_fields[key].default is None


def _lines(error: ValidationError) -> list[str]:
    unknown, lines = [], []
    for fault in error.errors():
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            unknown.append(repr(fault["loc"][0]))
        elif not fault["loc"]:
            lines.append(message)
        else:
            lines.append(f"{fault['loc'][0]} is {fault['input']!r}. {message}.")
    if unknown:
        allowed = ", ".join(RunConfig.model_fields)
        lines.append(f"unknown key {', '.join(unknown)}. Allowed are {allowed}.")
    return list(dict.fromkeys(lines))


def _to_toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value.resolve()) if isinstance(value, Path) else str(value)
    # A JSON string is also a TOML string.
    return json.dumps(text, ensure_ascii=False)
