"""Nodes that exchange poses with video models of other packs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from typing import TypeVar

import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

from ..dispose_core.pose.exchange.convert import read_any
from ..dispose_core.pose.exchange.dwposes import write_dwposes
from ..dispose_core.pose.exchange.posedata import write_posedata
from ..dispose_core.pose.face_crops import SIZE as FACE_SIDE
from ..dispose_core.pose.openpose_json import read_openpose, write_openpose
from ..dispose_core.pose.wan_animate import Clip, WanAnimateOptions, wan_animate_set
from . import wire_types
from .comfy_adapters.memory import IMAGE, MASK, require_room
from .comfy_adapters.other_packs import has_node
from .comfy_adapters.progress import progress
from .newer_options import RARE
from .search_aliases import search_words
from .tensors import frames_to_comfy, frames_to_core

_PREPROCESS = "ComfyUI-WanAnimatePreprocess"  # its node:
_DRAW = "DrawViTPose"

T = TypeVar("T")


class ConvertPoses(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseConvertPoses",
            display_name="Convert Poses",
            category="DisPose/pose",
            description="Converts poses between the types of this pack, of ComfyUI-SCAIL-Pose and "
            "of ComfyUI-WanAnimatePreprocess, for example to correct them in the Pose Editor and "
            "hand them back. Connect one input.",
            inputs=[
                wire_types.PoseKeypoint.Input(
                    "poses",
                    optional=True,
                    tooltip="Poses of this pack, of ComfyUI's SDPose nodes or of ControlNet Aux.",
                ),
                wire_types.DwPoses.Input(
                    "dwposes",
                    optional=True,
                    tooltip="Poses of ComfyUI-SCAIL-Pose. Set width and height as well.",
                ),
                wire_types.PoseData.Input(
                    "posedata",
                    optional=True,
                    tooltip="Poses of ComfyUI-WanAnimatePreprocess or of a pack built on it; those "
                    "to draw, retargeted if they were.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=16384,
                    tooltip="Width in pixels of the image in which dwposes were found; they do "
                    "not say it. Other poses do.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=16384,
                    tooltip="Height in pixels of that image.",
                ),
            ],
            outputs=[
                wire_types.PoseKeypoint.Output(
                    display_name="poses",
                    tooltip="For the nodes of this pack, ComfyUI's SDPose nodes and ControlNet "
                    "Aux.",
                ),
                wire_types.DwPoses.Output(
                    display_name="dwposes", tooltip="For nodes of ComfyUI-SCAIL-Pose: everyone."
                ),
                wire_types.PoseData.Output(
                    display_name="posedata",
                    tooltip="For nodes of ComfyUI-WanAnimatePreprocess: the first person.",
                ),
                io.String.Output(
                    display_name="report", tooltip="How many people and frames were read."
                ),
            ],
            **search_words("posedata", "dwposes", "scail", "wan animate", "openpose"),
        )

    @classmethod
    def execute(cls, width, height, poses=None, dwposes=None, posedata=None) -> io.NodeOutput:
        canvas = (height, width) if width and height else None
        people, report = read_any(poses, dwposes, posedata, canvas)
        return io.NodeOutput(
            write_openpose(people),
            write_dwposes(people),
            write_posedata(people[0]),
            "\n".join(report),
        )


class WanAnimateSet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseWanAnimateSet",
            display_name="Wan Animate Set",
            category="DisPose/pose",
            description="Prepares a driving clip for WanAnimateToVideo: pose video, face video, "
            "and with a mask what replaces the person in the clip.",
            inputs=[
                io.Image.Input(
                    "driving_images",
                    tooltip="The frames in which the poses were found, from Prepare.",
                ),
                wire_types.PoseKeypoint.Input(
                    "driving_pose",
                    tooltip="Poses as found in these frames, with the face, from Pose Extract or "
                    "Choose Person. The first person drives.",
                ),
                wire_types.PoseKeypoint.Input(
                    "aligned_pose",
                    optional=True,
                    tooltip="Optional; poses to draw in place of driving_pose, one per frame, from "
                    "Pose Align or the Pose Editor. Not for replacing the person in the clip.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Optional; the person in the driving frames, from Person Mask, to "
                    "replace that person in the clip. Without it the reference image is animated.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Width of the video in pixels, as in WanAnimateToVideo; 0 takes it "
                    "from the poses that are drawn, or from the height.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Height of the video in pixels; 0 takes it from the poses that are "
                    "drawn, or from the width.",
                ),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=1000.0,
                    step=0.01,
                    tooltip="Frame rate of the driving frames, from Prepare, to repeat or leave "
                    "out frames so that there are 30 per second, as Wan-Animate was trained. 0 "
                    "takes all frames as they are.",
                ),
                io.Float.Input(
                    "face_smoothing",
                    default=2.0,
                    min=0.0,
                    max=30.0,
                    step=0.5,
                    tooltip="Frames over which the place of the face is averaged, before and "
                    "after; its size over twice as many. 0: the box of each frame by itself, as "
                    "Wan-Animate's own preprocessing cuts it.",
                    **RARE,
                ),
                io.Int.Input(
                    "mask_grow",
                    default=9,
                    min=0,
                    max=512,
                    tooltip="Pixels by which the mask is enlarged on every side.",
                    **RARE,
                ),
                io.Int.Input(
                    "mask_block",
                    default=32,
                    min=0,
                    max=1024,
                    tooltip="Side in pixels of the squares to which the mask is rounded up, so "
                    "that it does not show the outline of the person in the clip. 0 keeps the "
                    "outline.",
                    **RARE,
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="pose_video",
                    tooltip="Skeletons as Wan-Animate draws them, for WanAnimateToVideo.",
                ),
                io.Image.Output(
                    display_name="face_video",
                    tooltip="The face of each frame, 512×512, for WanAnimateToVideo.",
                ),
                io.Mask.Output(
                    display_name="character_mask",
                    tooltip="1 where the new person is to be, for WanAnimateToVideo. Without a "
                    "mask everywhere, as if it were not connected.",
                ),
                io.Image.Output(
                    display_name="background_video",
                    tooltip="The driving frames, black where the new person is to be, for "
                    "WanAnimateToVideo. Without a mask grey, as if it were not connected.",
                ),
                io.Int.Output(
                    display_name="length",
                    tooltip="Longest length of 4n + 1 frames that is in the clip, for "
                    "WanAnimateToVideo.",
                ),
                wire_types.PoseData.Output(
                    display_name="posedata",
                    tooltip="The same poses for nodes of ComfyUI-WanAnimatePreprocess, if that "
                    "pack is installed.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Frames without a face, and what WanAnimateToVideo cuts.",
                ),
            ],
            **search_words("wan animate", "face crop", "face video", "posedata"),
        )

    @classmethod
    def execute(
        cls,
        driving_images,
        driving_pose,
        width,
        height,
        fps,
        face_smoothing,
        mask_grow,
        mask_block,
        aligned_pose=None,
        mask=None,
    ) -> io.NodeOutput:
        made = wan_animate_set(
            read_openpose(driving_pose, "driving pose"),
            _images(driving_images),
            None if aligned_pose is None else read_openpose(aligned_pose, "aligned pose"),
            None if mask is None else _masks(mask),
            WanAnimateOptions((height, width), fps, face_smoothing, mask_grow, mask_block),
        )
        way_out = "Choose a smaller width and height, or fewer frames."
        pixels = math.prod(made.size)
        scene = 0 if mask is None else pixels * (IMAGE + MASK)
        needed = made.frames * (pixels * IMAGE + scene + FACE_SIDE**2 * IMAGE)
        height, width = made.size
        require_room(f"{made.frames} frames of {width}×{height} and faces", needed, way_out)
        total = made.frames * (2 if mask is None else 3)
        tick, done = progress(total), count(1)

        def counted(frames: Iterator[T]) -> Iterator[T]:
            for frame in frames:
                yield frame
                tick(next(done), total)

        poses = frames_to_comfy(counted(made.poses), made.frames)
        faces = frames_to_comfy(counted(made.faces), made.frames)
        region, background = _scenes(made.scenes and counted(made.scenes), made.frames, made.size)
        missing = "" if has_node(_DRAW) else ", which is not installed here"
        report = [*made.report, f"posedata: for {_PREPROCESS}{missing}"]
        return io.NodeOutput(
            poses, faces, region, background, made.length, made.posedata, "\n".join(report)
        )


def _images(images: Tensor) -> Clip:
    def read(frame: int) -> np.ndarray:
        return next(iter(frames_to_core(images[frame : frame + 1])))

    return Clip(len(images), tuple(images.shape[1:3]), read)


def _masks(mask: Tensor) -> Clip:
    mask = mask.reshape(-1, *mask.shape[-2:])
    return Clip(len(mask), tuple(mask.shape[1:]), lambda frame: mask[frame].cpu().float().numpy())


def _scenes(
    scenes: Iterator[tuple[np.ndarray, np.ndarray]] | None, frames: int, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Regions and backgrounds -> MASK and IMAGE; without them what WanAnimateToVideo assumes."""
    if scenes is None:
        return torch.ones(1, *size), torch.full((1, *size, 3), 0.5)
    regions, backgrounds = torch.empty(frames, *size), torch.empty(frames, *size, 3)
    for i, (region, background) in enumerate(scenes):
        regions[i], backgrounds[i] = torch.from_numpy(region), torch.from_numpy(background)
    return regions, backgrounds.div_(255)
