"""Reference picture and driving video -> animated video; one clip or a list of jobs."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from ..pipeline.components import Networks
from ..pipeline.config import Settings, keys, load_settings, with_values
from ..pipeline.model_files import find_model_files, needed_files
from ..pipeline.plan import ClipPlan, plan_clip, require_paths, resolve
from ..pipeline.run import animate_clip
from .console import StageBars, say
from .models import comfyui_models


def run(options: Namespace) -> dict:
    """Writes the video, or those of `--jobs`. Returns the summary for `--json`."""
    started = time.monotonic()
    settings = settings_of(options)
    if options.jobs is not None:
        from .animate_jobs import run_jobs_file

        return run_jobs_file(options, settings, started, make_networks)
    require_paths(settings)
    files = find_model_files(settings)
    files.require(needed_files(settings))
    plan = plan_clip(resolve(settings, files), files)
    say(plan.report)
    with StageBars() as bars:
        clip = animate_clip(plan, make_networks(plan, files.paths), bars)
    written = [str(path) for path in clip.files]
    return {
        "command": options.command,
        "output": str(settings.output),
        "files": written,
        "frames": clip.frames,
        "size": [clip.size[1], clip.size[0]],
        "fps": float(clip.fps),
        "seconds": round(time.monotonic() - started, 2),
        "report": [*clip.report, *(f"written: {path}" for path in written)],
    }


def make_networks(plan: ClipPlan, paths: Mapping[str, Path]) -> Networks:
    """The networks of a clip's settings, none of them loaded yet."""
    settings = plan.settings
    return Networks(paths, settings.device, settings.torch_dtype, settings.offload)


def settings_of(options: Namespace) -> Settings:
    """Settings of the command line over those of `--config`, over the defaults."""
    settings = Settings() if options.config is None else load_settings(options.config)
    given = {key: value for key, value in vars(options).items() if key in keys()}
    settings = with_values(settings, given, "command line")
    if settings.models is None and (folder := comfyui_models()) is not None:
        settings = with_values(settings, {"models": folder}, "ComfyUI")
    return settings
