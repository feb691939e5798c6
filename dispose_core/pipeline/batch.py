"""Many clips with components that are loaded once: a list of jobs, resumable, each on its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import DisPoseError, SettingsError
from .components import Components
from .config import SHARED, RunConfig, with_values
from .model_files import ModelFiles, find_model_files, needed_files
from .pipeline import StageProgress
from .plan import AnimationPlan, plan_animation, require_paths, resolve
from .run import is_finished, run_animation

State = Literal["done", "done before", "failed", "cancelled", "not begun"]


@dataclass(frozen=True)
class Job:
    """A line of the list: settings, or why there are none."""

    line: int  # from 1
    settings: RunConfig | None
    fault: str = ""


@dataclass(frozen=True)
class JobResult:
    """What became of a job."""

    line: int
    output: Path | None
    state: State
    seconds: float = 0.0
    message: str = ""


def read_jobs(path: Path, base: RunConfig) -> list[Job]:
    """The jobs of a file with a JSON object in each line; empty lines are passed over.

    Args:
        path: paths in it count from its folder.
        base: settings of all jobs, which a line adds to.

    Raises:
        SettingsError: the file cannot be read or holds no job. A line that is wrong becomes a
            `Job` with a fault instead.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise SettingsError(f"{path}: cannot be read ({e}). Check the path.") from e
    jobs: list[Job] = []
    outputs: dict[Path, int] = {}
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            settings = _read_job(text, base, path.parent)
            output = (settings.output or Path()).resolve()  # `_read_job` requires one
            if output in outputs:
                raise SettingsError(f"the same output as line {outputs[output]}, {output}.")
            outputs[output] = number
            jobs.append(Job(number, settings))
        except DisPoseError as e:
            jobs.append(Job(number, None, str(e)))
    if not jobs:
        raise SettingsError(
            f"{path}: no job in it. Each line is a JSON object such as "
            '{"reference": "a.png", "driving": "b.mp4", "output": "c.mp4"}.'
        )
    return jobs


def find_files_of(jobs: list[Job], base: RunConfig) -> ModelFiles:
    """The model files that any of the jobs takes."""
    wanted = {name for job in jobs if job.settings for name in needed_files(job.settings)}
    # In the order in which one may lie in another.
    return find_model_files(base, [name for name in SHARED if name in wanted])


def run_jobs(
    jobs: list[Job],
    files: ModelFiles,
    make_components: Callable[[AnimationPlan], Components],
    stage_progress: StageProgress,
    on_begin: Callable[[Job, AnimationPlan], None],
) -> Iterator[JobResult]:
    """Runs jobs one after the other; what goes wrong in one is its result.

    Clips that are there and were made with just these settings are left as they are. Cancelled by
    KeyboardInterrupt, the other jobs are given as not begun.

    Args:
        jobs: from `read_jobs`.
        files: from `find_files_of`.
        make_components: called once, with the first plan.
        stage_progress: see `run_animation`.
        on_begin: called before the work on a clip begins.

    Yields:
        A result a job, in their order.
    """
    components: Components | None = None
    stopped = False
    for job in jobs:
        started = time.monotonic()
        output = job.settings and job.settings.output
        state: State = "done"
        message = ""
        if stopped:
            yield JobResult(job.line, output, "not begun")
            continue
        try:
            settings = _resolved(job, files)
            if is_finished(settings):
                state = "done before"
            else:
                plan = plan_animation(settings, files)
                components = components or make_components(plan)
                on_begin(job, plan)
                run_animation(plan, components, stage_progress)
        except KeyboardInterrupt:
            state, stopped = "cancelled", True
        except DisPoseError as e:
            state, message = "failed", str(e)
        except Exception as e:  # such as no memory left: the next clip may be smaller
            state, message = "failed", f"{type(e).__name__}: {e}"
        yield JobResult(job.line, output, state, round(time.monotonic() - started, 2), message)


def _read_job(text: str, base: RunConfig, folder: Path) -> RunConfig:
    try:
        values = json.loads(text)
    except ValueError as e:
        raise SettingsError(f"no JSON ({e}).") from e
    if not isinstance(values, dict):
        raise SettingsError('no JSON object, which is {"reference": …, "driving": …, …}.')
    shared = [key for key in SHARED if key in values]
    if shared:
        raise SettingsError(
            f"{', '.join(shared)}: the same for all jobs. Name it on the command line or in the "
            "file of --config."
        )
    settings = with_values(base, values, "job", folder)
    require_paths(settings)
    return settings


def _resolved(job: Job, files: ModelFiles) -> RunConfig:
    if job.settings is None:
        raise SettingsError(job.fault)
    files.require(needed_files(job.settings))
    return resolve(job.settings, files)
