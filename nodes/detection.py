"""Nodes for pose detectors and pose detection."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.errors import DisPoseError
from ..dispose_core.pose.detect import extract_poses
from ..dispose_core.pose.detectors.registry import DETECTORS, create_detector
from ..dispose_core.pose.openpose_json import write_openpose
from ..dispose_core.pose.person_mask import person_masks
from ..dispose_core.pose.render import render_poses
from ..dispose_core.pose.tracking.person_selection import PersonChoice
from . import wire_types
from .comfy_adapters import files, model_management
from .comfy_adapters.memory import IMAGE, MASK, require_images
from .comfy_adapters.progress import progress
from .person import person_inputs
from .search_aliases import search_words
from .tensors import frames_to_comfy, frames_to_core, masks_to_comfy

FEWER_IMAGES = "Use fewer or smaller images; 720p is enough to detect poses."
MASK_THRESHOLD = 0.3  # Pose Extract's default, so that both choose the same person


def file_inputs() -> list[io.Combo.Input]:
    """Inputs that choose a file, for the roles that have one."""
    return [
        io.Combo.Input(
            role.node_input,
            **files.weight_choice(role.folder, role.catalog_role, role.names[0]),
            optional=True,
            tooltip=f"{role.summary} for {spec.name}: {' or '.join(role.names)}. "
            "Other backends ignore it.",
        )
        for spec in DETECTORS.values()
        for role in spec.files
        if role.node_input is not None
    ]


class PoseDetectorLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPosePoseDetectorLoader",
            display_name="Pose Detector Loader",
            category="DisPose/pose",
            description="Loads a detector that finds people in images. Not needed if the poses "
            "come from a file or from another node that outputs POSE_KEYPOINT.",
            inputs=[
                io.Combo.Input(
                    "backend",
                    options=list(DETECTORS),
                    default="dwpose",
                    tooltip=DETECTORS.summaries(),
                ),
                *file_inputs(),
                io.Boolean.Input(
                    "smoothing",
                    default=True,
                    tooltip="Reduce jitter in a clip; only for mediapipe. With other backends, "
                    "set the smoothing in Pose Align.",
                ),
            ],
            outputs=[
                wire_types.PoseDetector.Output(
                    display_name="detector", tooltip="Connect it to Pose Extract."
                )
            ],
            **search_words("dwpose", "openpose", "mediapipe", "pose estimation"),
        )

    @classmethod
    def validate_inputs(cls, backend) -> bool | str:
        try:
            return files.problem_with_roles(DETECTORS[backend].files) or True
        except DisPoseError as e:  # a backend of a pack that is not installed here
            return str(e)

    @classmethod
    def execute(cls, backend, smoothing, **named) -> io.NodeOutput:
        spec = DETECTORS[backend]
        paths = {}
        for role in spec.files:
            name = named.get(role.node_input)
            # A graph may name one of the published files where the user has another.
            if name and (name not in role.names or files.is_there(role.folder, name)):
                paths[role.argument] = files.weight_path(role.folder, name)
            else:
                paths[role.argument] = files.published_path(role)
        options = {"smoothing": smoothing} if "smoothing" in spec.options else {}
        device = model_management.device_name()
        return io.NodeOutput(create_detector(backend, paths, device, **options))


class PoseExtract(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPosePoseExtract",
            display_name="Pose Extract",
            category="DisPose/pose",
            description="Finds people in an image or in every frame of a clip, and tracks the "
            "chosen person through the clip.",
            inputs=[
                io.Image.Input(
                    "images", tooltip="The reference image or the driving frames from Prepare."
                ),
                wire_types.PoseDetector.Input("detector", tooltip="From Pose Detector Loader."),
                io.Boolean.Input("hands", default=True, tooltip="Keep the hand keypoints."),
                io.Boolean.Input("face", default=True, tooltip="Keep the 68 face keypoints."),
                io.Float.Input(
                    "threshold",
                    default=0.3,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Points with a lower confidence count as missing.",
                ),
                *person_inputs(),
            ],
            outputs=[
                wire_types.PoseKeypoint.Output(
                    display_name="poses",
                    tooltip="One pose per image, with the chosen person first, for Pose Align.",
                ),
                io.Image.Output(
                    display_name="skeletons", tooltip="Skeleton images of everyone who was found."
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Which person was chosen, and in which frames nobody was found.",
                ),
            ],
            **search_words("dwpose", "openpose", "keypoints", "skeleton", "pose estimation"),
        )

    @classmethod
    def execute(
        cls, images, detector, hands, face, threshold, person, index, x, y, frame
    ) -> io.NodeOutput:
        size = tuple(images.shape[1:3])
        require_images("skeletons", len(images), size, IMAGE, FEWER_IMAGES)
        people, report = extract_poses(
            detector,
            frames_to_core(images),
            total=len(images),
            threshold=threshold,
            hands=hands,
            face=face,
            on_frame=progress(len(images)),
            name="images",
            choice=PersonChoice(person, index, (x, y), frame),
        )
        skeletons = render_poses(people, people[0].canvas)
        return io.NodeOutput(
            write_openpose(people), frames_to_comfy(skeletons, len(images)), "\n".join(report)
        )


class PersonMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPosePersonMask",
            display_name="Person Mask",
            category="DisPose/pose",
            description="Finds the outline of a person in an image or in every frame of a clip.",
            inputs=[
                io.Image.Input("images", tooltip="The reference image, or frames of a clip."),
                wire_types.PoseDetector.Input(
                    "detector",
                    tooltip="From Pose Detector Loader with the backend mediapipe; the others find "
                    "no outlines.",
                ),
                *person_inputs(),
            ],
            outputs=[
                io.Mask.Output(
                    display_name="mask",
                    tooltip="1 where the image shows the person, with a soft edge.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Which person was chosen, and in which frames the person is absent.",
                ),
            ],
            **search_words("segmentation", "matting", "person mask", "silhouette"),
        )

    @classmethod
    def execute(cls, images, detector, person, index, x, y, frame) -> io.NodeOutput:
        require_images("masks", len(images), tuple(images.shape[1:3]), MASK, FEWER_IMAGES)
        masks, report = person_masks(
            detector,
            frames_to_core(images),
            total=len(images),
            threshold=MASK_THRESHOLD,
            on_frame=progress(len(images)),
            name="images",
            choice=PersonChoice(person, index, (x, y), frame),
        )
        return io.NodeOutput(masks_to_comfy(masks, images), "\n".join(report))
