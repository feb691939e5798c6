"""`features`: reference image -> keypoint features, for reuse in several runs."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import TYPE_CHECKING

from .console import StageBars, Summary
from .options import DETECTION, add_command, add_config, add_models, add_output, config_of

if TYPE_CHECKING:
    from .options import Subparsers

NEEDED = ["sd15"]


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "features",
        "compute the keypoint features of a reference image once, for many runs of `animate`",
        run,
        "features --reference portrait.jpg --models ComfyUI/models -o portrait.safetensors",
    )
    add_config(parser, "reference", required=("reference",))
    add_output(parser, "portrait.safetensors")
    add_config(parser, "reference_pose", "resolution", *DETECTION)
    add_models(parser, "sd15")


def run(options: Namespace) -> Summary:
    """Run the command; raises `DisPoseError`. Returns the summary to print."""
    from ..features.features_file import save_features
    from ..media.image import read_image
    from ..media.resize import fit_size
    from ..pipeline.components import Components
    from ..pipeline.model_files import find_model_files
    from ..pipeline.plan import resolve
    from ..pipeline.preprocess import fit_reference
    from ..pipeline.read_inputs import make_features
    from ..pose.skeleton import BODY, N_BODY

    started = time.monotonic()
    config = config_of(options)
    files = find_model_files(config, NEEDED)
    files.require(NEEDED)
    config = resolve(config, files)
    source = read_image(options.reference)
    size = fit_size((int(source.shape[-2]), int(source.shape[-1])), config.resolution)
    components = Components(files.paths, config.device, config.torch_dtype, config.offload)
    reference = fit_reference(
        source,
        size,
        lambda: components.detector(config),
        config.reference_pose,
        config.threshold,
    )
    with StageBars() as bars:
        features = make_features(reference, components, bars)
    save_features(options.output, features)
    joints = [name for name, valid in zip(BODY, features.valid.tolist(), strict=True) if valid]
    return {
        "command": options.command,
        "output": str(options.output),
        "joints": joints,
        "channels": features.features.shape[1],
        "size": [size[1], size[0]],
        "seconds": round(time.monotonic() - started, 2),
        "report": [
            *reference.report,
            f"features of {len(joints)} of {N_BODY} joints written to {options.output}",
        ],
    }
