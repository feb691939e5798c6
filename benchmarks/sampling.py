"""The whole sampling of a clip: milliseconds a window-step, peak memory, and the clip counted up.

    python -m benchmarks.sampling                 on a GPU: the released sizes, 576×1024
    python -m benchmarks.sampling --tiny          tiny networks at 64×64; the default on a CPU

Random weights; 72 driving frames, windows of 16 with 6 shared, 25 steps, of which a few are run
and counted up. The official code's ControlNet and UNet are run on a window of the same shapes
where `DISPOSE_REFERENCE` is a checkout of it and `DISPOSE_REFERENCE_PYTHON` an interpreter that
can import it; else ours is measured alone. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from dispose_core.checkpoints.architectures.dispose import DisPose
from dispose_core.features.keypoint_features import KeypointFeatures
from dispose_core.models.controlnet import HybridControlNet
from dispose_core.models.mimicmotion import build_unet
from dispose_core.models.motion_encoder import MotionEncoder
from dispose_core.models.point_adapter import PointAdapter
from dispose_core.models.pose_net import PoseNet
from dispose_core.models.svd_encoder import SvdEncoder
from dispose_core.models.svd_sizes import HEAD_CHANNELS, build_for
from dispose_core.pipeline.inputs import PipelineInputs
from dispose_core.pipeline.offload import release
from dispose_core.pipeline.pipeline import DisPosePipeline
from dispose_core.pose.sequence import PoseSequence
from dispose_core.sampling.options import SamplingOptions
from tests.tiny_nets import CONFIG, TINY_HEAD, below, manifest

from .networks import walking_clip

OFFICIAL = Path(__file__).with_name("official_sampling.py")
ENTRIES, WINDOW, WINDOWS, STEPS = 73, 16, 7, 25
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
# SVD's own.
FULL_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "layers_per_block": 2,
}
FULL_CLIP = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "patch_size": 14,
    "projection_dim": 1024,
}
TINY_VAE = {**FULL_VAE, "block_out_channels": (32,) * 4, "layers_per_block": 1}
TINY_CLIP = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "patch_size": 32,
    "projection_dim": 32,
}


class Motion:
    """The same random motion for every frame: what is in the maps does not change the time."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.map = torch.randn(1, 2, *size)

    def __len__(self) -> int:
        return ENTRIES

    def flow(self, frames, size) -> Tensor:
        return self.map.expand(len(frames), -1, -1, -1)

    trajectory = flow


