"""Dense motion in the graph: the motion field and what it looks like."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.media.sprite_sheet import every_nth
from ..dispose_core.motion.densifiers.registry import DENSIFIERS
from ..dispose_core.motion.densifiers.skinning.densifier import working_size
from ..dispose_core.motion.densify import motion_field
from ..dispose_core.motion.visualize import motion_pictures
from ..dispose_core.pose.openpose_json import read_openpose
from ..dispose_core.pose.sequence import make_clip
from ..dispose_core.pose.tracking.person_selection import first_person
from ..dispose_core.preview.browser_view import motion_modes, person_at_a_glance, person_modes
from ..dispose_core.preview.preview import preview_frames
from . import wire_types
from .comfy_adapters import files
from .comfy_adapters.densifier import densifier_of, load_densifier, managed
from .comfy_adapters.progress import progress
from .search_aliases import search_words
from .tensors import (
    frames_to_comfy,
    frames_to_core,
    mask_to_core,
    picture_to_core,
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
            description="Loads CMP, the network that DisPose was trained with to spread the motion "
            "of the joints.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files.weight_files("dispose", "cmp"),
                    tooltip="ckpt_iter_42000.pth.tar, or a safetensors copy of it, in "
                    "models/dispose.",
                )
            ],
            outputs=[wire_types.Densifier.Output(display_name="cmp", tooltip="For Motion Field.")],
            **search_words("conditional motion propagation", "dense motion"),
        )

    @classmethod
    def validate_inputs(cls, file) -> bool | str:
        return files.problem_with_weights("dispose", file) or True

    @classmethod
    def execute(cls, file) -> io.NodeOutput:
        from ..dispose_core.checkpoints.loaders import load_cmp

        return io.NodeOutput(managed(load_cmp(files.weight_path("dispose", file))))


class DensifierLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseDensifierLoader",
            display_name="Densifier Loader",
            category="DisPose/motion",
            description="Loads what spreads the motion of the joints over the image, with files "
            "under their published names. For a file of another name use CMP Loader.",
            inputs=[
                io.Combo.Input(
                    "densifier",
                    options=list(DENSIFIERS),
                    default="skinning",
                    tooltip=DENSIFIERS.summaries(),
                )
            ],
            outputs=[
                wire_types.Densifier.Output(display_name="densifier", tooltip="For Motion Field.")
            ],
            **search_words("dense motion", "cmp", "skinning"),
        )

    @classmethod
    def validate_inputs(cls, densifier) -> bool | str:
        return files.problem_with_roles(DENSIFIERS[densifier].files) or True

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
            description="Spreads the motion of the joints over the reference picture.",
            inputs=[
                io.Image.Input(
                    "reference", tooltip="The picture to animate, as fitted by Prepare."
                ),
                wire_types.PoseKeypoint.Input(
                    "reference_pose", tooltip="The pose of the reference picture: one frame."
                ),
                wire_types.PoseKeypoint.Input(
                    "driving_pose", tooltip="The driver's poses, from Pose Align."
                ),
                wire_types.Densifier.Input(
                    "cmp",
                    optional=True,
                    tooltip="From CMP Loader. Without it the motion is spread by skinning, which "
                    "needs no model.",
                ),
                io.Mask.Input(
                    "subject",
                    optional=True,
                    tooltip="Where the person is. Found from the skeleton when not connected. "
                    "With it CMP sees the person on plain grey, which makes it more accurate.",
                ),
            ],
            outputs=[
                wire_types.MotionField.Output(
                    display_name="motion_field",
                    tooltip="Motion from the reference to every driving pose.",
                ),
                io.Image.Output(
                    display_name="pictures",
                    tooltip="The field in colour (hue is direction, strength is distance) beside "
                    "arrows on the picture.",
                ),
                io.String.Output(
                    display_name="report", tooltip="What was decided: the mask, joints left out."
                ),
            ],
            is_output_node=True,  # its view is fed on every run, also when nothing has changed
            **search_words("optical flow", "dense motion", "drag"),
        )

    @classmethod
    def execute(
        cls, reference, reference_pose, driving_pose, cmp=None, subject=None
    ) -> io.NodeOutput:
        picture = picture_to_core(reference, "reference")
        who, notes = first_person(read_openpose(reference_pose, "reference_pose"), "reference_pose")
        driver, more = first_person(read_openpose(driving_pose, "driving_pose"), "driving_pose")
        clip = make_clip(who, driver)
        mask = mask_to_core(subject, picture.shape[-2:])
        field = motion_field(picture, clip, densifier_of(cmp, mask), on_entry=progress(len(clip)))
        # About as sharp as the field's grid, and a quarter of the memory.
        pictures = frames_to_comfy(motion_pictures(picture, field, size=working_size(field.size)))
        shown = every_nth(1, len(field))
        flow = motion_modes(frames_to_core(pictures[shown.start :: shown.step]))
        ui = motion_ui(shown, {**flow, **person_at_a_glance(picture, field, shown, mask)})
        report = "\n".join([*notes, *more, *field.report])
        return io.NodeOutput(field, pictures, report, ui=ui)


class MotionPreview(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseMotionPreview",
            display_name="Motion Preview",
            category="DisPose/motion",
            description="Moves the person of the reference by the motion field, over the filled "
            "background: what the motion will be, before any model is loaded.",
            inputs=[
                io.Image.Input("reference", tooltip="The picture the motion field was made from."),
                wire_types.MotionField.Input("motion_field", tooltip="From Motion Field."),
                io.Mask.Input(
                    "subject",
                    optional=True,
                    tooltip="Where the person is. The motion field's own when not connected.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="animation", tooltip="One picture a driving pose: Create Video."
                ),
                io.Image.Output(
                    display_name="overlay",
                    tooltip="The moved person half transparent over the reference.",
                ),
                io.Mask.Output(
                    display_name="uncovered",
                    tooltip="Where the background was filled in because the person left it.",
                ),
            ],
            is_output_node=True,  # its view is fed on every run, also when nothing has changed
            **search_words("warp", "animate"),
        )

    @classmethod
    def execute(cls, reference, motion_field, subject=None) -> io.NodeOutput:
        picture = picture_to_core(reference, "reference")
        mask = mask_to_core(subject, picture.shape[-2:])
        entries = range(1, len(motion_field))
        frames = preview_frames(picture, motion_field, entries, mask, progress(len(entries)))
        animation, overlay, uncovered = preview_to_comfy(frames)
        shown = every_nth(1, len(motion_field))
        pictures = motion_pictures(picture, motion_field, shown, working_size(motion_field.size))
        modes = person_modes(*(frames_to_core(f[:: shown.step]) for f in (animation, overlay)))
        ui = motion_ui(shown, {**modes, **motion_modes(pictures)})
        return io.NodeOutput(animation, overlay, uncovered, ui=ui)
