"""Checks of the inputs of all nodes, from their schemas, before a node runs.

ComfyUI checks the widgets of a prompt, but not every one (0.3.64 no combos, no version NaN), and
nothing that comes through a connection: a node of another pack may output any value.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
from collections.abc import Callable, Collection
from typing import Any

import torch
from comfy_api.latest import io

from ..dispose_core.errors import DisPoseError, MediaError, NetworkError, SettingsError
from .tensors import check_image, check_mask


def checked(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """Make a node check its inputs; applied to every node of the pack.

    Inputs that are unknown, and optional ones without a value or with a batch of no images, do not
    reach the node: it runs with its defaults, as if nothing were connected.
    """
    if hasattr(node.execute, "__wrapped__"):
        return node
    run = node.execute.__func__

    names = list(inspect.signature(run).parameters)[1:]

    @functools.wraps(run)
    def execute(cls: type[io.ComfyNode], *in_order: Any, **given: Any) -> io.NodeOutput:
        given |= dict(zip(names, in_order, strict=False))
        # `cls` is a copy in which ComfyUI lets nothing be set, as reading the schema does.
        return run(cls, **_checked_values(node, given))

    node.execute = classmethod(execute)
    if "validate_inputs" in vars(node):
        node.validate_inputs = classmethod(_checked_validation(node))
    return node


def _checked_validation(node: type[io.ComfyNode]) -> Callable[..., bool | str]:
    """`validate_inputs` for the inputs it names; those with a connection are checked later."""
    validate = node.validate_inputs.__func__
    names = list(inspect.signature(validate).parameters)[1:]

    @functools.wraps(validate)
    def wrapper(cls: type[io.ComfyNode], **given: Any) -> bool | str:
        if any(given.get(name) is None for name in names):
            return True
        parts = {part.id: part for part in node.GET_SCHEMA().inputs}
        try:
            for name in names:
                _check(node, parts[name], given[name])
        except DisPoseError as e:
            return str(e)
        return validate(cls, **{name: given[name] for name in names})

    # ComfyUI reads from the signature which inputs are validated here.
    wrapper.__signature__ = inspect.signature(validate)  # type: ignore[attr-defined]
    return wrapper


def _checked_values(node: type[io.ComfyNode], given: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for part in node.GET_SCHEMA().inputs:
        if part.id in given and not (part.optional and _is_nothing(given[part.id])):
            values[part.id] = _check(node, part, given[part.id])
    return values


def _is_nothing(value: Any) -> bool:
    """Whether a value is None, or the empty batch that Prepare outputs without a driving clip."""
    return value is None or (isinstance(value, torch.Tensor) and value.ndim > 0 and not len(value))


def _check(node: type[io.ComfyNode], part: io.Input, value: Any) -> Any:
    """The value of an input, numbers as plain int and float.

    Raises:
        DisPoseError: it is of another type, out of range, or not among the options.
    """
    kind = part.get_io_type()
    if kind in _WIDGETS:
        return _WIDGETS[kind](node, part, value)
    if kind in _WIRES:
        _WIRES[kind](value, part.id)
    return value


def _integer(node: type[io.ComfyNode], part: io.Input, value: Any) -> int:
    if _is_finite(value) and value == int(value):
        return int(_in_range(node, part, int(value)))
    raise _wrong(node, part, value, "a whole number")


def _float(node: type[io.ComfyNode], part: io.Input, value: Any) -> float:
    if _is_finite(value):
        return float(_in_range(node, part, value))
    raise _wrong(node, part, value, "a finite number")


def _in_range(node: type[io.ComfyNode], part: io.Input, value: Any) -> Any:
    low, high = part.min, part.max
    if (low is not None and value < low) or (high is not None and value > high):
        raise _wrong(node, part, value, f"from {low} to {high}")
    return value


def _text(node: type[io.ComfyNode], part: io.Input, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _wrong(node, part, value, "text")


def _boolean(node: type[io.ComfyNode], part: io.Input, value: Any) -> bool:
    if isinstance(value, (bool, numbers.Integral)):
        return bool(value)
    raise _wrong(node, part, value, "true or false")


def _option(node: type[io.ComfyNode], part: io.Input, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(node, part, value, "the name of an option")
    # A list of files accepts more names than it shows, also when it is empty.
    if value in part.options or part.id in _validated(node):
        return value
    # Files may have come since the schema was made.
    part = next(fresh for fresh in node.define_schema().inputs if fresh.id == part.id)
    if value in part.options:
        return value
    options = ", ".join(part.options[:12]) or "none are installed"
    more = f" and {len(part.options) - 12} more" if len(part.options) > 12 else ""
    raise _wrong(node, part, value, f"one of: {options}{more}")


def _validated(node: type[io.ComfyNode]) -> Collection[str]:
    """Inputs that the node checks itself, as ComfyUI has it: those named by `validate_inputs`."""
    if "validate_inputs" not in vars(node):
        return ()
    return inspect.signature(node.validate_inputs).parameters


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, numbers.Real) and math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def _wrong(node: type[io.ComfyNode], part: io.Input, value: Any, needed: str) -> SettingsError:
    name = node.GET_SCHEMA().display_name
    return SettingsError(
        f"{name}: {part.id} is {_short(value)}, but must be {needed}. Set it in the node, or "
        "connect another output to it."
    )


def _short(value: Any) -> str:
    if isinstance(value, (str, numbers.Number)):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}…"
    return f"a value of type {type(value).__name__}"


def _with(source: str, *attributes: str) -> Callable[[Any, str], None]:
    """Check for an object that has these attributes, which `source` outputs."""

    def check(value: Any, name: str) -> None:
        if value is None or not all(hasattr(value, attribute) for attribute in attributes):
            raise NetworkError(f"{name}: got {_short(value)}. Connect the output of {source}.")

    return check


def _latent(value: Any, name: str) -> None:
    samples = value.get("samples") if isinstance(value, dict) else None
    if not isinstance(samples, torch.Tensor) or not samples.is_floating_point():
        raise NetworkError(f"{name}: got {_short(value)}, no latents. Connect a sampler.")
    if samples.ndim != 4 or samples.shape[1] != 4 or not samples.numel():
        raise NetworkError(
            f"{name}: got latents of shape {tuple(samples.shape)}, expected (frames, 4, h, w) of "
            "Stable Video Diffusion. Connect the sampler of this workflow."
        )
    if not all(end.isfinite() for end in samples.float().aminmax()):
        raise NetworkError(
            f"{name}: latents with values that are no numbers (NaN or infinite). Sample again with "
            "a lower cfg or strength, or with the model in fp32."
        )


def _conditioning(value: Any, name: str) -> None:
    def is_condition(item: Any) -> bool:
        return (
            isinstance(item, (list, tuple))
            and len(item) == 2
            and isinstance(item[0], torch.Tensor)
            and isinstance(item[1], dict)
        )

    if not isinstance(value, (list, tuple)) or not value or not all(map(is_condition, value)):
        raise NetworkError(
            f"{name}: got {_short(value)} that is no conditioning. Connect DisPose Conditioning, "
            "or CLIP Text Encode for a prompt."
        )


def _video(value: Any, name: str) -> None:
    if not hasattr(value, "get_stream_source"):
        raise MediaError(f"{name}: got {_short(value)}, not a video. Connect Load Video.")


def _pose_net(value: Any, name: str) -> None:
    if value is not None:  # a model file without one; Apply Pose Guidance says what to load
        _with("MimicMotion Loader", "model", "load_device")(value, name)


_WIDGETS: dict[str, Callable[[type[io.ComfyNode], io.Input, Any], Any]] = {
    "INT": _integer,
    "FLOAT": _float,
    "STRING": _text,
    "BOOLEAN": _boolean,
    "COMBO": _option,
}
# POSE_KEYPOINT and CONTROL_NET are checked where they are read.
_WIRES: dict[str, Callable[[Any, str], None]] = {
    "IMAGE": check_image,
    "MASK": check_mask,
    "LATENT": _latent,
    "CONDITIONING": _conditioning,
    "VIDEO": _video,
    "MODEL": _with("a model loader", "clone", "model"),
    "VAE": _with("a loader with a VAE", "encode", "decode"),
    "CLIP_VISION": _with("Image Only Checkpoint Loader", "model", "patcher", "load_device"),
    "DISPOSE_POSE_DETECTOR": _with("Pose Detector Loader", "detect", "name"),
    "DISPOSE_DENSIFIER": _with("CMP Loader or Densifier Loader", "model"),
    "DISPOSE_MOTION_FIELD": _with("Motion Field", "size", "flow"),
    "DISPOSE_KEYPOINT_FEATURES": _with("Keypoint Features", "features", "valid"),
    "DISPOSE_POSE_NET": _pose_net,
}
