"""`animate`: reference image and driving video -> animated video, for one job or several."""

from __future__ import annotations

import time
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from ..sampling.options import SamplingOptions
from .console import StageBars, Summary, say
from .options import MOTION, add_command, add_config, add_models, config_of

if TYPE_CHECKING:
    from ..pipeline.batch import Job, JobResult
    from ..pipeline.components import Components
    from ..pipeline.config import RunConfig
    from ..pipeline.plan import AnimationPlan
    from .options import Subparsers

SOME_FAILED, CANCELLED = 5, 130


def add(commands: Subparsers) -> None:
    """Add the command; its options are the fields of `RunConfig`."""
    line = "animate --reference portrait.jpg --driving dance.mp4 --models ComfyUI/models -o out.mp4"
    parser = add_command(
        commands,
        "animate",
        "animate the person in an image with the motion of a video",
        run,
        line,
        f"{line} --start 3 --duration 4 --compare",
        "animate --config out.toml -o again.mp4",
        "animate --jobs jobs.jsonl --models ComfyUI/models",
    )
    files = parser.add_argument_group("what to animate")
    add_config(files, "reference", "driving", "output", "reference_pose", "poses", "features")
    add_config(files, "canvas")
    add_config(files, "resolution", "compare")
    files.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file with settings, such as the one saved beside a result; other options "
        "override it",
    )
    files.add_argument(
        "--jobs",
        type=Path,
        metavar="FILE",
        help="run many clips: each line is a JSON object of settings with reference, driving and "
        "output; other options apply to all lines. Finished clips are not run again",
    )
    add_config(parser.add_argument_group("motion"), *MOTION)
    add_models(parser, "unet", "dispose", "svd", "sd15", "pose_net")
    sampling = parser.add_argument_group("sampling (the defaults are the paper's)")
    add_config(sampling, *(field.name for field in fields(SamplingOptions)))


def run(options: Namespace) -> Summary:
    """Write the video, or those of `--jobs`."""
    from ..pipeline.model_files import find_model_files, needed_files
    from ..pipeline.plan import plan_animation, require_paths, resolve
    from ..pipeline.run import run_animation

    started = time.monotonic()
    config = config_of(options)
    if options.jobs is not None:
        return _run_jobs(options, config, started)
    require_paths(config)
    files = find_model_files(config)
    files.require(needed_files(config))
    plan = plan_animation(resolve(config, files), files)
    say(plan.report)
    with StageBars() as bars:
        result = run_animation(plan, make_components(plan, files.paths), bars)
    written = [str(path) for path in result.files]
    return {
        "command": options.command,
        "output": str(plan.output),
        "files": written,
        "frames": result.num_driving,
        "size": [result.size[1], result.size[0]],
        "fps": float(result.fps),
        "seconds": round(time.monotonic() - started, 2),
        "report": [*result.report, *(f"written: {path}" for path in written)],
    }


def make_components(plan: AnimationPlan, paths: Mapping[str, Path]) -> Components:
    """Create the components of a plan; they load lazily."""
    from ..pipeline.components import Components

    config = plan.settings
    return Components(paths, config.device, config.torch_dtype, config.offload)


def _run_jobs(options: Namespace, base: RunConfig, started: float) -> Summary:
    """Run all jobs of `--jobs`; errors in one do not stop the others."""
    from ..pipeline.batch import find_files_of, read_jobs, run_jobs

    jobs = read_jobs(options.jobs, base)
    files = find_files_of(jobs, base)

    def announce(job: Job, plan: AnimationPlan) -> None:
        say([f"\nline {job.line}: {plan.output}", *plan.report])

    results: list[JobResult] = []
    with StageBars() as bars:
        for result in run_jobs(
            jobs, files, lambda plan: make_components(plan, files.paths), bars, announce
        ):
            bars.close()
            if result.message:
                say([f"line {result.line}: {result.message}"])
            results.append(result)
    counts = Counter(result.state for result in results)
    return {
        "command": options.command,
        "jobs": [
            {
                "line": result.line,
                "output": result.output and str(result.output),
                "state": result.state,
                "seconds": result.seconds,
                "message": result.message,
            }
            for result in results
        ],
        "seconds": round(time.monotonic() - started, 2),
        "report": [*_table(results), ", ".join(f"{n} {state}" for state, n in counts.items())],
        "exit_code": CANCELLED if counts["cancelled"] else SOME_FAILED * bool(counts["failed"]),
    }


def _table(results: list[JobResult]) -> list[str]:
    """One line per job: number, state, seconds, output or error."""
    return [
        f"line {result.line:>4}  {result.state:<11}  {result.seconds:>8.1f} s  "
        f"{result.message.splitlines()[0] if result.message else result.output}"
        for result in results
    ]
