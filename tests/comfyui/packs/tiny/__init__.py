"""Tiny models for the tests, built by ComfyUI's own classes, and a record of what they did.

Files come from ComfyUI's folders, where the tests put them. The released sizes take minutes on a
CPU, and ComfyUI recognises no SVD below 212 million parameters, so what it would read from a file
is told here: channels an attention head, the width of the added ids.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import comfy.controlnet
import comfy.k_diffusion.sampling as k_diffusion
import comfy.model_base
import comfy.model_detection
import comfy.model_management as management
import comfy.model_patcher
import comfy.samplers
import comfy.sd
import comfy.supported_models
import folder_paths
import numpy as np
import torch
from comfy.clip_vision import ClipVisionModel
from comfy.ldm.modules.diffusionmodules.openaimodel import Timestep
from comfy.model_patcher import ModelPatcher

HEAD_CHANNELS = 32

# What happened since the last Record: calls of networks by name, and latents after each step.
CALLS: list[tuple[str, list[int]]] = []
STEPS: list[torch.Tensor] = []


def dispose(name: str) -> ModuleType:
    """A module of the pack under test, whatever its folder is called."""
    errors = ".dispose_core.errors"
    root = next(key for key in sys.modules if key.endswith(errors)).removesuffix(errors)
    return importlib.import_module(f"{root}.{name}")


def arrays(name: str) -> dict[str, torch.Tensor]:
    """An .npz of the input folder."""
    found = np.load(Path(folder_paths.get_input_directory()) / name)
    return {key: torch.from_numpy(found[key]) for key in found.files}


def counted(network: torch.nn.Module, name: str, delay: float = 0.0) -> None:
    def before(_, inputs):
        CALLS.append((name, list(inputs[0].shape)))
        time.sleep(delay)

    network.register_forward_pre_hook(before)


class TinySVD(comfy.model_base.SVD_img2vid):
    """ComfyUI's SVD with added ids of another width."""

    def __init__(self, config):
        super().__init__(config)
        self.embedder = Timestep(config.unet_config["adm_in_channels"] // 3)


def tiny_svd(state: dict[str, torch.Tensor], dtype: torch.dtype | None = None) -> ModelPatcher:
    config = comfy.supported_models.SVD_img2vid(comfy.model_detection.detect_unet_config(state, ""))
    config.unet_config["num_head_channels"] = HEAD_CHANNELS
    device = management.get_torch_device()
    config.set_inference_dtype(
        dtype or torch.float32, management.unet_manual_cast(dtype or torch.float32, device)
    )
    model = TinySVD(config)
    missing, unexpected = model.diffusion_model.load_state_dict(state, strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    return ModelPatcher(model, device, management.unet_offload_device())


class MimicMotion:
    CATEGORY, FUNCTION = "tests", "load"
    RETURN_TYPES = ("MODEL", "DISPOSE_POSE_NET")

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "file": ("STRING", {}),
                "delay": ("FLOAT", {"default": 0.0}),
            },
            "optional": {"dtype": ("STRING", {"default": "default"})},
        }

    def load(self, file, delay, dtype="default"):
        unet = dispose("nodes.comfy_adapters.unet")
        path = Path(folder_paths.get_full_path_or_raise("diffusion_models", file))
        weights = dispose("dispose_core.checkpoints.state_dict").open_weights(path)
        dtypes = dispose("nodes.comfy_adapters.model_management").DTYPES
        model = tiny_svd(unet.comfyui_state(weights), dtypes.get(dtype))
        counted(model.model.diffusion_model, "unet", delay)
        return model, unet.load_pose_net_patcher(path, optional=False)


class SD15:
    """A MODEL of the wrong class; it is never run."""

    CATEGORY, FUNCTION = "tests", "load"
    RETURN_TYPES = ("MODEL",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def load(self):
        config = comfy.supported_models.SD15(
            {
                **{"image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32},
                **{"num_res_blocks": [1], "channel_mult": [1], "transformer_depth": [0]},
                **{"transformer_depth_output": [0, 0], "transformer_depth_middle": -1},
                **{"context_dim": 768, "use_spatial_transformer": True, "legacy": False},
            }
        )
        model = config.get_model({})
        return (
            ModelPatcher(model, management.get_torch_device(), management.unet_offload_device()),
        )


class ControlNet:
    CATEGORY, FUNCTION = "tests", "load"
    RETURN_TYPES = ("CONTROL_NET",)

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "file": ("STRING", {}),
                "dtype": ("STRING", {"default": "default"}),
                "low_vram": ("BOOLEAN", {"default": False}),
            }
        }

    def load(self, file, dtype, low_vram):
        path = Path(folder_paths.get_full_path_or_raise("controlnet", file))
        host = dispose("nodes.comfy_adapters.hosted_controlnet")
        networks = host.load_control_networks(path, dtype, HEAD_CHANNELS)
        counted(networks.controlnet.model.network, "controlnet")
        counted(networks.motion.model, "motion")
        if low_vram:  # as ComfyUI loads where hardly anything fits
            networks.controlnet.load(management.get_torch_device(), lowvram_model_memory=1)
            assert networks.controlnet.model.model_lowvram
        return (dispose("nodes.comfy_adapters.control").DisPoseControl(networks),)


