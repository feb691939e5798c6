"""Finding people in the graph: the detector and what it finds."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.pose.detect import DETECTORS, create_detector, extract_poses
from ..dispose_core.pose.openpose import write_openpose
from ..dispose_core.pose.render import render_poses
from . import types
from .convert import frames_to_comfy, frames_to_core
from .host.progress import progress


class PoseDetectorLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPosePoseDetectorLoader",
            display_name="Pose Detector Loader",
            category="DisPose/pose",
            description="Loads what finds people in pictures. Poses can also come from any node "
            "that gives POSE_KEYPOINT, or from a file: then this is not needed.",
            inputs=[
                io.Combo.Input(
                    "backend",
                    options=list(DETECTORS),
                    default="mediapipe",
                    tooltip="mediapipe: body, face and hands of one person on the CPU; carries its "
                    "own models. It is installed separately: see the README.",
                ),
                io.Boolean.Input(
                    "smoothing",
                    default=True,
                    tooltip="Take the tremble off the points that were found in a clip.",
                ),
            ],
            outputs=[
                types.PoseDetector.Output(
                    display_name="detector", tooltip="Connect it to Pose Extract."
                )
            ],
        )

    @classmethod
    def execute(cls, backend: str, smoothing: bool) -> io.NodeOutput:
        return io.NodeOutput(create_detector(backend, smoothing=smoothing))


class PoseExtract(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPosePoseExtract",
            display_name="Pose Extract",
            category="DisPose/pose",
            description="Finds the person in a picture, or in every frame of a clip.",
            inputs=[
                io.Image.Input(
                    "images", tooltip="The fitted reference, or the sampled driving frames."
                ),
                types.PoseDetector.Input("detector", tooltip="From Pose Detector Loader."),
                io.Boolean.Input("hands", default=True, tooltip="Keep the finger joints."),
                io.Boolean.Input("face", default=True, tooltip="Keep the 68 points of the face."),
                io.Float.Input(
                    "threshold",
                    default=0.3,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Points found with less confidence count as missing.",
                ),
            ],
            outputs=[
                types.PoseKeypoint.Output(
                    display_name="poses", tooltip="One pose a picture, for Pose Align."
                ),
                io.Image.Output(display_name="skeletons", tooltip="What was found, drawn."),
                io.String.Output(
                    display_name="report", tooltip="Frames in which nobody was found, by number."
                ),
            ],
        )

    @classmethod
    def execute(cls, images, detector, hands, face, threshold) -> io.NodeOutput:
        people, report = extract_poses(
            detector,
            frames_to_core(images),
            total=len(images),
            threshold=threshold,
            hands=hands,
            face=face,
            on_frame=progress(len(images)),
            name="images",
        )
        skeletons = render_poses(people, people[0].canvas)
        return io.NodeOutput(write_openpose(people), frames_to_comfy(skeletons), "\n".join(report))
