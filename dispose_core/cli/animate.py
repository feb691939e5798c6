"""The commands that run the networks: animate, features."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import values
from .options import add_command, add_detector, add_motion_options, add_output

# name -> what the file is, for the options that name one in place of the models folder.
_FILES = {
    "unet": "MimicMotion's UNet, MimicMotion_1-1.pth or a merged one",
    "dispose": "DisPose.pth",
    "svd": "Stable Video Diffusion, single file or folder in diffusers' layout",
    "sd15": "Stable Diffusion 1.5, single file or folder in diffusers' layout",
    "pose-net": "MimicMotion's PoseNet, where the UNet's file does not hold it",
}


def add_animate(commands) -> None:
    """Adds `animate`, whose options are the fields of `Settings`."""
    parser = add_command(
        commands,
        "animate",
        "animate the person of a picture with the motion of a video",
        "animate --reference portrait.jpg --driving dance.mp4 --models ComfyUI/models -o out.mp4",
        "animate --reference portrait.jpg --driving dance.mp4 --models ComfyUI/models -o out.mp4 "
        "--start 3 --duration 4 --compare",
        "animate --config out.toml -o again.mp4",
        "animate --jobs jobs.jsonl --models ComfyUI/models",
    )
    files = parser.add_argument_group("what to animate")
    files.add_argument("--reference", type=Path, help="picture to animate")
    files.add_argument("--driving", type=Path, help="video, animation or folder of pictures")
    files.add_argument(
        "-o",
        "--output",
        type=Path,
        help="video to write, such as out.mp4; out.toml beside it holds the settings",
    )
    files.add_argument(
        "--reference-pose",
        type=Path,
        help="pose of the reference as OpenPose JSON; found in the picture when not given",
    )
    files.add_argument(
        "--poses",
        type=Path,
        help="poses of the sampled frames as OpenPose JSON, in place of finding them",
    )
    files.add_argument(
        "--features", type=Path, help="keypoint features that `features` wrote; else made"
    )
    files.add_argument(
        "--resolution",
        type=values.count,
        default=576,
        metavar="N",
        help="short side in pixels; 576 is what the weights know; default: %(default)s",
    )
    files.add_argument(
        "--compare",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="write out_compare.mp4 too: reference, driver, skeleton and result side by side",
    )
    files.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML with settings, such as the one beside a result; other options win over it",
    )
    files.add_argument(
        "--jobs",
        type=Path,
        metavar="FILE",
        help="many clips: each line a JSON object of settings with reference, driving and output; "
        "other options count for all lines. Clips that are finished are left as they are",
    )
    add_motion_options(parser.add_argument_group("motion"), stride=2)
    _add_models(parser, _FILES)
    _add_sampling(parser)
    _add_running(parser)
    _leave_out_what_is_not_given(parser, {"command", "json", "config", "jobs"})


def add_features(commands) -> None:
    """Adds `features`."""
    parser = add_command(
        commands,
        "features",
        "make the keypoint features of a reference once, to animate it many times",
        "features --reference portrait.jpg --models ComfyUI/models -o portrait.safetensors",
    )
    parser.add_argument("--reference", type=Path, required=True, help="picture to animate")
    add_output(parser, "portrait.safetensors")
    parser.add_argument("--reference-pose", type=Path, help="its pose as OpenPose JSON; else found")
    parser.add_argument(
        "--resolution",
        type=values.count,
        default=576,
        metavar="N",
        help="short side in pixels, as in `animate`; default: %(default)s",
    )
    add_detector(parser)
    _add_models(parser, {"sd15": _FILES["sd15"]})
    _add_running(parser)
    _leave_out_what_is_not_given(parser, {"command", "json"})


def _add_models(parser: argparse.ArgumentParser, files: dict[str, str]) -> None:
    group = parser.add_argument_group("model files")
    group.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="ComfyUI's models folder, where files are found by name or content; known when the "
        "pack is installed in ComfyUI",
    )
    for name, what in files.items():
        group.add_argument(f"--{name}", type=Path, metavar="FILE", help=what)


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    # The numbers are those of `SamplingOptions`, which is not asked: it would load torch.
    group = parser.add_argument_group("sampling, by default as in the paper")

    def add(name: str, kind, default, text: str) -> None:
        metavar = "N" if kind in (int, values.count) else "X"
        group.add_argument(
            f"--{name}",
            type=kind,
            default=default,
            metavar=metavar,
            help=f"{text}; default: %(default)s",
        )

    add("steps", values.count, 25, "denoising steps")
    add("seed", int, 42, "of the noise; the same seed gives the same clip")
    group.add_argument(
        "--noise",
        choices=["repeated", "independent"],
        default="repeated",
        help="repeated along the clip, which holds windows together, or drawn for each frame; "
        "default: %(default)s",
    )
    add("min-guidance", values.number, 2.0, "guidance of the first frame")
    add("max-guidance", values.number, 2.0, "of the last; 1 is without, faster")
    add("window", values.count, 16, "frames denoised together, the reference among them")
    add("overlap", int, 6, "frames that neighbouring windows share")
    add("model-fps", values.count, 7, "frame rate that the model is told")
    add("motion-bucket", int, 127, "how much motion the model expects, 0 to 255")
    add("augmentation", values.not_negative, 0.0, "noise on the reference picture")
    for name, what in (
        ("pose", "the drawn skeletons"),
        ("motion", "the motion field"),
        ("point", "the keypoint features"),
        ("control", "the whole ControlNet; 0 leaves it out"),
    ):
        add(f"{name}-strength", values.not_negative, 1.0, f"how much counts {what}")
    add("decode-chunk", values.count, 8, "frames decoded together")
    group.add_argument(
        "--split-halves",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="run the guidance halves one after the other: less memory, a little slower",
    )
    group.add_argument(
        "--official",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="keep to the official code in everything, its faults too, to compare with it",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    group.add_argument(
        "--device", default="auto", help="auto: the GPU where there is one; cpu, cuda, cuda:1, mps"
    )
    group.add_argument(
        "--dtype",
        choices=["auto", "fp32", "fp16", "bf16"],
        default="auto",
        help="auto: as MimicMotion's file is stored, on a CPU fp32; default: %(default)s",
    )
    group.add_argument(
        "--offload",
        choices=["none", "stages", "sequential"],
        default="stages",
        help="what waits in main memory: nothing, the networks of other stages, or all but a "
        "layer at a time, for small cards; default: %(default)s",
    )


def _leave_out_what_is_not_given(parser: argparse.ArgumentParser, kept: set[str]) -> None:
    """Only what the user typed comes out of parsing, so that it wins over a config file.

    The defaults stay in the help; `Settings` knows them too.
    """
    for action in parser._actions:
        if action.dest not in kept and action.default is not argparse.SUPPRESS:
            action.help = (action.help or "").replace("%(default)s", str(action.default))
            action.default = argparse.SUPPRESS