def filled(net: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Random weights that keep numbers of the size they are, for a network on any device."""
    nn.Module.to(net, dtype)  # not diffusers' own, which warns
    if any(parameter.is_meta for parameter in net.parameters()):
        net.to_empty(device="cpu")
    for key, value in net.state_dict().items():
        if value.ndim > 1:
            value.normal_(0, value[0].numel() ** -0.5)
        elif key.endswith("weight"):
            value.fill_(1)
        else:
            value.zero_()
    for key, value in net.named_buffers():
        if key.endswith("position_ids"):
            value.copy_(torch.arange(value.numel()).view_as(value))
    if isinstance(net, SvdEncoder):  # loading drops what a prediction does not need
        net.load_state_dict(net.state_dict(), assign=True)
    return net.requires_grad_(False).eval()


def networks(tiny: bool, dtype: torch.dtype) -> tuple:
    """UNet, ControlNet with its encoders, PoseNet, VAE, CLIP: random, on the CPU."""
    from diffusers import AutoencoderKLTemporalDecoder
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    head = TINY_HEAD if tiny else HEAD_CHANNELS
    names = ("tiny_unet", "tiny_controlnet") if tiny else ("mimicmotion_unet_posenet", "controlnet")
    unet = build_unet(manifest(names[0], "unet."), "benchmark", head)
    shapes = manifest(names[1])
    branches = []
    with torch.device("meta"):
        for kind, prefix in (
            (MotionEncoder, "controlnet_cond_embedding."),
            (PointAdapter, "point_adapter."),
        ):
            branches.append(kind.shaped_like(below(shapes, prefix)))
        controlnet = build_for(HybridControlNet, shapes, "benchmark", head)
        pose_net = (
            PoseNet.shaped_like(manifest("tiny_vae_clip_posenet", "pose_net."))
            if tiny
            else PoseNet()
        )
    vae = AutoencoderKLTemporalDecoder(**(TINY_VAE if tiny else FULL_VAE))
    clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**(TINY_CLIP if tiny else FULL_CLIP)))
    return (
        filled(unet, dtype),
        DisPose(filled(controlnet, dtype), *(filled(b, dtype) for b in branches)),
        filled(pose_net, dtype),
        filled(vae, dtype),
        filled(clip, dtype),
    )


def pipeline_inputs(size: tuple[int, int]) -> PipelineInputs:
    poses = walking_clip()
    return PipelineInputs(
        image=torch.rand(3, *size),
        pose_images=torch.rand(1, 3, *size).expand(ENTRIES, -1, -1, -1),
        motion=Motion(size),
        poses=PoseSequence(poses.points, poses.scores, size),
        features=KeypointFeatures(torch.randn(18, 1280), torch.ones(18, dtype=torch.bool)),
    )


def measure_ours(pipeline: DisPosePipeline, inputs: PipelineInputs, steps: int) -> dict[str, float]:
    """Seconds of a window-step (the median), of what is done once a clip, and peak bytes."""
    ticks: list[float] = []

    def stage(name: str):
        def tick(done: int, total: int) -> None:
            if name == "sampling":
                synchronise(pipeline.device)
                ticks.append(time.perf_counter())

        return tick

    options = SamplingOptions(steps=steps)
    reset_peak(pipeline.device)
    started = time.perf_counter()
    latents = pipeline.sample(inputs, options, stage_progress=stage)
    sampled = time.perf_counter()
    for _ in pipeline.decode(latents, options):
        pass
    decoded = time.perf_counter()
    calls = WINDOWS * steps
    window = median(b - a for a, b in pairwise(ticks))
    return {
        "window": window,
        "before": sampled - started - calls * window,
        "decoding": decoded - sampled,
        "peak": peak(pipeline.device),
    }


def measure_official(pipeline: DisPosePipeline, inputs: PipelineInputs, tiny: bool) -> dict | None:
    """A window-step of the official networks; None where they are not at hand."""
    checkout, python = (
        os.environ.get(name) for name in ("DISPOSE_REFERENCE", "DISPOSE_REFERENCE_PYTHON")
    )
    if not checkout or not python:
        return None
    adapter = {"channels": CONFIG["block_out_channels"]} if tiny else {}
    job = {
        "config": CONFIG if tiny else {"num_attention_heads": [5, 10, 20, 20]},
        "adapter": adapter,
        "size": inputs.size,
        "window": WINDOW,
        "device": str(pipeline.device),
        "dtype": next(name for name, dtype in DTYPES.items() if dtype == pipeline.dtype),
        "threads": torch.get_num_threads(),
        "candidate": torch.from_numpy(inputs.poses.body[:WINDOW]),
    }
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder) / "job.pt", Path(folder) / "result.pt"
        torch.save(job, given)
        command = [python, str(OFFICIAL), checkout, str(given), str(result)]
        subprocess.run(command, check=True, cwd=checkout)
        return torch.load(result, weights_only=True)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> int:
    """Bytes: of the device's memory, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda" if gpu else "cpu")
    parser.add_argument("--dtype", choices=DTYPES, default="fp16" if gpu else "fp32")
    parser.add_argument("--tiny", action="store_true", default=not gpu)
    parser.add_argument("--steps", type=int, default=2, help="that are run; the rest is counted")
    parser.add_argument("--offload", default="stages")
    options = parser.parse_args()
    torch.manual_seed(0)
    size = (64, 64) if options.tiny else (1024, 576)
    dtype = DTYPES[options.dtype]
    pipeline = DisPosePipeline(
        *networks(options.tiny, dtype),
        device=options.device,
        dtype=dtype,
        offload=options.offload,
    )
    inputs = pipeline_inputs(size)
    ours = measure_ours(pipeline, inputs, options.steps)
    for network in (pipeline.unet, pipeline.controlnet):
        network.to("cpu")  # room for the official ones
    release(pipeline.device)
    official = measure_official(pipeline, inputs, options.tiny)

    place = (
        torch.cuda.get_device_name()
        if pipeline.device.type == "cuda"
        else "CPU, " + (f"{torch.get_num_threads()} threads")
    )
    kind = "tiny networks" if options.tiny else "the released sizes"
    print(f"{place}, {options.dtype}, torch {torch.__version__}; {kind}, random weights, ")
    print(f"{size[1]}×{size[0]}, {ENTRIES} frames, {WINDOWS} windows of {WINDOW}, {STEPS} steps.")
    print(f"{options.steps} steps were run, the clip is counted up from them.\n")
    print("| | ms a window-step | peak memory, GB | window-steps of a clip, s | whole clip, s |")
    print("| --- | --- | --- | --- | --- |")
    calls = WINDOWS * STEPS
    whole = calls * ours["window"] + ours["before"] + ours["decoding"]
    print_row("ours", ours, calls, f"{whole:.1f}")
    if official is None:
        print("\nDISPOSE_REFERENCE and DISPOSE_REFERENCE_PYTHON are not set: ours alone.")
        return
    print_row("official ControlNet and UNet", official, calls, "")
    print(
        f"\nA window-step: {official['window'] / ours['window']:.2f} times as fast. Ours has its "
        "peak over the whole clip, the official one in a window alone."
    )


def print_row(name: str, measured: dict, calls: int, whole: str) -> None:
    window = measured["window"]
    print(
        f"| {name} | {window * 1000:.1f} | {measured['peak'] / 1e9:.2f} | {calls * window:.1f} | "
        f"{whole} |"
    )


if __name__ == "__main__":
    main()
