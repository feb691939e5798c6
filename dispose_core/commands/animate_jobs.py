"""`animate --jobs`: a list of clips, its progress and its summary."""

from __future__ import annotations

import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable

from ..pipeline.batch import Job, JobResult, find_files_of, read_jobs, run_jobs
from ..pipeline.components import Networks
from ..pipeline.config import Settings
from ..pipeline.plan import ClipPlan
from .console import StageBars, say

SOME_FAILED, CANCELLED = 5, 130


def run_jobs_file(
    options: Namespace,
    base: Settings,
    started: float,
    make_networks: Callable[[ClipPlan, dict], Networks],
) -> dict:
    """Runs every clip of `--jobs`; a failed one does not end the others.

    Args:
        base: settings that a line of the file may override.
        started: `time.monotonic()` of the command, for the summary.
        make_networks: from a plan and the paths of the model files.

    Returns:
        The summary for `--json`, a state for each job.
    """
    jobs = read_jobs(options.jobs, base)
    files = find_files_of(jobs, base)

    def announce(job: Job, plan: ClipPlan) -> None:
        say([f"\nline {job.line}: {plan.settings.output}", *plan.report])

    results = []
    with StageBars() as bars:
        for result in run_jobs(
            jobs, files, lambda plan: make_networks(plan, files.paths), bars, announce
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
        "report": [*table(results), ", ".join(f"{n} {state}" for state, n in counts.items())],
        "exit_code": CANCELLED if counts["cancelled"] else SOME_FAILED * bool(counts["failed"]),
    }


def table(results: list[JobResult]) -> list[str]:
    """A line a job: number, state, seconds, output or what went wrong."""
    return [
        f"line {result.line:>4}  {result.state:<11}  {result.seconds:>8.1f} s  "
        f"{result.message.splitlines()[0] if result.message else result.output}"
        for result in results
    ]
