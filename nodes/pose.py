"""Nodes that load, save, align and draw poses."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.pose.alignment.align import AlignOptions, align_poses
from ..dispose_core.pose.fit import fit_to_drawing
from ..dispose_core.pose.openpose_json import (
    read_openpose,
    save_openpose,
    write_openpose,
)
from ..dispose_core.pose.pose_files import CanvasSize, frame_files, load_poses
from ..dispose_core.pose.render import BACKGROUNDS, STYLES, DrawOptions, render_poses
from ..dispose_core.pose.sequence import joined
from . import wire_types
from .comfy_adapters import files
from .comfy_adapters.memory import IMAGE, require_images
from .comfy_adapters.progress import interruptible, progress
from .newer_options import RARE
from .search_aliases import search_words
from .tensors import frames_to_comfy


class LoadPoses(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseLoadPoses",
            display_name="Load Poses",
            category="DisPose/pose",
            description="Loads poses from a JSON file: OpenPose's format, which this pack and most "
            "pose tools save, or the results of AlphaPose, mmpose and COCO programs.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files.pose_files(),
                    tooltip="A JSON file in ComfyUI's input or output folder, a folder with one "
                    "file per frame, or one of the samples that come with the pack. Press R to "
                    "refresh the list.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=16384,
                    optional=True,
                    tooltip="Width in pixels of the image in which the poses were found, for files "
                    "that do not say it. 0: the file says it.",
                    **RARE,
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=16384,
                    optional=True,
                    tooltip="Height in pixels of that image. 0: the file says it.",
                    **RARE,
                ),
            ],
            outputs=[
                wire_types.PoseKeypoint.Output(
                    display_name="poses", tooltip="One pose per frame, with everyone in the file."
                ),
                io.Int.Output(display_name="frames", tooltip="Number of frames in the file."),
                io.String.Output(
                    display_name="report", tooltip="The format in which the file was read."
                ),
            ],
            **search_words("openpose json", "keypoints", "alphapose", "mmpose", "coco"),
        )

    @classmethod
    def execute(cls, file: str, width: int = 0, height: int = 0) -> io.NodeOutput:
        canvas = CanvasSize(height, width) if width and height else None
        tick = progress(1)
        people, report = load_poses(files.pose_path(file), canvas, tick)
        return io.NodeOutput(write_openpose(people, tick), len(people[0]), "\n".join(report))

    @classmethod
    def validate_inputs(cls, file: str) -> bool | str:
        # Naming the input here also stops ComfyUI from rejecting files that are newer than its
        # file list.
        return files.problem_with(file) or True

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: int) -> tuple[int, int]:
        path = files.pose_path(file)
        # A folder's own time does not change with the files in it.
        stats = [each.stat() for each in (frame_files(path) if path.is_dir() else [path])]
        return max((stat.st_mtime_ns for stat in stats), default=0), sum(s.st_size for s in stats)


class SavePoses(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseSavePoses",
            display_name="Save Poses",
            category="DisPose/pose",
            description="Saves poses as an OpenPose JSON file in ComfyUI's output folder.",
            inputs=[
                wire_types.PoseKeypoint.Input(
                    "poses", tooltip="The poses to save, of a clip or of one image."
                ),
                io.String.Input(
                    "filename_prefix",
                    default="poses/DisPose",
                    tooltip="Start of the file name. ComfyUI's placeholders work, for example "
                    "poses/%date:yyyy-MM-dd%/dance.",
                ),
                io.Boolean.Input(
                    "binary_confidence",
                    default=False,
                    optional=True,
                    tooltip="Write confidence 1 for every point that was found and 0 for all "
                    "others. Needed for ControlNet Aux, which leaves out every point with a "
                    "confidence below 1.",
                    **RARE,
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="file", tooltip="Name of the saved file, as Load Poses accepts it."
                ),
                wire_types.PoseKeypoint.Output(
                    display_name="poses",
                    tooltip="The poses as they were saved, for pose nodes of other packs.",
                ),
            ],
            is_output_node=True,
            **search_words("openpose json", "keypoints"),
        )

    @classmethod
    def execute(cls, poses, filename_prefix: str, binary_confidence: bool = False) -> io.NodeOutput:
        tick = progress(1)
        people = read_openpose(poses, on_frame=tick)
        if binary_confidence:
            people = [person.with_binary_scores() for person in people]
        path = files.next_output(filename_prefix, ".json")
        saved = save_openpose(path, people, tick)
        name = files.output_name(path)
        return io.NodeOutput(name, saved, ui={"text": [name]})


class PoseAlign(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPosePoseAlign",
            display_name="Pose Align",
            category="DisPose/pose",
            description="Fits the driving poses to the size and position of the reference person.",
            inputs=[
                wire_types.PoseKeypoint.Input(
                    "reference_pose",
                    tooltip="Pose of the reference image (one frame), from Pose Extract or Load "
                    "Poses.",
                ),
                wire_types.PoseKeypoint.Input(
                    "driving_pose",
                    tooltip="Poses of the driving frames from Prepare, one per frame.",
                ),
                io.Combo.Input(
                    "method",
                    options=["fit", "limbs", "none"],
                    default="fit",
                    tooltip="fit: scale and move the whole clip so that head, shoulders, hips and "
                    "legs match the reference. limbs: also keep the reference's bone lengths and "
                    "take only the limb directions from the driving poses, for example when an "
                    "adult drives a child. none: use the poses as they are, if they already match "
                    "the reference.",
                ),
                io.Int.Input(
                    "max_gap",
                    default=12,
                    min=0,
                    max=1000,
                    tooltip="Longest gap to fill, in frames. Missing points are interpolated "
                    "across gaps up to this length; in longer gaps they stay missing.",
                    **RARE,
                ),
                io.Float.Input(
                    "smoothing",
                    default=0.0,
                    min=0.0,
                    max=30.0,
                    step=0.5,
                    tooltip="Number of frames over which a point at rest is averaged, at 24 frames "
                    "per second. Moving points are averaged less, points with low confidence "
                    "more. 0 is off; 2 halves the jitter.",
                ),
                io.Float.Input(
                    "fps",
                    default=24.0,
                    min=0.1,
                    max=1000.0,
                    step=0.01,
                    optional=True,
                    tooltip="Frame rate of the driving poses, from Prepare. Only used by the "
                    "smoothing.",
                    **RARE,
                ),
                io.Boolean.Input(
                    "hold",
                    default=True,
                    optional=True,
                    tooltip="Where nobody is found, hold the last pose. Off: the figure goes back "
                    "to the reference image there.",
                    **RARE,
                ),
            ],
            outputs=[
                wire_types.PoseKeypoint.Output(
                    display_name="poses",
                    tooltip="The aligned poses, for Motion Field and Pose Render.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="How the poses were fitted, and which gaps were filled.",
                ),
            ],
            **search_words("retarget", "rescale", "smooth", "fill gaps"),
        )

    @classmethod
    def execute(
        cls, reference_pose, driving_pose, method, max_gap, smoothing, fps=24.0, hold=True
    ) -> io.NodeOutput:
        tick = progress(1)
        reference = read_openpose(reference_pose, "reference_pose")
        driving = read_openpose(driving_pose, "driving_pose", on_frame=tick)
        options = AlignOptions(method, max_gap, smoothing, fps, hold)
        aligned, report = interruptible(
            lambda: align_poses(reference, driving, reference[0].canvas, options)
        )
        return io.NodeOutput(write_openpose(aligned, tick), "\n".join(report))


class PoseRender(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPosePoseRender",
            display_name="Pose Render",
            category="DisPose/pose",
            description="Draws poses as skeleton images, in the style that the video model was "
            "trained on: MimicMotion's, DWPose's, Wan-Animate's and others.",
            inputs=[
                wire_types.PoseKeypoint.Input(
                    "poses", tooltip="Poses to draw, from Pose Align, one image each."
                ),
                wire_types.PoseKeypoint.Input(
                    "reference_pose",
                    optional=True,
                    tooltip="Optional; drawn as the first image. Connect it for Apply Pose "
                    "Guidance, but not for other ControlNets.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Width of the images in pixels; 0 takes it from the poses, or from the "
                    "height.",
                    **RARE,
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Height of the images in pixels; 0 takes it from the poses, or from "
                    "the width.",
                    **RARE,
                ),
                io.Boolean.Input("body", default=True, tooltip="Draw the body: limbs and joints."),
                io.Boolean.Input("hands", default=True, tooltip="Draw the hands."),
                io.Boolean.Input("face", default=True, tooltip="Draw the face keypoints."),
                io.Combo.Input(
                    "style",
                    options=list(STYLES),
                    default="mimicmotion",
                    optional=True,
                    tooltip=STYLES.summaries(),
                ),
                io.Combo.Input(
                    "background",
                    options=list(BACKGROUNDS),
                    default="black",
                    optional=True,
                    tooltip="Colour behind the skeletons. All models named here expect black.",
                    **RARE,
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images",
                    tooltip="One skeleton image per pose, the reference pose first if it is "
                    "connected.",
                )
            ],
            **search_words("draw skeleton", "openpose image", "dwpose", "wan animate", "vace"),
        )

    @classmethod
    def execute(
        cls,
        poses,
        width,
        height,
        body,
        hands,
        face,
        reference_pose=None,
        style="mimicmotion",
        background="black",
    ) -> io.NodeOutput:
        people = read_openpose(poses)
        if reference_pose is not None:
            people = joined(read_openpose(reference_pose, "reference_pose"), people)
        people = fit_to_drawing(people, width, height)
        size = people[0].canvas
        total = len(people[0])
        require_images(
            "skeletons", total, size, IMAGE, "Choose a smaller width and height, or fewer poses."
        )
        options = DrawOptions(body, hands, face, style, background)
        return io.NodeOutput(
            frames_to_comfy(render_poses(people, size, options, progress(total)), total)
        )
