"""What the commands do: files in, files out, a summary back.

Every function takes the options that `cli.py` parsed and returns what `--json` prints; its
`report` holds the sentences for people.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from torch import Tensor
from tqdm import tqdm

from .contact_sheet import contact_sheet
from .motion.densify import motion_field
from .motion.field import MotionField
from .motion.preview import preview_frames
from .motion.skinning import SkinningDensifier
from .motion.visualize import motion_pictures
from .picture import read_picture, write_picture
from .pose.align import AlignOptions, align_poses
from .pose.detect import create_detector, detect_reference, extract_poses
from .pose.openpose import load_openpose, save_openpose
from .pose.render import render_poses
from .pose.sequence import PoseSequence, make_clip
from .prepare import describe_fit, fit_poses, fit_size, frame_stride, resize_crop
from .progress import Progress
from .video import count_frames, probe, read_frames, write_video

ASSETS = Path(__file__).parents[1] / "assets"
RESOLUTION = 576  # short side the released weights were trained with (SPEC 0)
SHEET_MOMENTS = 6


@dataclass(frozen=True)
class Reference:
    """The picture to animate, fitted, and the person in it."""

    picture: Tensor  # (3, H, W) 0…1
    people: list[PoseSequence]
    report: list[str]


def pose(options: Namespace) -> dict:
    """Poses of a picture or video -> OpenPose JSON."""
    started = time.monotonic()
    info = probe(options.input)
    if info.frames == 1:
        (picture,) = read_frames(options.input)
        people, report = detect_reference(create_detector(options.detector), picture), []
    else:
        people, report, _ = _detect_clip(options.input, options)
    save_openpose(options.output, people)
    report += [f"{len(people[0])} poses written to {options.output}"]
    return _summary(options, started, report, frames=len(people[0]), people=len(people))


def motion(options: Namespace) -> dict:
    """Reference and driving video or poses -> motion field."""
    started = time.monotonic()
    reference = _load_reference(options)
    field, _, report, fps = _make_field(options, reference)
    with _bar("writing") as bar:
        field.save(options.output, on_entry=bar)
    report.append(f"motion of {len(field) - 1} poses written to {options.output}")
    return _summary(
        options,
        started,
        report,
        frames=len(field) - 1,
        valid=int(field.valid[1:].sum()),
        size=[field.size[1], field.size[0]],
        fps=fps and float(fps),
    )


def preview(options: Namespace) -> dict:
    """Reference and motion field -> moving picture."""
    started = time.monotonic()
    field = MotionField.load(options.field)
    source = read_picture(options.reference)
    picture = resize_crop(source, field.size)
    mask = resize_crop(read_picture(options.mask), field.size).mean(0) if options.mask else None
    report = [describe_fit(tuple(source.shape[-2:]), field.size)]
    report += _write_preview(options.output, picture, field, mask, options.fps)
    report.append(f"{len(field) - 1} frames written to {options.output}")
    return _summary(options, started, report, frames=len(field) - 1)


def demo(options: Namespace) -> dict:
    """The main job, with a file of every stage."""
    started = time.monotonic()
    options.reference = options.reference or ASSETS / "reference.png"
    options.driving = options.driving or ASSETS / "driving.mp4"
    options.poses = options.reference_pose = None
    folder = options.output
    reference = _load_reference(options)
    field, aligned, report, fps = _make_field(options, reference)
    size, fps = field.size, fps or Fraction(24)

    save_openpose(folder / "poses.json", aligned)
    with _bar("poses.mp4") as bar:
        write_video(folder / "poses.mp4", render_poses(aligned, size, on_frame=bar), fps)
    with _bar("motion.mp4", len(field) - 1) as bar:
        pictures = motion_pictures(reference.picture, field, range(1, len(field)))
        write_video(folder / "motion.mp4", _ticking(pictures, bar), fps)
    report += _write_preview(folder / "preview.mp4", reference.picture, field, None, fps)
    _write_sheet(folder, reference.picture, options, len(field) - 1)

    names = ("poses.json", "poses.mp4", "motion.mp4", "preview.mp4", "sheet.png")
    report += [
        f"done in {time.monotonic() - started:.0f} s:",
        *(f"  {folder / name}" for name in names),
        "Open sheet.png first. To go on in ComfyUI: put this folder into custom_nodes, start "
        "ComfyUI, and choose DisPose > motion_preview under Workflow > Browse Templates.",
    ]
    files = [str(folder / name) for name in names]
    return _summary(options, started, report, frames=len(field) - 1, files=files)


def _load_reference(options: Namespace) -> Reference:
    source = read_picture(options.reference)
    source_size = tuple(source.shape[-2:])
    size = options.size or fit_size(source_size, RESOLUTION)
    picture = resize_crop(source, size)
    if options.reference_pose:
        people = fit_poses(load_openpose(options.reference_pose), source_size, size)
    else:
        pixels = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
        people = detect_reference(create_detector(options.detector), pixels)
    return Reference(picture, people, [describe_fit(source_size, size)])


def _make_field(
    options: Namespace, reference: Reference
) -> tuple[MotionField, list[PoseSequence], list[str], Fraction | None]:
    """The field, the aligned poses, the report, and the frame rate where a video was read."""
    report, fps = list(reference.report), None
    if options.poses:
        driving = load_openpose(options.poses)
    else:
        driving, lines, fps = _detect_clip(options.driving, options)
        report += lines
    size = tuple(reference.picture.shape[-2:])
    aligned, lines = align_poses(
        reference.people, driving, size, AlignOptions(method=options.method)
    )
    clip = make_clip(reference.people[0], aligned[0])
    with _bar("motion", len(clip)) as bar:
        field = motion_field(reference.picture, clip, SkinningDensifier(), on_entry=bar)
    return field, aligned, [*report, *lines, *field.report], fps


def _detect_clip(
    source: Path, options: Namespace
) -> tuple[list[PoseSequence], list[str], Fraction]:
    info = probe(source)
    stride = frame_stride(info.fps, options.stride)
    available = -(-count_frames(info, options.start, options.duration) // stride)
    total = min(available, options.max_frames or available)
    frames = read_frames(source, stride, options.start, options.duration, options.max_frames)
    with _bar("poses", total) as bar:
        detector = create_detector(options.detector)
        people, report = extract_poses(detector, frames, total, on_frame=bar, name=str(source))
    return people, [*info.notes, *report], info.fps / stride


def _write_preview(
    path: Path, picture: Tensor, field: MotionField, mask: Tensor | None, fps: float | Fraction
) -> list[str]:
    with _bar(path.name, len(field) - 1) as bar:
        frames = preview_frames(picture, field, range(1, len(field)), mask, bar)
        notes = write_video(path, (f.picture.permute(1, 2, 0).numpy() for f in frames), fps)
    return list(notes)


def _write_sheet(folder: Path, picture: Tensor, options: Namespace, frames: int) -> None:
    """Driver, skeleton, motion and preview at a few moments, read back from the files."""
    moments = np.unique(np.linspace(0, frames - 1, SHEET_MOMENTS).round().astype(int)).tolist()
    info = probe(options.driving)
    stride = frame_stride(info.fps, options.stride)
    driver = read_frames(
        options.driving, stride, options.start, options.duration, options.max_frames
    )
    rows = {"driver": _pick(driver, moments)}
    for name in ("poses", "motion", "preview"):
        rows[name] = _pick(read_frames(folder / f"{name}.mp4"), moments)
    still = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
    write_picture(folder / "sheet.png", contact_sheet(still, rows, moments))


def _pick(frames: Iterable[np.ndarray], wanted: list[int]) -> list[np.ndarray]:
    return [frame for i, frame in enumerate(frames) if i in wanted]


def _summary(options: Namespace, started: float, report: list[str], **facts) -> dict:
    return {
        "command": options.command,
        "output": str(options.output),
        **facts,
        "seconds": round(time.monotonic() - started, 2),
        "report": report,
    }


class _bar:
    """A progress bar on stderr that is also a `Progress`."""

    def __init__(self, name: str, total: int | None = None) -> None:
        self.bar = tqdm(total=total, desc=name, unit="frame", dynamic_ncols=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def __call__(self, done: int, total: int) -> None:
        if self.bar.total != total:
            self.bar.total = total
        self.bar.update(done - self.bar.n)


def _ticking(frames: Iterable[np.ndarray], on_frame: Progress) -> Iterator[np.ndarray]:
    for done, frame in enumerate(frames, 1):
        yield frame
        on_frame(done, done)
