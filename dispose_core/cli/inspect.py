"""`inspect`: kind, location and completeness of a model file."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from .console import Summary
from .options import add_command

if TYPE_CHECKING:
    from ..checkpoints.inspect import Inspection
    from .options import Subparsers

_SHOWN = 8


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "inspect",
        "identify a model file, the folder it belongs in, and whether it is complete",
        run,
        "inspect DisPose.pth",
        "inspect unknown.safetensors --json",
    )
    parser.add_argument("file", type=Path, help="weights, an ONNX model or a TorchScript program")


def run(options: Namespace) -> Summary:
    """Return the inspection as summary; writes nothing."""
    from ..checkpoints.inspect import inspect_file

    found = inspect_file(options.file)
    facts = {item.name: getattr(found, item.name) for item in fields(found)}
    architecture = facts.pop("architecture")
    facts |= {"kind": architecture.name, "what": architecture.summary}
    facts |= {"folder": architecture.folder, "use": architecture.use}
    return {"command": options.command, **facts, "report": sentences(found)}


def sentences(found: Inspection) -> list[str]:
    """An inspection as lines of text."""
    lines = [
        f"{found.name}: {found.architecture.summary}",
        f"  {found.format}, {found.size:,} bytes",
    ]
    if found.tensors:
        types = ", ".join(f"{count} {name}" for name, count in sorted(found.dtypes.items()))
        lines.append(
            f"  {found.tensors} tensors ({types}), {found.parameters:,} parameters, "
            f"the first is {found.first_tensor}"
        )
    for title, values in (("takes", found.inputs), ("gives", found.outputs)):
        lines += [
            f"  {title} {name} ({', '.join('any' if s is None else str(s) for s in shape)})"
            for name, shape in values.items()
        ]
    lines += [f"  {key}: {text[:100]}" for key, text in list(found.metadata.items())[:_SHOWN]]
    if found.left_out:
        lines.append(f"  beside the weights: {', '.join(found.left_out[:_SHOWN])}")
    if found.architecture.folder:
        lines.append(f"  belongs into models/{found.architecture.folder}")
    lines.append(f"  used for: {found.architecture.use or 'nothing in this pack'}")
    if found.complete is not None:
        lines.append("  complete" if found.complete else f"  NOT complete: {found.faults}")
    return lines