class Patchers:
    """Ends a graph: classes of the patchers of all networks of the pack.

    ComfyUI sets `CoreModelPatcher` at start where dynamic VRAM works, which needs a GPU.
    """

    CATEGORY, FUNCTION = "tests", "name"
    RETURN_TYPES, OUTPUT_NODE = (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("STRING", {}), "controlnet": ("STRING", {})}}

    def name(self, model, controlnet):
        class StandIn(ModelPatcher):
            pass

        before = getattr(comfy.model_patcher, "CoreModelPatcher", None)
        comfy.model_patcher.CoreModelPatcher = StandIn
        try:
            pose_net = MimicMotion().load(model, 0.0)[1]
            networks = ControlNet().load(controlnet, "default", False)[0].networks
            cmp = dispose("nodes.comfy_adapters.densifier").managed(torch.nn.Linear(1, 1))
        finally:
            if before is None:
                del comfy.model_patcher.CoreModelPatcher
            else:
                comfy.model_patcher.CoreModelPatcher = before
        wrapped = (pose_net, networks.controlnet, networks.motion, cmp)
        return {"ui": {"names": [type(patcher).__name__ for patcher in wrapped]}}


class Compile:
    """ComfyUI's torch.compile with the backend "eager", which its node does not offer."""

    CATEGORY, FUNCTION = "tests", "compile"
    RETURN_TYPES = ("MODEL",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}}

    def compile(self, model):
        from comfy_api.torch_helpers import set_torch_compile_wrapper

        compiled = model.clone()
        set_torch_compile_wrapper(model=compiled, backend="eager")
        return (compiled,)


class OtherControlNet:
    """A CONTROL_NET of another kind and no PoseNet; neither is ever run."""

    CATEGORY, FUNCTION = "tests", "make"
    RETURN_TYPES = ("CONTROL_NET", "DISPOSE_POSE_NET")

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def make(self):
        return comfy.controlnet.T2IAdapter(None, 3, 8, "bicubic"), None


class Windowed:
    """A control's residuals of one window, told in each of the ways there are."""

    CATEGORY, FUNCTION = "tests", "run"
    RETURN_TYPES, OUTPUT_NODE = (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "condition": ("CONDITIONING",)}}

    def run(self, model, condition):
        ((embedding, told),) = condition
        clone = told["control"].deepclone_multigpu(management.get_torch_device())
        frames, clip = [0, 3, 4, 6], len(clone.hints)
        evolved = {"ad_params": {"sub_idxs": frames, "full_length": clip}}
        window = {"context_window": SimpleNamespace(index_list=frames, total_frames=clip)}
        other = {"context_window": SimpleNamespace(index_list=[0, 1, 2, 3], total_frames=clip)}
        ways = [
            ("ComfyUI", told["control"], window, None),
            ("options of AnimateDiff-Evolved", told["control"], evolved, None),
            ("AnimateDiff-Evolved on the control", told["control"], {}, frames),
            ("a clone for another GPU", clone, window, None),
            ("another window", told["control"], other, None),
        ]
        image = told["concat_latent_image"].expand(len(frames), -1, -1, -1)
        torch.manual_seed(0)
        noisy, sigma = torch.randn_like(image), torch.full((len(frames),), 5.0)
        condition = {
            "c_concat": image,
            "c_crossattn": embedding.expand(len(frames), -1, -1),
            "y": torch.ones(len(frames), model.model.model_config.unet_config["adm_in_channels"]),
        }
        found = {}
        for name, control, options, assigned in ways:
            management.load_models_gpu([model, *control.get_models()])
            control.pre_run(model.model, model.model.model_sampling.percent_to_sigma)
            control.sub_idxs = assigned
            with torch.no_grad():
                made = control.get_control(noisy, sigma, condition, 1, options)
            found[name] = torch.cat([x.flatten() for x in [*made["output"], *made["middle"]]])
            control.cleanup()
            assert control.sub_idxs is None
        first = found["ComfyUI"]
        differences = [[name, float((x - first).abs().max())] for name, x in found.items()]
        return {"ui": {"differences": [json.dumps(differences)]}}


class ClipVision:
    CATEGORY, FUNCTION = "tests", "load"
    RETURN_TYPES = ("CLIP_VISION",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"config": ("STRING", {}), "file": ("STRING", {})}}

    def load(self, config, file):
        folder = Path(folder_paths.get_input_directory())
        clip = ClipVisionModel(folder / config)
        missing, unexpected = clip.load_sd(comfy.utils.load_torch_file(str(folder / file)))
        assert not missing and not unexpected, (missing, unexpected)
        return (clip,)


