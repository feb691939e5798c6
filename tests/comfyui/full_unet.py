"""Golden 16 through ComfyUI's SVD UNet; prints the file that holds the prediction."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

# Before ComfyUI is on the path, which has a package `tests` of its own.
from dispose_core.checkpoints.key_maps import rename_keys, to_comfyui  # noqa: E402
from tests.rule_weights import net_inputs, rnd, rule_tensor  # noqa: E402
from tests.tiny_nets import manifest  # noqa: E402

sys.path.insert(0, os.environ["COMFYUI_PATH"])

import comfy.cli_args  # noqa: E402

comfy.cli_args.args.cpu = True

import comfy.ldm.modules.diffusionmodules.openaimodel as openai  # noqa: E402
import comfy.ops  # noqa: E402
import comfy.supported_models  # noqa: E402
from comfy.model_detection import detect_unet_config  # noqa: E402

TIMES = (4, 4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1)  # docs/reference_behaviour.md#residual-multiplicity
FRAMES = 3


def main() -> None:
    shapes = manifest("mimicmotion_unet_posenet", "unet.")
    state = rename_keys(
        {key: rule_tensor(f"unet.{key}", shape) for key, shape in shapes.items()}, to_comfyui
    )
    config = comfy.supported_models.SVD_img2vid(detect_unet_config(state, ""))
    net = openai.UNetModel(
        **config.unet_config, device="meta", operations=comfy.ops.disable_weight_init
    )
    net.load_state_dict(state, assign=True)
    net.dtype = torch.float32

    sizes = {"cross_attention_dim": 1024, "block_out_channels": [320]}
    given = net_inputs("fun", sizes, 128, 128, FRAMES)
    h = w = 16
    widths = [(320, 1)] * 3 + [(320, 2)] + [(640, 2)] * 2 + [(640, 4)] + [(1280, 4)] * 2
    widths += [(1280, 8)] * 3
    residuals = [
        rnd(f"fun_res_{k}", (2 * FRAMES, c, h // s, w // s), 0.1) * TIMES[k]
        for k, (c, s) in enumerate(widths)
    ]
    control = {
        "output": residuals,
        "middle": [rnd("fun_res_mid", (2 * FRAMES, 1280, h // 8, w // 8), 0.1)],
    }

    def add_pose(hidden, options):
        return hidden + given["pose_latents"] if options["block"] == ("input", 0) else hidden

    sinusoids = openai.timestep_embedding(given["ids"].flatten(), 256).reshape(2, 768)
    with torch.no_grad():
        found = net(
            given["sample"].flatten(0, 1),
            torch.full((2 * FRAMES,), given["timestep"]),
            context=given["context"].repeat_interleave(FRAMES, 0),
            y=sinusoids.repeat_interleave(FRAMES, 0),
            control=control,
            transformer_options={"patches": {"input_block_patch": [add_pose]}},
            num_video_frames=FRAMES,
        )
    path = Path(tempfile.mkdtemp()) / "found.npy"
    np.save(path, found.unflatten(0, (2, FRAMES)).numpy())
    print(path)


if __name__ == "__main__":
    main()
