"""Runs in the official code's interpreter: its ControlNet and UNet on one window, timed.

Called by `sampling.py` as `python official_sampling.py CHECKOUT JOB RESULT`; job and result are
torch files. Only the checkout's own modules are run; nothing of it is kept here.
"""

import resource
import sys
import time
from statistics import median

import torch
from official_preprocess import let_torchvision_import

ROUNDS = 3
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@torch.no_grad()
def main(checkout: str, job_file: str, result_file: str) -> None:
    sys.path.insert(0, checkout)
    let_torchvision_import()
    from mimicmotion.modules.controlnet import ControlNetSVDModel
    from mimicmotion.modules.point_adapter import PointAdapter
    from mimicmotion.modules.unet import UNetSpatioTemporalConditionModel

    job = torch.load(job_file, weights_only=True)
    torch.set_num_threads(job["threads"])
    device, dtype = torch.device(job["device"]), DTYPES[job["dtype"]]
    sizes = {key: tuple(v) if isinstance(v, list) else v for key, v in job["config"].items()}
    unet = UNetSpatioTemporalConditionModel(**sizes)
    controlnet = ControlNetSVDModel(**sizes)
    if job["adapter"]:
        controlnet.point_adapter = PointAdapter(**job["adapter"])
    for net in (unet, controlnet):
        net.to(device, dtype).eval()
    given = inputs(job, unet.config, device, dtype)

    def window() -> None:
        with torch.autocast(device.type, enabled=device.type == "cuda"):
            down, mid, *_ = controlnet(*given["first"], **given["control"], return_dict=False)
            unet(
                *given["first"],
                pose_latents=given["pose_latents"],
                down_block_additional_residuals=down,
                mid_block_additional_residual=mid,
                return_dict=False,
            )
        if device.type == "cuda":
            torch.cuda.synchronize()

    window()  # warm-up
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        window()
        seconds.append(time.perf_counter() - started)
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    torch.save({"window": median(seconds), "peak": peak}, result_file)


def inputs(job: dict, config, device: torch.device, dtype: torch.dtype) -> dict:
    """Of both guidance halves, as the official loop gives them for each window of each step."""
    (height, width), frames = job["size"], job["window"]
    h, w = height // 8, width // 8
    to = {"device": device, "dtype": dtype}
    first = (
        torch.randn(2, frames, config.in_channels, h, w, **to),
        torch.tensor(1.25, device=device),
        torch.randn(2, 1, config.cross_attention_dim, **to),
        torch.tensor([[6.0, 127.0, 0.0]] * 2, **to),
    )
    control = {
        "controlnet_cond": torch.zeros(2, 3, height, width, **to),
        "controlnet_flow": torch.randn(2, frames - 1, 2, height, width, **to),
        "traj_flow": torch.randn(2, frames - 1, 2, height, width, **to),
        "point_list": [
            {"candidate": c.numpy(), "subset": torch.arange(18.0).double()[None].numpy()}
            for c in job["candidate"]
        ],
        "ref_point_emb": torch.randn(1, 18, 1280, **to),
    }
    channels = config.block_out_channels[0]
    pose_latents = torch.randn(2 * frames, channels, h, w, **to)
    return {"first": first, "control": control, "pose_latents": pose_latents}


if __name__ == "__main__":
    main(*sys.argv[1:])
