"""Getting pictures and videos into shape: the first nodes of every graph."""

from __future__ import annotations

from comfy_api.latest import InputImpl, io

from ..dispose_core.media.image import read_picture
from ..dispose_core.media.prepare import frame_stride, prepare
from ..dispose_core.media.resize import describe_fit, fit_size, resize_crop
from .comfy_adapters import files
from .comfy_adapters.memory import require_room
from .comfy_adapters.progress import progress
from .search_aliases import search_words
from .tensors import audio_to_comfy, frames_to_comfy, picture_to_comfy, picture_to_core
from .video_inputs import Stretch, clip_of


class SampleMedia(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseSampleMedia",
            display_name="Sample Media",
            category="DisPose/prepare",
            description="The reference picture and the driving video that come with the pack, to "
            "try a graph. Replace it by Load Image and Load Video for your own.",
            inputs=[],
            outputs=[
                io.Image.Output(
                    display_name="reference", tooltip="A person standing: connect it to Prepare."
                ),
                io.Video.Output(
                    display_name="driving",
                    tooltip="Another person dancing, 3 seconds: connect it to Prepare.",
                ),
            ],
            **search_words("example", "demo", "test video"),
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        reference = read_picture(files.sample("reference.png"))
        return io.NodeOutput(
            picture_to_comfy(reference), InputImpl.VideoFromFile(str(files.sample("driving.mp4")))
        )


class Prepare(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPosePrepare",
            display_name="Prepare",
            category="DisPose/prepare",
            description="Fits the reference picture to a size the networks take and samples the "
            "driving clip, given as a video or as pictures.",
            inputs=[
                io.Image.Input("reference", tooltip="The picture to animate, of any shape."),
                io.Video.Input(
                    "driving_video",
                    optional=True,
                    tooltip="The video whose motion is taken. It is read frame by frame; only the "
                    "frames that are used are kept.",
                ),
                io.Image.Input(
                    "driving_images",
                    optional=True,
                    tooltip="The driving clip as pictures, in place of a video.",
                ),
                io.Float.Input(
                    "driving_fps",
                    default=24.0,
                    min=1.0,
                    max=240.0,
                    step=0.01,
                    optional=True,
                    tooltip="Frames a second of driving_images. A video tells its own.",
                ),
                io.Int.Input(
                    "resolution",
                    default=576,
                    min=64,
                    max=2048,
                    step=64,
                    tooltip="Short side in pixels. 576 is what the weights were trained with.",
                ),
                io.Int.Input(
                    "stride",
                    default=2,
                    min=1,
                    max=100,
                    tooltip="Use every Nth driving frame; 2 in the paper. From 48 fps on more "
                    "are skipped, so that the same time passes between two frames.",
                ),
                io.Int.Input(
                    "max_frames",
                    default=0,
                    min=0,
                    max=100000,
                    tooltip="Use at most so many driving frames; 0 = all.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.1,
                    tooltip="Seconds of the driving clip to skip.",
                ),
                io.Float.Input(
                    "duration",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.1,
                    tooltip="Seconds of the driving clip to use; 0 = to its end.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="reference", tooltip="The picture at the size all stages use."
                ),
                io.Image.Output(
                    display_name="driving",
                    tooltip="The sampled frames, for Pose Extract. None without a clip.",
                ),
                io.Int.Output(display_name="width", tooltip="Of the fitted reference, pixels."),
                io.Int.Output(display_name="height", tooltip="Of the fitted reference, pixels."),
                io.Int.Output(display_name="frames", tooltip="How many driving frames are used."),
                io.Float.Output(
                    display_name="fps",
                    tooltip="Rate at which the result keeps the driver's speed: for Create Video.",
                ),
                io.Audio.Output(
                    display_name="audio",
                    tooltip="The sound of the same stretch; nothing where there is none.",
                ),
                io.String.Output(
                    display_name="report", tooltip="What was resized, cropped and skipped."
                ),
            ],
            **search_words("resize", "crop", "sample frames", "stride"),
        )

    @classmethod
    def execute(
        cls,
        reference,
        resolution,
        stride,
        max_frames,
        start,
        duration,
        driving_video=None,
        driving_images=None,
        driving_fps=24.0,
    ) -> io.NodeOutput:
        picture = picture_to_core(reference, "reference")
        source_size = tuple(picture.shape[-2:])
        stretch = Stretch(start, duration or None)
        clip = clip_of(driving_video, driving_images, driving_fps, stretch)
        if clip is None:
            size = fit_size(source_size, resolution)
            fitted = picture_to_comfy(resize_crop(picture, size))
            nothing = fitted.new_empty(0, *size, 3)
            report = describe_fit(source_size, size)
            fps = driving_fps / frame_stride(driving_fps, stride)
            return io.NodeOutput(fitted, nothing, size[1], size[0], 0, fps, None, report)
        plan = prepare(source_size, clip.count, clip.fps, resolution, stride, max_frames or None)
        require_room(plan.frames, clip.size)
        fitted = picture_to_comfy(resize_crop(picture, plan.size))
        driving = frames_to_comfy(
            clip.frames(plan.stride, max_frames or None, progress(plan.frames))
        )
        height, width = plan.size
        fps = float(plan.fps)
        audio = audio_to_comfy(clip.audio(len(driving) / fps))
        return io.NodeOutput(fitted, driving, width, height, len(driving), fps, audio, plan.report)
