"""Node that makes point tracks for video models of other makers."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.media.image import to_pixels
from ..dispose_core.media.video_models import VIDEO_MODELS, video_model
from ..dispose_core.pose.canvas import drawing_size
from ..dispose_core.preview.point_places import WHERE
from ..dispose_core.preview.point_tracks import draw_tracks, point_tracks, tracks_for
from . import wire_types
from .comfy_adapters.progress import progress
from .newer_options import KEEPS_VIEW, RARE
from .search_aliases import search_words
from .tensors import image_to_comfy, image_to_core
from .views import tracks_ui

MODELS = [name for name in VIDEO_MODELS if name in ("Wan-Move", "ATI") or "LTX" in name]


class MotionTracks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseMotionTracks",
            display_name="Motion Tracks",
            category="DisPose/motion",
            description="Makes tracks of points on the person for video models that follow tracks: "
            "Wan-Move, ATI and LTX, each at its own frame rate and length.",
            inputs=[
                io.Image.Input(
                    "reference", tooltip="The image that the motion field was made from."
                ),
                wire_types.MotionField.Input("motion_field", tooltip="From Motion Field."),
                io.Float.Input(
                    "fps",
                    default=12.0,
                    min=0.1,
                    max=1000.0,
                    step=0.01,
                    force_input=True,
                    tooltip="Frame rate of the driving frames: connect fps of Prepare. The tracks "
                    "then have the speed of the driving video.",
                ),
                io.Combo.Input(
                    "made_for",
                    options=MODELS,
                    default="Wan-Move",
                    tooltip="The video model that is to follow the tracks. It decides on frame "
                    "rate, length and format. Wan-Move: connect tracks to WanMoveTrackToVideo. "
                    "ATI: connect json to WanTrackToVideo. LTX: connect json to the track nodes of "
                    "ComfyUI-LTXVideo.",
                ),
                io.Combo.Input(
                    "points",
                    options=list(WHERE),
                    default="joints",
                    tooltip="joints: the joints of the body. grid: points spread over the person. "
                    "outline: points along the person's outline. own points: those of own_points.",
                ),
                io.Int.Input(
                    "count",
                    default=64,
                    min=1,
                    max=4096,
                    tooltip="Number of points on the grid or the outline, about.",
                ),
                io.String.Input(
                    "own_points",
                    default="0.5,0.3",
                    optional=True,
                    tooltip="Points as x,y, fractions of the image's width and height with 0,0 at "
                    "the top left, separated by spaces: 0.5,0.3 0.45,0.6. Only for own points. "
                    "After a run, click the picture in the node to add points.",
                ),
                io.Int.Input(
                    "length",
                    default=0,
                    min=0,
                    max=10000,
                    optional=True,
                    tooltip="Frames of the video; 0 takes as many as the clip has, up to the usual "
                    "length of the model.",
                    **RARE,
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=8192,
                    optional=True,
                    tooltip="Width of the video in pixels; 0 takes that of the reference image, or "
                    "follows from the height.",
                    **RARE,
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=8192,
                    optional=True,
                    tooltip="Height of the video in pixels; 0 takes that of the reference image, "
                    "or follows from the width.",
                    **RARE,
                ),
            ],
            outputs=[
                wire_types.Tracks.Output(
                    display_name="tracks",
                    tooltip="Paths and visibility of the points, for WanMoveTrackToVideo.",
                ),
                io.String.Output(
                    display_name="json",
                    tooltip="The same paths as text, for WanTrackToVideo (ATI) and LTX. Text "
                    "cannot say which points are hidden.",
                ),
                io.Int.Output(
                    display_name="length",
                    tooltip="Frames of the video: connect it to length of the video model's node.",
                ),
                io.Float.Output(
                    display_name="fps", tooltip="Frame rate of the video, for Create Video."
                ),
                io.Image.Output(
                    display_name="picture", tooltip="The paths over the reference image."
                ),
                io.String.Output(
                    display_name="report", tooltip="Which points were used, and at what speed."
                ),
            ],
            is_output_node=True,  # updates its view on every run, also without changes
            **KEEPS_VIEW,
            **search_words("wan move", "ati", "ltx", "trajectory", "tracks"),
        )

    @classmethod
    def execute(
        cls,
        reference,
        motion_field,
        fps,
        made_for,
        points,
        count,
        own_points="",
        length=0,
        width=0,
        height=0,
    ) -> io.NodeOutput:
        image = image_to_core(reference, "reference")
        model = video_model(made_for)
        tracks = point_tracks(
            motion_field,
            model,
            fps,
            points,
            count,
            own_points,
            drawing_size(motion_field.size, width, height),
            length or None,
            progress(len(motion_field) - 1),
        )
        wire = {"track_path": tracks.paths, "track_visibility": tracks.visible}
        drawn = draw_tracks(image, tracks)
        return io.NodeOutput(
            wire,
            tracks_for(tracks, model),
            len(tracks),
            float(tracks.fps),
            image_to_comfy(drawn),
            "\n".join(tracks.report),
            ui=tracks_ui(to_pixels(drawn)),
        )
