"""Compare the frames read from files that FFmpeg writes with FFmpeg's own list of frames.

Writes a clip of numbered frames with many containers, codecs, rotations, rates and starts, reads
each with `read_frames`, and compares order, number, duration and rate. Needs the programs `ffmpeg`
and `ffprobe`; files that this FFmpeg cannot write or read are listed, as are those that it cannot
time itself. Frames of AVI and ASF files with B-frames begin late by their delay, because these
formats store times of decoding only; the library counts from the first frame.

    python benchmarks/ffmpeg_files.py [--keep FOLDER] [--only TEXT]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from dispose_core.errors import DisPoseError
from dispose_core.media.video_read import probe, read_frames

WIDTH, HEIGHT, COUNT = 176, 144, 24  # H.263 knows few sizes
LEVELS = 8  # of grey between two frames
X264, X264_B = "-c:v libx264 -g 8 -bf 0", "-c:v libx264 -g 8 -bf 2"
X265, MPEG4_B = "-c:v libx265 -x265-params log-level=none:bframes=3", "-c:v mpeg4 -q:v 2 -bf 2 -g 8"
MPEG2_B, VP8, VP9 = "-c:v mpeg2video -q:v 2 -bf 2 -g 8", "-c:v libvpx -crf 8", "-c:v libvpx-vp9"
PIPE = "-live 1 -f webm"  # as a browser records: no duration, no index
UNTOLD = Fraction(25)  # what FFmpeg assumes for a bare stream whose header tells no rate
FRAGMENTS = "-movflags +frag_keyframe+empty_moov+default_base_moof"


@dataclass(frozen=True)
class Case:
    """A file to write: options of the output and of a second pass by copying."""

    name: str
    options: str
    fps: Fraction = Fraction(24)
    copy: str = ""
    sound: bool = False


def cases() -> list[Case]:
    """All files that are tried."""
    codecs = {
        "h264": X264,
        "h264b": X264_B,
        "hevc": X265,
        "mpeg4b": MPEG4_B,
        "mpeg2b": MPEG2_B,
        "mjpeg": "-c:v mjpeg -q:v 2",
        "vp8": VP8,
        "vp9": VP9,
        "av1": "-c:v libsvtav1",
        "ffv1": "-c:v ffv1",
        "prores": "-c:v prores_ks",
        "h263": "-c:v h263 -q:v 2",
        "flv1": "-c:v flv -q:v 2",
        "wmv2": "-c:v wmv2 -q:v 2",
        "theora": "-c:v libtheora -q:v 9",
        "raw": "-c:v rawvideo",
    }
    holds = {
        "mp4": "h264 h264b hevc mpeg4b mpeg2b vp9 av1",
        "mov": "h264b hevc prores mjpeg mpeg4b raw",
        "mkv": "h264 h264b hevc mpeg4b mpeg2b vp8 vp9 av1 ffv1 theora raw",
        "webm": "vp8 vp9 av1",
        "avi": "h264 h264b mpeg4b mpeg2b mjpeg ffv1 vp8 raw",
        "ts": "h264 h264b hevc mpeg2b mpeg4b",
        "m2ts": "h264b",
        "mpg": "mpeg2b",
        "vob": "mpeg2b",
        "flv": "h264 h264b flv1",
        "ogv": "theora vp8",
        "wmv": "wmv2 h264b",
        "asf": "mpeg4b",
        "3gp": "h263 h264",
        "nut": "h264b mpeg4b",
        "ivf": "vp8 vp9 av1",
        "h264": "h264 h264b",
        "hevc": "hevc",
        "m4v": "mpeg4b",
        "m2v": "mpeg2b",
        "mjpeg": "mjpeg",
        "obu": "av1",
        "swf": "flv1",
        "mxf": "mpeg2b",
    }
    found = [
        Case(
            f"{codec}.{kind}",
            codecs[codec],
            UNTOLD if kind in ("mjpeg", "obu") else Fraction(24),
        )
        for kind, names in holds.items()
        for codec in names.split()
    ]
    for kind, codec in [("mkv", X264_B), ("mp4", X264_B), ("webm", VP9), ("ts", MPEG2_B)]:
        found += [
            Case(f"rate_{fps.numerator}_{fps.denominator}.{kind}", codec, fps)
            for fps in (Fraction(24000, 1001), Fraction(30000, 1001), Fraction(25, 2), Fraction(60))
            if (kind, fps) != ("ts", Fraction(25, 2))  # not a rate of MPEG-2
        ]
        found += [
            Case(f"starts_at_21.{kind}", f"{codec} -output_ts_offset 21"),
            Case(f"starts_before_0.{kind}", f"{codec} -output_ts_offset -0.5"),
            Case(f"starts_at_21_sound.{kind}", f"{codec} -output_ts_offset 21", sound=True),
            Case(f"sound_longer.{kind}", codec, sound=True),
        ]
    for kind in ("avi", "flv", "wmv", "nut", "mpg", "ogv"):
        codec = {"mpg": MPEG2_B, "ogv": "-c:v libtheora -q:v 9"}.get(kind, MPEG4_B)
        codec = X264_B if kind == "flv" else codec
        found += [
            Case(f"sound_longer.{kind}", codec, sound=True),
            Case(f"starts_at_21.{kind}", f"{codec} -output_ts_offset 21"),
            Case(f"rate_30000_1001.{kind}", codec, Fraction(30000, 1001)),
        ]
    found += [
        Case("recorded_vp8.webm", f"{VP8} {PIPE}"),
        Case("recorded_vp9.webm", f"{VP9} {PIPE}"),
        Case("recorded_sound.webm", f"{VP8} {PIPE}", sound=True),
        Case("recorded_h264.mkv", f"{X264} -live 1"),
        Case("recorded_b.mkv", f"{X264_B} -live 1 -output_ts_offset 5"),
        Case("fragments.mp4", f"{X264_B} {FRAGMENTS}"),
        Case("fragments_sound.mp4", f"{X264_B} {FRAGMENTS}", sound=True),
        Case("fragments_30.mp4", f"{X264} {FRAGMENTS}", Fraction(30)),
        Case("no_duration.flv", f"{X264_B} -flvflags no_duration_filesize"),
        Case("packed_b.avi", f"{MPEG4_B} -vtag DIVX"),
        Case("lying.mp4", X264_B, copy="-metadata:s:v rotate=90"),
        Case("upside_down.mov", X264_B, copy="-metadata:s:v rotate=180"),
        Case("wide_pixels.mp4", f"{X264_B} -vf setsar=64/45"),
        Case("narrow_pixels.mkv", f"{X264_B} -vf setsar=9/16"),
        Case("narrow_pixels.ts", f"{MPEG2_B} -aspect 4:3"),
        Case("narrow_pixels.avi", f"{MPEG4_B} -vf setsar=9/16"),
        Case("wide_pixels_lying.mp4", f"{X264_B} -vf setsar=4/3", copy="-metadata:s:v rotate=90"),
        Case("cut.mp4", X264_B, copy="-ss 0.5"),
        Case("cut.mkv", X264_B, copy="-ss 0.5"),
        Case("cut.ts", X264_B, copy="-ss 0.5"),
        Case("cut_negative.mkv", X264_B, copy="-ss 0.5 -avoid_negative_ts disabled"),
        Case("cut_end.mp4", X264_B, copy="-t 0.33"),
        Case("no_b_edit_list.mp4", f"{X264_B} -use_editlist 0"),
        Case("negative_cts.mp4", f"{X264_B} -movflags +negative_cts_offsets"),
        Case("open_gop.ts", f"{X264_B} -x264-params open-gop=1"),
        Case("interlaced.ts", f"{MPEG2_B} -flags +ildct+ilme"),
        Case("interlaced.mkv", "-c:v libx264 -x264-params interlaced=1 -bf 2"),
        Case("ten_bit.mkv", "-c:v ffv1 -pix_fmt yuv420p10le"),
        Case("three_frames.webm", f"{VP8} {PIPE} -frames:v 3"),
        Case("one_frame.webm", f"{VP8} {PIPE} -frames:v 1"),
    ]
    return found


def write(case: Case, folder: Path) -> str | None:
    """Write the file; returns FFmpeg's complaint if it cannot."""
    path = folder / case.name
    first = path.with_name(f"whole_{path.name}") if case.copy else path
    pixels = b"".join(
        np.full((HEIGHT, WIDTH), 20 + LEVELS * n, np.uint8).tobytes()
        + b"\x80" * (WIDTH * HEIGHT // 2)
        for n in range(COUNT)
    )
    sound = "-f lavfi -i sine=d=3 " if case.sound else ""
    command = (
        f"ffmpeg -v error -y -f rawvideo -pix_fmt yuv420p -s {WIDTH}x{HEIGHT} "
        f"-r {case.fps} -i - {sound}{case.options} {first}"
    )
    done = subprocess.run(command.split(), input=pixels, capture_output=True, check=False)
    if done.returncode == 0 and case.copy:
        command = f"ffmpeg -v error -y -i {first} -c copy {case.copy} {path}"
        done = subprocess.run(command.split(), capture_output=True, check=False)
    if done.returncode or not path.is_file() or not path.stat().st_size:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "nothing written"
    return None


def frames_of_ffmpeg(path: Path, fps: Fraction) -> tuple[list[int], list[str | None]]:
    """Numbers of the frames that FFmpeg shows in each period, and the times of all frames."""
    rgb = "-vf scale=8:8 -pix_fmt rgb24 -f rawvideo -"
    command = f"ffmpeg -v error -noautorotate -i {path} -map 0:v:0 -fps_mode passthrough {rgb}"
    raw = subprocess.run(command.split(), capture_output=True, check=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, 8 * 8 * 3).mean(1)
    command = (
        f"ffprobe -v error -select_streams v:0 -show_entries "
        f"frame=best_effort_timestamp_time -of json {path}"
    )
    listed = json.loads(subprocess.run(command.split(), capture_output=True, check=True).stdout)
    times = [frame.get("best_effort_timestamp_time") for frame in listed["frames"]]
    numbers = [number(value) for value in frames]
    if None not in times:
        # A frame is shown until the next one: where a cut took one out, for two.
        gaps = [*np.diff([float(t) for t in times]), 0.0]
        held = [max(1, round(gap * float(fps))) for gap in gaps]
        numbers = [n for n, periods in zip(numbers, held, strict=True) for _ in range(periods)]
    return numbers, times


def number(grey: float) -> int:
    """Which frame has this mean in full-range RGB."""
    return round((16 + grey * 219 / 255 - 20) / LEVELS)


def numbers_of(path: Path, **range_: float) -> list[int]:
    """Numbers of the frames as the library reads them."""
    return [number(float(frame.mean())) for frame in read_frames(path, **range_)]


def compare(case: Case, folder: Path) -> list[str]:
    """Differences between the library and FFmpeg for one file."""
    path = folder / case.name
    try:
        theirs, times = frames_of_ffmpeg(path, case.fps)
    except subprocess.CalledProcessError:
        return ["(FFmpeg cannot read its own file)"]
    try:
        info = probe(path)
        ours = numbers_of(path)
    except DisPoseError as error:
        return [f"{type(error).__name__}: {error}"]
    found = []
    if ours != theirs:
        found.append(f"frames {ours}, FFmpeg {theirs}")
    # Where a cut took frames out, fewer are stored than are shown.
    if not len(times) <= info.num_frames <= len(theirs):
        found.append(f"{info.num_frames} frames announced, FFmpeg {len(theirs)}")
    if not -0.6 < (info.duration * case.fps) - info.num_frames < 0.6:
        found.append(f"{info.num_frames} frames, but lasts {info.duration:.3f} s")
    if abs(float(info.fps / case.fps) - 1) > 0.005:
        found.append(f"{float(info.fps):.4g} fps, should be {float(case.fps):.4g}")
    if None in times:
        found.append(f"(FFmpeg's own times: {times[:5]}...)")
    start = 10.2 / case.fps
    if len(theirs) > 12 and not any("frames [" in line for line in found):
        later = numbers_of(path, start=float(start))
        if later != theirs[10:]:
            found.append(f"from frame 10 on: {later}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="write the files here and keep them")
    parser.add_argument("--only", default="", help="only files with this in their name")
    options = parser.parse_args()
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        raise SystemExit("ffmpeg and ffprobe are needed; neither is part of this pack.")
    right = wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for case in cases():
            if options.only not in case.name:
                continue
            complaint = write(case, folder)
            if complaint:
                print(f"{case.name}: cannot be written ({complaint})")
                continue
            found = compare(case, folder)
            faults = [line for line in found if not line.startswith("(")]
            right, wrong = right + (not faults), wrong + bool(faults)
            for line in found:
                print(f"{case.name}: {line}")
    print(f"{right} files read as FFmpeg does, {wrong} not")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
