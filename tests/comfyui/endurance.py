"""Jobs of two clients, interrupts and kills in the real ComfyUI, and whether every file is whole.

    COMFYUI_PATH=… python -m tests.comfyui.endurance --jobs 100 --interrupts 20 --kills 5 --seed 0

Each job saves the poses of a clip of its own length. A job that the server reported as done must
have its file with that many frames; no other file may be there that can be read. Jobs that were
interrupted, or lost with the server, are queued again until all are done.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import requests

from dispose_core.errors import DisPoseError
from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses

from .client import ComfyClient, NodeError, Prompt, PromptInterrupted, PromptRejected
from .running import PACK, ComfyServer, running_server
from .tiny_graph import node

FIRST, MOST = 200, 1000  # frames of a clip


@dataclass
class Count:
    """What happened, over all servers."""

    done: int = 0
    interrupted: int = 0
    again: int = 0  # queued again after an interrupt or a kill
    interrupts: int = 0
    kills: int = 0
    kills_while_writing: int = 0
    faults: list[str] = field(default_factory=list)


class Work:
    """Jobs that are to do, shared by the clients; a job is a number of frames."""

    def __init__(self, jobs: int, seed: int) -> None:
        self.lock = threading.Lock()
        self.to_do = list(range(FIRST, FIRST + jobs))
        self.total = jobs
        self.finished: dict[int, str] = {}  # the file of a job, as the node told it
        self.random = random.Random(seed)
        self.count = Count()

    def take(self) -> int | None:
        with self.lock:
            return self.to_do.pop(0) if self.to_do else None

    def give_back(self, job: int) -> None:
        with self.lock:
            self.to_do.append(job)
            self.count.again += 1

    def finish(self, job: int, file: str) -> None:
        with self.lock:
            if job in self.finished:
                self.count.faults.append(f"job {job} was done twice")
            self.finished[job] = file
            self.count.done += 1


def graph(job: int) -> Prompt:
    """Load, choose a person, align and save; the file is named after the job."""
    return {
        "load": node("DisPoseLoadPoses", file=f"clip{job}.json", width=0, height=0),
        "reference": node("DisPoseLoadPoses", file="reference.json [sample]"),
        "choose": node(
            "DisPoseChoosePerson",
            **{"poses": ["load", 0], "person": "largest", "index": 0, "x": 0.5, "y": 0.5},
            frame=0,
        ),
        "align": node(
            "DisPosePoseAlign",
            **{"reference_pose": ["reference", 0], "driving_pose": ["choose", 0]},
            **{"method": "fit", "max_gap": 12, "smoothing": 0.0},
        ),
        "save": node(
            "DisPoseSavePoses",
            **{"poses": ["align", 0], "filename_prefix": f"job{job}", "binary_confidence": False},
        ),
    }


def frames_of(job: int) -> int:
    """Frames of a job's clip: long for two of three, so that kills find one at work."""
    return job if job % 3 == 0 else MOST + job


def client(server: ComfyServer, work: Work, stop: threading.Event) -> None:
    """Queue jobs two at a time and wait for them, until none is left or the server ends."""
    comfy = ComfyClient(server.url)
    waiting: dict[int, str] = {}
    try:
        while not stop.is_set():
            while len(waiting) < 3 and (job := work.take()) is not None:
                waiting[job] = ""
                waiting[job] = comfy.queue(graph(job))
            if not waiting:
                return
            job = next(iter(waiting))
            try:
                frame = comfy.wait(waiting[job], timeout=180)
                work.finish(job, frame["outputs"]["save"]["text"][0])
            except PromptInterrupted:
                work.count.interrupted += 1
                work.give_back(job)
            del waiting[job]
    except requests.RequestException:
        pass  # the server was killed
    except (NodeError, PromptRejected, TimeoutError) as e:
        work.count.faults.append(str(e).splitlines()[0])
        stop.set()
    finally:
        for job in waiting:
            work.give_back(job)


def interrupt(server: ComfyServer, work: Work, times: int, stop: threading.Event) -> None:
    """Interrupt at random moments in which a job runs."""
    comfy = ComfyClient(server.url)
    for _ in range(times):
        if stop.wait(work.random.uniform(0.2, 2.5)):
            return
        try:
            if comfy.queue_state()[0]:
                comfy.interrupt()
                work.count.interrupts += 1
        except requests.RequestException:
            return


