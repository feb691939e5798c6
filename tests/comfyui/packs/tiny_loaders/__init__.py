"""Stand-ins for the loaders of the shipped workflows: same inputs and outputs, tiny networks.

A workflow runs with them once the types of its loader nodes are exchanged; widgets and links stay
as they are. Networks that need files come from the pack `tiny` beside this one.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import comfy.clip_vision
import comfy.model_management as management
import comfy.supported_models
import comfy.utils
import comfy_extras.nodes_wan
import folder_paths
import numpy as np
import torch
from comfy.model_patcher import ModelPatcher

import nodes

MODEL, CONTROLNET = "tiny_mimicmotion.safetensors", "tiny_dispose.safetensors"
SD15, CLIP_VISION = "tiny_sd15.safetensors", "tiny_clip"
FEATURE_CHANNELS = 1280  # that DisPose's point adapter reads
SD15_SIZES = {
    **{"image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32},
    **{"num_res_blocks": [2] * 4, "channel_mult": [1, 2, 4, 4], "adm_in_channels": None},
    **{"transformer_depth": [1] * 6 + [0] * 2, "transformer_depth_middle": 1},
    **{"transformer_depth_output": [1] * 9 + [0] * 3, "context_dim": 48, "legacy": False},
    **{"use_spatial_transformer": True, "use_linear_in_transformer": False},
    **{"dtype": torch.float32},
}


def dispose(name: str) -> ModuleType:
    """A module of the pack under test, whatever its folder is called."""
    errors = ".dispose_core.errors"
    root = next(key for key in sys.modules if key.endswith(errors)).removesuffix(errors)
    return importlib.import_module(f"{root}.{name}")


def tiny(name: str):
    """A node of the pack `tiny`."""
    return nodes.NODE_CLASS_MAPPINGS[f"Tiny{name}"]()


def from_input(name: str) -> dict[str, torch.Tensor]:
    path = Path(folder_paths.get_input_directory()) / name
    return comfy.utils.load_torch_file(str(path))


def tiny_sd15(wide: bool, delay: float) -> ModelPatcher:
    """A MODEL of ComfyUI's SD 1.5 class, with diffusers' weights of golden 22."""
    config = comfy.supported_models.SD15(dict(SD15_SIZES))
    config.unet_config["num_heads"] = 4  # the class has put its own there
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model({})
    state = from_input(SD15)
    names = comfy.utils.unet_to_diffusers(SD15_SIZES)
    renamed = {ours: state[theirs] for theirs, ours in names.items() if theirs in state}
    missing, unexpected = model.diffusion_model.load_state_dict(renamed, strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    if wide:
        block = model.diffusion_model.output_blocks[5][-1]
        torch.manual_seed(0)
        with torch.inference_mode(False):
            block.conv = torch.nn.Conv2d(block.channels, FEATURE_CHANNELS, 3, padding=1)
    if delay:
        model.diffusion_model.register_forward_pre_hook(lambda *_: time.sleep(delay))
    return ModelPatcher(model, management.get_torch_device(), management.unet_offload_device())


class TinyClip:
    """What CLIP Text Encode asks of a CLIP. The embedding is golden 22's, whatever the text."""

    def tokenize(self, text: str) -> str:
        return text

    def encode_from_tokens_scheduled(self, tokens: str) -> list:
        return [[from_input(SD15)["prompt"], {}]]


class TinyDetector:
    """Finds the sample's dance in any clip and its reference in any image.

    Everybody is a little further right in brighter frames, so that clips differ. In black frames
    there is nobody.
    """

    name = "tiny"

    def detect(self, frames, total=None, on_frame=lambda done, total: None):
        pose_files = dispose("dispose_core.pose.pose_files")
        poses = Path(dispose("nodes.comfy_adapters.files").ASSETS) / "poses"
        found, seen = [], list(frames)
        (dance,) = pose_files.load_poses(poses / "driving.json")[0]
        (still,) = pose_files.load_poses(poses / "reference.json")[0]
        person = still if len(seen) == 1 else dance[np.arange(len(seen)) % len(dance)]
        brightness = np.array([frame.mean() / 255 for frame in seen])
        found = person.points + np.stack([brightness, 0 * brightness], -1)[:, None] / 20
        scores = person.scores * (brightness > 0)[:, None]
        return [replace(person, points=found, scores=scores, canvas=seen[0].shape[:2])]


