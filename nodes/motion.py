"""Nodes for motion fields and their visualisation."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.checkpoints.architectures.cmp import load_cmp
from ..dispose_core.errors import DisPoseError
from ..dispose_core.media.sprite_sheet import every_nth
from ..dispose_core.motion.densifiers.registry import DENSIFIERS
from ..dispose_core.motion.densifiers.skinning.densifier import working_size
from ..dispose_core.motion.densify import motion_field
from ..dispose_core.motion.visualize import motion_images
from ..dispose_core.pose.openpose_json import read_openpose
from ..dispose_core.pose.sequence import join_sequences
from ..dispose_core.pose.tracking.person_selection import first_person
from ..dispose_core.preview.browser_view import motion_modes, person_at_a_glance, person_modes
from ..dispose_core.preview.preview import preview_frames
from . import wire_types
from .comfy_adapters import files
from .comfy_adapters.densifier import densifier_of, load_densifier, managed
from .comfy_adapters.memory import FLOW, IMAGE, MASK, require_images
from .comfy_adapters.progress import progress
from .newer_options import KEEPS_VIEW
from .search_aliases import search_words
from .tensors import (
    frames_to_comfy,
    frames_to_core,
    image_to_core,
    mask_to_core,
    preview_to_comfy,
)
from .views import motion_ui


class CMPLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseCMPLoader",
            display_name="CMP Loader",
            category="DisPose/motion",
            description="Loads CMP, the paper's network for spreading the motion of the joints "
            "over the image. DisPose was trained with it.",
            inputs=[
                io.Combo.Input(
                    "file",
                    **files.weight_choice("dispose", "cmp"),
                    tooltip="ckpt_iter_42000.pth.tar, or a safetensors copy of it, in "
                    "models/dispose.",
                )
            ],
            outputs=[
                wire_types.Densifier.Output(
                    display_name="cmp", tooltip="Connect it to Motion Field."
                )
            ],
            **search_words("conditional motion propagation", "dense motion"),
        )

    @classmethod
    def validate_inputs(cls, file) -> bool | str:
        return files.problem_with_weights("dispose", file) or True

    @classmethod
    def execute(cls, file) -> io.NodeOutput:
        return io.NodeOutput(managed(load_cmp(files.weight_path("dispose", file))))


class DensifierLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseDensifierLoader",
            display_name="Densifier Loader",
            category="DisPose/motion",
            description="Loads a densifier, which spreads the motion of the joints over the "
            "image. Its files are found by their published names; for a file with another name, "
            "use CMP Loader.",
            inputs=[
                io.Combo.Input(
                    "densifier",
                    options=list(DENSIFIERS),
                    default="skinning",
                    tooltip=DENSIFIERS.summaries(),
                )
            ],
            outputs=[
                wire_types.Densifier.Output(
                    display_name="densifier", tooltip="Connect it to Motion Field."
                )
            ],
            **search_words("dense motion", "cmp", "skinning"),
        )

    @classmethod
    def validate_inputs(cls, densifier) -> bool | str:
        try:
            return files.problem_with_roles(DENSIFIERS[densifier].files) or True
        except DisPoseError as e:  # a densifier of a pack that is not installed here
            return str(e)

    @classmethod
    def execute(cls, densifier) -> io.NodeOutput:
        return io.NodeOutput(load_densifier(densifier))


class MotionField(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseMotionField",
            display_name="Motion Field",
            category="DisPose/motion",
            description="Computes the motion field: spreads the motion of the joints over the "
            "reference image.",
            inputs=[
                io.Image.Input("reference", tooltip="The reference image from Prepare."),
                wire_types.PoseKeypoint.Input(
                    "reference_pose",
                    tooltip="Pose of the reference image (one frame), from Pose Extract or Load "
                    "Poses.",
                ),
                wire_types.PoseKeypoint.Input(
                    "driving_pose", tooltip="Driving poses from Pose Align."
                ),
                wire_types.Densifier.Input(
                    "cmp",
                    optional=True,
                    tooltip="A densifier from CMP Loader or Densifier Loader. Optional; without "
                    "it, the motion is spread by skinning, which needs no model file.",
                ),
                io.Mask.Input(
                    "subject",
                    optional=True,
                    tooltip="Mask of the person, white on black, in the size of the reference "
                    "image. Optional; without it, the mask is made from the skeleton. With it, "
                    "CMP sees the person on a plain grey background, which is more accurate.",
                ),
            ],
            outputs=[
                wire_types.MotionField.Output(
                    display_name="motion_field",
                    tooltip="Motion from the reference image to every driving pose.",
                ),
                io.Image.Output(
                    display_name="pictures",
                    tooltip="The motion field in colour (hue is direction, saturation is "
                    "distance), next to arrows on the reference image.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Which mask was used, and which joints were left out.",
                ),
            ],
            is_output_node=True,  # updates its view on every run, also without changes
            **KEEPS_VIEW,
            **search_words("optical flow", "dense motion", "drag"),
        )

    @classmethod
    def execute(
        cls, reference, reference_pose, driving_pose, cmp=None, subject=None
    ) -> io.NodeOutput:
        image = image_to_core(reference, "reference")
        who, notes = first_person(read_openpose(reference_pose, "reference_pose"), "reference_pose")
        driver, more = first_person(read_openpose(driving_pose, "driving_pose"), "driving_pose")
        sequence = join_sequences(who, driver)
        mask = mask_to_core(subject, image.shape[-2:])
        shown_size = working_size(image.shape[-2:])
        require_images(
            "motion field", len(sequence), shown_size, FLOW + 2 * IMAGE, "Use fewer driving poses."
        )
        field = motion_field(
            image, sequence, densifier_of(cmp, mask), on_frame=progress(len(sequence))
        )
        # About the resolution of the field's grid, at a quarter of the memory.
        images = frames_to_comfy(motion_images(image, field, size=shown_size), len(field))
        shown = every_nth(1, len(field))
        flow = motion_modes(frames_to_core(images[shown.start :: shown.step]))
        ui = motion_ui(shown, {**flow, **person_at_a_glance(image, field, shown, mask)})
        report = "\n".join([*notes, *more, *field.report])
        return io.NodeOutput(field, images, report, ui=ui)


class MotionPreview(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseMotionPreview",
            display_name="Motion Preview",
            category="DisPose/motion",
            description="Moves the person of the reference image along the motion field, over a "
            "filled-in background. Shows the motion before any model is loaded.",
            inputs=[
                io.Image.Input(
                    "reference", tooltip="The image that the motion field was made from."
                ),
                wire_types.MotionField.Input("motion_field", tooltip="From Motion Field."),
                io.Mask.Input(
                    "subject",
                    optional=True,
                    tooltip="Mask of the person, white on black. Optional; without it, the mask "
                    "stored in the motion field is used.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="animation",
                    tooltip="One image per driving pose, for Create Video.",
                ),
                io.Image.Output(
                    display_name="overlay",
                    tooltip="The moving person, half transparent, over the reference image.",
                ),
                io.Mask.Output(
                    display_name="uncovered",
                    tooltip="Parts of the background that were filled in because the person moved "
                    "away.",
                ),
            ],
            is_output_node=True,  # updates its view on every run, also without changes
            **KEEPS_VIEW,
            **search_words("warp", "animate"),
        )

    @classmethod
    def execute(cls, reference, motion_field, subject=None) -> io.NodeOutput:
        image = image_to_core(reference, "reference")
        mask = mask_to_core(subject, image.shape[-2:])
        frames = range(1, len(motion_field))
        size = tuple(image.shape[-2:])
        require_images(
            "preview",
            len(frames),
            size,
            2 * IMAGE + MASK,
            "Use fewer driving poses, or a smaller resolution in Prepare.",
        )
        previews = preview_frames(image, motion_field, frames, mask, progress(len(frames)))
        animation, overlay, uncovered = preview_to_comfy(previews, len(frames), size)
        shown = every_nth(1, len(motion_field))
        images = motion_images(image, motion_field, shown, working_size(motion_field.size))
        modes = person_modes(*(frames_to_core(f[:: shown.step]) for f in (animation, overlay)))
        ui = motion_ui(shown, {**modes, **motion_modes(images)})
        return io.NodeOutput(animation, overlay, uncovered, ui=ui)
