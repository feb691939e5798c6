"""Nodes that prepare images and videos; the first ones of a graph."""

from __future__ import annotations

from comfy_api.latest import InputImpl, io

from ..dispose_core.media.image import read_image
from ..dispose_core.media.prepare import (
    chosen_frames,
    frame_stride,
    prepare,
    prepare_for_model,
)
from ..dispose_core.media.resize import describe_fit, fit_size, resize_crop
from ..dispose_core.media.video_models import VIDEO_MODELS, video_model
from .comfy_adapters import files
from .comfy_adapters.memory import COLLECTED_IMAGE, require_images
from .comfy_adapters.progress import progress
from .search_aliases import search_words
from .tensors import audio_to_comfy, frames_to_comfy, image_to_comfy, image_to_core
from .video_inputs import Stretch, driving_source

DISPOSE = "DisPose"


class SampleMedia(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseSampleMedia",
            display_name="Sample Media",
            category="DisPose/prepare",
            description="The sample reference image and driving video that come with the pack, "
            "for trying out a workflow. To use your own files, replace this node with Load Image "
            "and Load Video.",
            inputs=[],
            outputs=[
                io.Image.Output(
                    display_name="reference",
                    tooltip="Image of a standing person. Connect it to Prepare.",
                ),
                io.Video.Output(
                    display_name="driving",
                    tooltip="Video of another person dancing, 3 seconds. Connect it to Prepare.",
                ),
            ],
            **search_words("example", "demo", "test video"),
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        reference = read_image(files.sample("reference.png"))
        return io.NodeOutput(
            image_to_comfy(reference), InputImpl.VideoFromFile(str(files.sample("driving.mp4")))
        )


class Prepare(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPosePrepare",
            display_name="Prepare",
            category="DisPose/prepare",
            description="Resizes and crops the reference image to a size that the networks "
            "accept, and samples frames from the driving video or driving images.",
            inputs=[
                io.Image.Input(
                    "reference",
                    tooltip="The reference image: the person to animate. Any aspect ratio.",
                ),
                io.Video.Input(
                    "driving_video",
                    optional=True,
                    tooltip="The video to take the motion from. It is read frame by frame, and "
                    "only the frames that are used are kept in memory.",
                ),
                io.Image.Input(
                    "driving_images",
                    optional=True,
                    tooltip="Driving frames as images, in place of driving_video. Connect only "
                    "one of the two.",
                ),
                io.Float.Input(
                    "driving_fps",
                    default=24.0,
                    min=1.0,
                    max=240.0,
                    step=0.01,
                    optional=True,
                    tooltip="Frame rate of driving_images, in frames per second. Ignored for "
                    "driving_video, which has its own.",
                ),
                io.Int.Input(
                    "resolution",
                    default=576,
                    min=64,
                    max=2048,
                    step=64,
                    tooltip="Length of the short side in pixels. The released weights were "
                    "trained with 576.",
                ),
                io.Int.Input(
                    "stride",
                    default=2,
                    min=1,
                    max=100,
                    tooltip="Use every Nth driving frame; the paper uses 2. At 48 fps and more, "
                    "more frames are skipped, so that the time between two frames stays about the "
                    "same.",
                ),
                io.Int.Input(
                    "max_frames",
                    default=0,
                    min=0,
                    max=100000,
                    tooltip="Maximum number of driving frames to use; 0 uses all.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.1,
                    tooltip="Seconds to skip at the beginning of the driving video or images.",
                ),
                io.Float.Input(
                    "duration",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.1,
                    tooltip="Seconds of the driving video or images to use; 0 uses all up to the "
                    "end.",
                ),
                io.Combo.Input(
                    "made_for",
                    options=[DISPOSE, *VIDEO_MODELS],
                    default=DISPOSE,
                    optional=True,
                    tooltip="The video model that is to make the animation. Other models than "
                    "DisPose get driving frames at their own frame rate and of a length that they "
                    "accept, in place of stride.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="reference",
                    tooltip="The resized reference image. Use it in all later nodes.",
                ),
                io.Image.Output(
                    display_name="driving",
                    tooltip="The sampled driving frames, for Pose Extract. Empty if no driving "
                    "video or images are connected.",
                ),
                io.Int.Output(
                    display_name="width", tooltip="Width of the resized reference image in pixels."
                ),
                io.Int.Output(
                    display_name="height",
                    tooltip="Height of the resized reference image in pixels.",
                ),
                io.Int.Output(display_name="frames", tooltip="Number of sampled driving frames."),
                io.Float.Output(
                    display_name="fps",
                    tooltip="Frame rate at which the result has the speed of the driving video, "
                    "for Create Video.",
                ),
                io.Audio.Output(
                    display_name="audio",
                    tooltip="Sound of the sampled part of the driving video; empty if it has none.",
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
        made_for=DISPOSE,
    ) -> io.NodeOutput:
        image = image_to_core(reference, "reference")
        source_size = tuple(image.shape[-2:])
        stretch = Stretch(start, duration or None)
        source = driving_source(driving_video, driving_images, driving_fps, stretch)
        if source is None:
            size = fit_size(source_size, resolution)
            fitted = image_to_comfy(resize_crop(image, size))
            no_frames = fitted.new_empty(0, *size, 3)
            report = describe_fit(source_size, size)
            fps = driving_fps / frame_stride(driving_fps, stride)
            if made_for != DISPOSE:
                fps = float(video_model(made_for).fps)
            return io.NodeOutput(fitted, no_frames, size[1], size[0], 0, fps, None, report)
        given = source_size, source.count, source.fps, resolution
        if made_for == DISPOSE:
            plan = prepare(*given, stride, max_frames or None)
        else:
            plan = prepare_for_model(video_model(made_for), *given, max_frames or None)
        require_images(
            "driving video",
            plan.num_driving,
            source.size,
            COLLECTED_IMAGE,
            "Choose a shorter duration, fewer max_frames, a larger stride, or a smaller video; "
            "720p is enough to detect poses.",
        )
        fitted = image_to_comfy(resize_crop(image, plan.size))
        if plan.indices:
            last = max(plan.indices[-1] + 1, 1)
            read = chosen_frames(source.frames(1, last, progress(last)), plan.indices)
        else:
            read = source.frames(plan.stride, max_frames or None, progress(plan.num_driving))
        driving = frames_to_comfy(read)
        height, width = plan.size
        fps = float(plan.fps)
        audio = audio_to_comfy(source.audio(len(driving) / fps))
        report = "\n".join([plan.report, *source.notes])
        return io.NodeOutput(fitted, driving, width, height, len(driving), fps, audio, report)