def inputs(**kinds: str) -> classmethod:
    """`INPUT_TYPES` of required inputs."""
    return classmethod(lambda cls: {"required": {name: (kind, {}) for name, kind in kinds.items()}})


class Node:
    CATEGORY, FUNCTION = "tests", "run"


class CheckpointLoader(Node):
    """For CheckpointLoaderSimple with SD 1.5."""

    RETURN_TYPES = ("MODEL", "CLIP", "VAE")
    INPUT_TYPES = inputs(ckpt_name="STRING")

    def run(self, ckpt_name):
        return tiny_sd15(True, 0.0), TinyClip(), *tiny("Vae").load()


class ImageOnlyLoader(Node):
    """For ImageOnlyCheckpointLoader with SVD. The MODEL is none: nothing may use it."""

    RETURN_TYPES = ("MODEL", "CLIP_VISION", "VAE")
    INPUT_TYPES = inputs(ckpt_name="STRING")

    def run(self, ckpt_name):
        (clip,) = tiny("ClipVision").load(f"{CLIP_VISION}.json", f"{CLIP_VISION}.safetensors")
        return None, clip, *tiny("Vae").load()


class MimicMotionLoader(Node):
    RETURN_TYPES = ("MODEL", "DISPOSE_POSE_NET")
    INPUT_TYPES = inputs(file="STRING", dtype="STRING", pose_net="STRING")

    def run(self, file, dtype, pose_net):
        return tiny("MimicMotion").load(file=MODEL, delay=0.0, dtype="default")


class ControlNetLoader(Node):
    RETURN_TYPES = ("CONTROL_NET",)
    INPUT_TYPES = inputs(file="STRING", dtype="STRING")

    def run(self, file, dtype):
        return tiny("ControlNet").load(CONTROLNET, dtype, False)


class DetectorLoader(Node):
    RETURN_TYPES = ("DISPOSE_POSE_DETECTOR",)

    @classmethod
    def INPUT_TYPES(cls):
        files = {name: ("STRING", {}) for name in ("person_detector", "pose_network")}
        return {
            "required": {"backend": ("STRING", {}), "smoothing": ("BOOLEAN", {})},
            "optional": files,
        }

    def run(self, backend, smoothing, person_detector="", pose_network=""):
        return (TinyDetector(),)


class ReadSD15(Node):
    """SD 1.5 as small as the goldens have it, each pass as slow as wanted."""

    RETURN_TYPES = ("MODEL", "CLIP")
    INPUT_TYPES = inputs(delay="FLOAT")

    def run(self, delay):
        return tiny_sd15(False, delay), TinyClip()


class OtherModel(Node):
    """Of a MODEL of another class, what can be told before it runs."""

    RETURN_TYPES = ("MODEL",)
    INPUT_TYPES = inputs(model_class="STRING")

    def run(self, model_class):
        kind = getattr(comfy.supported_models, model_class)
        config = kind({"in_channels": 4, **kind.unet_config})
        unet = SimpleNamespace(output_blocks=[None] * 12)
        added = config.unet_config.get("adm_in_channels")
        return (
            SimpleNamespace(
                clone=None,
                model=SimpleNamespace(
                    diffusion_model=unet, model_config=config, adm_channels=added or 0
                ),
            ),
        )


