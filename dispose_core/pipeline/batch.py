"""Run a list of jobs with shared components; jobs are independent, and batches can be resumed."""

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
    """One line of the job file: its settings, or the error in it."""

    line: int  # from 1
    settings: RunConfig | None
    fault: str = ""


@dataclass(frozen=True)
class JobResult:
    """Outcome of a job."""

    line: int
    output: Path | None
    state: State
    seconds: float = 0.0
    message: str = ""


def read_jobs(path: Path, base: RunConfig) -> list[Job]:
    """Read jobs from a file with one JSON object per line; empty lines are skipped.

    Args:
        path: relative paths in it are relative to its folder.
        base: settings of all jobs, overridden by each line.

    Raises:
        SettingsError: the file cannot be read or has no job. An invalid line becomes a `Job` with a
            fault instead.
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
    """Find the model files needed by any of the jobs."""
    needed = {name for job in jobs if job.settings for name in needed_files(job.settings)}
    # In the order of SHARED, because PoseNet may be contained in the UNet's file.
    return find_model_files(base, [name for name in SHARED if name in needed])


def run_jobs(
    jobs: list[Job],
    files: ModelFiles,
    make_components: Callable[[AnimationPlan], Components],
    stage_progress: StageProgress,
    on_begin: Callable[[Job, AnimationPlan], None],
) -> Iterator[JobResult]:
    """Run jobs one after the other; an error in one does not affect the others.

    Outputs that exist and were made with the same settings are skipped. After a KeyboardInterrupt
    the remaining jobs are reported as "not begun".

    Args:
        make_components: called once, with the first plan.
        on_begin: called before each job that is run.

    Yields:
        One result per job, in order.
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
            settings = _resolve_job(job, files)
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
        except Exception as e:  # for example out of memory, which the next job may not be
            state, message = "failed", f"{type(e).__name__}: {e}"
        yield JobResult(job.line, output, state, round(time.monotonic() - started, 2), message)


def _read_job(text: str, base: RunConfig, folder: Path) -> RunConfig:
    try:
        values = json.loads(text)
    except ValueError as e:
        raise SettingsError(f"not valid JSON ({e}).") from e
    if not isinstance(values, dict):
        raise SettingsError('not a JSON object such as {"reference": …, "driving": …, …}.')
    shared = [key for key in SHARED if key in values]
    if shared:
        raise SettingsError(
            f"{', '.join(shared)}: the same for all jobs. Name it on the command line or in the "
            "file of --config."
        )
    settings = with_values(base, values, "job", folder)
    require_paths(settings)
    return settings


def _resolve_job(job: Job, files: ModelFiles) -> RunConfig:
    if job.settings is None:
        raise SettingsError(job.fault)
    files.require(needed_files(job.settings))
    return resolve(job.settings, files)
