"""Reference picture -> its keypoint features, to animate it many times."""

from __future__ import annotations

import time
from argparse import Namespace

from ..features.features_file import save_features
from ..media.image import read_picture
from ..media.resize import describe_fit, fit_size
from ..pipeline.components import Networks
from ..pipeline.model_files import find_model_files
from ..pipeline.plan import resolve
from ..pipeline.preprocess import detector_folder, fit_reference, make_features
from ..pose import skeleton as sk
from .animate import settings_of
from .console import StageBars

NAMES = ["sd15"]


def run(options: Namespace) -> dict:
    """Writes the features file. Returns the summary for `--json`."""
    started = time.monotonic()
    options.config = None
    settings = settings_of(options)
    files = find_model_files(settings, NAMES)
    files.require(NAMES)
    settings = resolve(settings, files)
    source = read_picture(settings.reference)
    source_size = tuple(source.shape[-2:])
    size = fit_size(source_size, settings.resolution)
    networks = Networks(files.paths, settings.device, settings.torch_dtype, settings.offload)

    def detector():
        return networks.detector(settings.detector, detector_folder(settings))

    reference = fit_reference(source, settings, size, detector)
    with StageBars() as bars:
        features = make_features(reference, size, networks, bars)
    save_features(settings.output, features)
    joints = [name for name, valid in zip(sk.BODY, features.valid.tolist(), strict=True) if valid]
    return {
        "command": options.command,
        "output": str(settings.output),
        "joints": joints,
        "channels": features.features.shape[1],
        "size": [size[1], size[0]],
        "seconds": round(time.monotonic() - started, 2),
        "report": [
            describe_fit(source_size, size),
            f"features of {len(joints)} of {sk.N_BODY} joints written to {settings.output}",
        ],
    }