class RecordFeatures(Node):
    """Ends a graph: keypoint features, the latents beside them, and the state of the MODEL."""

    RETURN_TYPES, OUTPUT_NODE = (), True
    INPUT_TYPES = inputs(
        features="DISPOSE_KEYPOINT_FEATURES", latent="LATENT", model="MODEL", run_name="STRING"
    )

    def run(self, features, latent, model, run_name):
        path = Path(folder_paths.get_output_directory()) / f"{run_name}.npz"
        np.savez(
            path,
            features=features.features.numpy(),
            valid=features.valid.numpy(),
            latent=latent["samples"].numpy(),
        )
        left = {
            "patches": [*model.patches, *model.object_patches],
            "options": model.model_options,
            "backup": [*model.backup, *model.object_patches_backup],
        }
        return {"ui": {"left": [json.dumps(left)]}}


class RecordMotion(Node):
    """Ends a graph: optical flow as it is, and tracks through ComfyUI's own reader."""

    RETURN_TYPES, OUTPUT_NODE = (), True
    INPUT_TYPES = inputs(flow="OPTICAL_FLOW", tracks="STRING", run_name="STRING")

    def run(self, flow, tracks, run_name):
        stock = comfy_extras.nodes_wan
        padded = np.stack([stock.pad_pts(track) for track in stock.parse_json_tracks(tracks)])
        path = Path(folder_paths.get_output_directory()) / f"{run_name}.npz"
        np.savez(path, flow=flow.numpy(), tracks=padded)
        return {"ui": {}}


class VideoVAE(Node):
    """For the VAE of Wan: means of 8×8 pixels and of 4 frames after the first, in 16 channels."""

    RETURN_TYPES = ("VAE",)
    INPUT_TYPES = inputs()
    channels, frames, side = 16, 4, 8

    def run(self):
        return (self,)

    def encode(self, frames):
        first = frames[:1].expand(self.frames - 1, -1, -1, -1)
        frames = torch.cat([first, frames]).movedim(-1, 0)[None].float()
        small = torch.nn.functional.avg_pool3d(frames, (self.frames, self.side, self.side))
        channel = torch.arange(float(self.channels)).view(1, -1, 1, 1, 1)
        return small.mean(1, keepdim=True) + channel  # (1, channels, t, h, w)


class LtxVAE(VideoVAE):
    """For the VAE of LTX-Video."""

    channels, frames, side = 128, 8, 32
    downscale_index_formula = (8, 32, 32)


class Text(Node):
    """A prompt that says nothing."""

    RETURN_TYPES = ("CONDITIONING",)
    INPUT_TYPES = inputs()

    def run(self):
        return ([[torch.zeros(1, 4, 8), {}]],)


class RecordConditioning(Node):
    """Ends a graph: the tensors of a CONDITIONING by name."""

    RETURN_TYPES, OUTPUT_NODE = (), True
    INPUT_TYPES = inputs(conditioning="CONDITIONING", latent="LATENT", run_name="STRING")

    def run(self, conditioning, latent, run_name):
        path = Path(folder_paths.get_output_directory()) / f"{run_name}.npz"
        found = {}
        for name, value in conditioning[0][1].items():
            value = value[0] if isinstance(value, list) else value
            if isinstance(value, torch.Tensor):
                found[name] = value.float().numpy()
        samples = latent["samples"]
        np.savez(path, latent_shape=samples.shape, latent=samples.float().numpy(), **found)
        return {"ui": {}}


class RawPoses(Node):
    """POSE_KEYPOINT exactly as a file of the input folder has it, past this pack's reader."""

    RETURN_TYPES = ("POSE_KEYPOINT",)
    INPUT_TYPES = inputs(file="STRING")

    def run(self, file):
        return (json.loads(Path(folder_paths.get_input_directory(), file).read_text()),)


NODE_CLASS_MAPPINGS = {
    f"Tiny{node.__name__}": node
    for node in (
        *(CheckpointLoader, ImageOnlyLoader, MimicMotionLoader, ControlNetLoader, DetectorLoader),
        *(ReadSD15, OtherModel, RecordFeatures, RecordMotion, RawPoses),
        *(VideoVAE, LtxVAE, Text, RecordConditioning),
    )
}