class Vae:
    """An image VAE: ComfyUI's video VAE has no tiny size. The weights follow from a seed."""

    CATEGORY, FUNCTION = "tests", "load"
    RETURN_TYPES = ("VAE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def load(self):
        sizes = {
            **{"double_z": True, "z_channels": 4, "resolution": 64, "in_channels": 3},
            **{"out_ch": 3, "ch": 32, "ch_mult": [1, 1, 1, 1], "num_res_blocks": 1},
            **{"attn_resolutions": [], "dropout": 0.0},
        }
        torch.manual_seed(0)
        with torch.inference_mode(False):
            vae = comfy.sd.VAE(sd={}, config={"params": {"ddconfig": sizes, "embed_dim": 4}})
            for weight in vae.first_stage_model.parameters():
                weight.data.normal_(0, 0.1)
        counted(vae.first_stage_model.decoder, "decoder")
        return (vae,)


class Condition:
    CATEGORY, FUNCTION = "tests", "read"
    RETURN_TYPES = ("CONDITIONING", "CONDITIONING", "LATENT")

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"file": ("STRING", {}), "frames": ("INT", {"default": 7})}}

    def read(self, file, frames):
        g = arrays(file)
        image, embedding = g["image_latents"], g["embedding"]
        told = {"fps": 7, "motion_bucket_id": 127, "augmentation_level": 0.02}
        return (
            [[embedding, {**told, "concat_latent_image": image}]],
            [[embedding * 0, {**told, "concat_latent_image": image * 0}]],
            {"samples": torch.zeros(frames, *image.shape[1:])},
        )


class GivenMotion:
    """Stands for a MotionField: maps as they were given, at one size."""

    def __init__(self, flow, trajectory):
        self.maps = [
            torch.cat([maps.new_zeros(1, *maps.shape[1:]), maps]) for maps in (flow, trajectory)
        ]
        self.size = tuple(flow.shape[-2:])

    def __len__(self):
        return len(self.maps[0])

    def flow(self, frames, size):
        return self.maps[0][list(frames)]

    def trajectory(self, frames, size):
        return self.maps[1][list(frames)]


class Guidance:
    CATEGORY, FUNCTION = "tests", "read"
    RETURN_TYPES = ("DISPOSE_MOTION_FIELD", "DISPOSE_KEYPOINT_FEATURES", "IMAGE")

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"file": ("STRING", {})}}

    def read(self, file):
        g = arrays(file)
        core = dispose("dispose_core.features.keypoint_features")
        features = core.KeypointFeatures(g["features"], torch.ones(18, dtype=torch.bool))
        motion = GivenMotion(g["flow"], g["trajectory"])
        return motion, features, g["skeletons"].movedim(1, -1)


class Sampler:
    """A stock sampler that keeps the latents after each step."""

    CATEGORY, FUNCTION = "tests", "make"
    RETURN_TYPES = ("SAMPLER",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"name": ("STRING", {"default": "euler"})}}

    def make(self, name):
        stock = getattr(k_diffusion, f"sample_{name}")

        def sample(model, x, sigmas, extra_args=None, callback=None, disable=None):
            STEPS.clear()

            # The callback shows latents before a step.
            def keep(step):
                STEPS.append(step["x"].clone())
                if callback is not None:
                    callback(step)

            result = stock(model, x, sigmas, extra_args, callback=keep, disable=True)
            STEPS.append(result.clone())
            return result

        return (comfy.samplers.KSAMPLER(sample),)


class Record:
    """Ends a graph: what was called, and the latents before and after each step."""

    CATEGORY, FUNCTION = "tests", "write"
    RETURN_TYPES, OUTPUT_NODE = (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"latent": ("LATENT",), "run": ("STRING", {})}}

    def write(self, latent, run):
        name = f"{run}.npz"
        np.savez(
            Path(folder_paths.get_output_directory()) / name,
            samples=latent["samples"].float().cpu().numpy(),
            **{f"step{i}": x.float().cpu().numpy() for i, x in enumerate(STEPS)},
        )
        calls = json.dumps(CALLS)
        CALLS.clear()
        STEPS.clear()
        file = {"filename": name, "subfolder": "", "type": "output"}
        return {"ui": {"files": [file], "calls": [calls]}}


class Show:
    """Ends a graph: an embedding, the image's latents, and images."""

    CATEGORY, FUNCTION = "tests", "write"
    RETURN_TYPES, OUTPUT_NODE = (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "condition": ("CONDITIONING",),
                "images": ("IMAGE",),
                "run": ("STRING", {}),
            }
        }

    def write(self, condition, images, run):
        ((embedding, told),) = condition
        np.savez(
            Path(folder_paths.get_output_directory()) / f"{run}.npz",
            embedding=embedding.numpy(),
            latent=told["concat_latent_image"].numpy(),
            images=images.numpy(),
        )
        return {"ui": {}}


NODE_CLASS_MAPPINGS = {
    f"Tiny{node.__name__}": node
    for node in (
        *(MimicMotion, SD15, ControlNet, Patchers, Compile, OtherControlNet, Windowed),
        *(ClipVision, Vae),
        *(Condition, Guidance, Sampler, Record, Show),
    )
}
