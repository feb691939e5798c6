"""The commands about model files: inspect, convert, models."""

from __future__ import annotations

from pathlib import Path

from .options import add_command, add_output


def add_inspect(commands) -> None:
    """Adds `inspect`."""
    parser = add_command(
        commands,
        "inspect",
        "say what a model file is, where it belongs and whether it is complete",
        "inspect DisPose.pth",
        "inspect unknown.safetensors --json",
    )
    parser.add_argument("file", type=Path, help="weights, an ONNX model or a TorchScript program")


def add_convert(commands) -> None:
    """Adds `convert`."""
    parser = add_command(
        commands,
        "convert",
        "write weights as safetensors, which opens faster and cannot hold program code",
        "convert DisPose.pth -o DisPose.safetensors --dtype fp16",
        "convert ckpt_iter_42000.pth.tar -o cmp.safetensors",
    )
    parser.add_argument("file", type=Path, help="weights of a kind that `inspect` can name")
    add_output(parser, "DisPose.safetensors")
    parser.add_argument(
        "--dtype", choices=["fp32", "fp16", "bf16"], help="by default each number stays as it is"
    )


def add_models(commands) -> None:
    """Adds `models`."""
    from ..checkpoints.catalog import MODELS

    parser = add_command(
        commands,
        "models",
        "list the model files the pack can use, or download some",
        "models",
        "models --models ComfyUI/models --download DisPose.pth",
    )
    parser.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="ComfyUI's models folder; found when the pack is installed in ComfyUI",
    )
    parser.add_argument(
        "--download",
        nargs="+",
        default=[],
        choices=[model.name for model in MODELS],
        metavar="NAME",
        help="fetch these into their folders; nothing is ever fetched without this",
    )
