"""Runs in the official code's interpreter: its CMP over a clip, timed.

Called by `cmp.py` as `python official_cmp.py CHECKOUT JOB RESULT`; job and result are torch files.
Only the checkout's own functions are run; nothing of it is kept here.
"""

import sys
import time

import torch
from official_preprocess import let_torchvision_import

CONFIG = "mimicmotion/modules/cmp/experiments/semiauto_annot/resnet50_vip+mpii_liteflow/config.yaml"


@torch.no_grad()
def main(checkout: str, job_file: str, result_file: str) -> None:
    sys.path.insert(0, checkout)
    let_torchvision_import()
    job = torch.load(job_file, weights_only=True)
    torch.set_num_threads(job["threads"])
    if not torch.cuda.is_available():
        stay_on_the_cpu()
    from mimicmotion.modules.cmp_model import CMP
    from mimicmotion.utils.utils import get_cmp_flow

    cmp = CMP(f"{checkout}/{CONFIG}", 42000)
    network = cmp.model.model
    network.load_state_dict(job["state"])

    sparse, mask = job["sparse"][None], job["mask"][None]
    frames = job["picture"].expand(1, sparse.shape[1], -1, -1, -1)
    get_cmp_flow(cmp, frames[:, :1], sparse[:, :1], mask[:, :1])  # warm-up
    started = time.perf_counter()
    flow = get_cmp_flow(cmp, frames, sparse, mask)
    seconds = time.perf_counter() - started
    torch.save({"flow": flow[0].clone(), "seconds": seconds}, result_file)


def stay_on_the_cpu() -> None:
    """The official CMP is built on the GPU, whatever there is."""
    torch.nn.Module.cuda = lambda self, *_: self
    torch.Tensor.cuda = lambda self, *_, **__: self
    torch.cuda.synchronize = lambda *_: None


if __name__ == "__main__":
    main(*sys.argv[1:])