def half_files(output: Path) -> list[Path]:
    return [path for path in output.rglob(".*") if path.suffix == ".json"]


def kill_while_writing(server: ComfyServer, work: Work, stop: threading.Event) -> None:
    """Kill the server at a moment in which a temporary file is there."""
    until = time.monotonic() + 60
    if stop.wait(work.random.uniform(1, 4)):
        return
    while time.monotonic() < until and not stop.is_set():
        if half_files(server.base / "output"):
            time.sleep(work.random.uniform(0, 0.01))
            server.process.kill()
            server.process.wait()
            work.count.kills += 1
            work.count.kills_while_writing += bool(half_files(server.base / "output"))
            return
        time.sleep(0.002)


def check(server_output: Path, work: Work, listed: list[str]) -> None:
    """Every file that can be seen is whole, and every finished job has its own."""
    faults = work.count.faults
    for path in sorted(server_output.rglob("*.json")):
        if path.name.startswith("."):
            if any(path.name in name for name in listed):
                faults.append(f"{path.name}: a half file is listed")
            continue
        job = int(path.name.removeprefix("job").partition("_")[0])
        try:
            found = len(load_poses(path)[0][0])
        except DisPoseError as e:
            faults.append(f"{path.name}: {e}")
            continue
        if found != frames_of(job):
            faults.append(f"{path.name}: {found} frames, not {frames_of(job)}")
    for job, name in work.finished.items():
        if not (server_output / name.removesuffix(" [output]")).is_file():
            faults.append(f"job {job} is done, but {name} is not there")


def write_clips(folder: Path, jobs: list[int]) -> None:
    (dance,) = load_poses(PACK / "assets" / "poses" / "driving.json")[0]
    for job in jobs:
        save_openpose(folder / f"clip{job}.json", [dance[np.arange(frames_of(job)) % len(dance)]])


def serve(base: Path, work: Work, interrupts: int, kill: bool) -> None:
    """One server, two clients; until all jobs are done or it is killed."""
    stop = threading.Event()
    with running_server(base) as server:
        if not any((base / "input").glob("clip*.json")):
            write_clips(base / "input", work.to_do[:])
        jobs = [threading.Thread(target=client, args=(server, work, stop)) for _ in range(2)]
        others = [threading.Thread(target=interrupt, args=(server, work, interrupts, stop))]
        if kill:
            others.append(threading.Thread(target=kill_while_writing, args=(server, work, stop)))
        for thread in [*jobs, *others]:
            thread.start()
        for thread in jobs:
            thread.join()
        stop.set()
        for thread in others:
            thread.join()
        listed: list[str] = []
        if server.process.poll() is None:
            info = ComfyClient(server.url).object_info("DisPoseLoadPoses")
            spec = info["DisPoseLoadPoses"]["input"]["required"]["file"]
            listed = spec[0] if isinstance(spec[0], list) else spec[1]["options"]
        check(base / "output", work, listed)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--interrupts", type=int, default=20)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    work = Work(options.jobs, options.seed)
    count = work.count
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        rounds = 0
        while (
            len(work.finished) < work.total and not count.faults and rounds < 3 * options.kills + 3
        ):
            rounds += 1
            kill = count.kills_while_writing < options.kills
            left = options.interrupts - count.interrupts
            serve(base, work, left if not kill else min(left, 3), kill)
            print(f"server {rounds}: {len(work.finished)} jobs done", flush=True)
        half = len(half_files(base / "output"))
    print(
        "| jobs | done | interrupts | interrupted | kills | of them writing | again | half files "
        "left, hidden | faults |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    print(
        f"| {work.total} | {len(work.finished)} | {count.interrupts} | {count.interrupted} | "
        f"{count.kills} | {count.kills_while_writing} | {count.again} | {half} | "
        f"{len(count.faults)} |"
    )
    print(*count.faults, sep="\n")
    sys.exit(1 if count.faults or len(work.finished) < work.total else 0)


if __name__ == "__main__":
    main()
