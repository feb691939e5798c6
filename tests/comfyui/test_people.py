"""Several people in the real ComfyUI: loaded from a file, one chosen, all drawn."""

from __future__ import annotations

import numpy as np
import pytest

from dispose_core.media.image import read_image
from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses
from dispose_core.pose.sequence import PoseSequence


@pytest.fixture
def couple(assets, tmp_path):
    """The sample's dancer large on the right and small on the left, in turns of their order."""
    (dance,) = load_poses(assets / "poses" / "driving.json")[0]
    dance = dance[::12]
    right = PoseSequence(dance.points * 0.8 + (0.3, 0.1), dance.scores, dance.canvas)
    left = PoseSequence(dance.points * 0.4 + (-0.05, 0.5), dance.scores, dance.canvas)
    odd = np.arange(len(dance))[:, None, None] % 2 == 1
    slots = [
        a.with_points(np.where(odd, b.points, a.points)) for a, b in ((right, left), (left, right))
    ]
    save_openpose(tmp_path / "couple.json", slots)
    return tmp_path / "couple.json"


def test_the_chosen_person_is_first_and_everybody_is_drawn(comfy, couple, tmp_path):
    job = {
        "1": {"class_type": "DisPoseLoadPoses", "inputs": {"file": comfy.upload(couple)}},
        "2": {
            "class_type": "DisPoseChoosePerson",
            "inputs": {
                "poses": ["1", 0],
                "person": "nearest",
                "index": 0,
                "x": 0.15,
                "y": 0.75,
                "frame": 0,
            },
        },
        "3": {
            "class_type": "DisPosePoseRender",
            "inputs": {
                "poses": ["2", 0],
                "width": 144,
                "height": 256,
                "body": True,
                "hands": True,
                "face": True,
            },
        },
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
        "5": {"class_type": "PreviewAny", "inputs": {"source": ["2", 1]}},
        "6": {
            "class_type": "DisPoseSavePoses",
            "inputs": {"poses": ["2", 0], "filename_prefix": "couple"},
        },
    }
    frame = comfy.run(job)
    (report,) = frame["outputs"]["5"]["text"]
    assert report.startswith("person: the one nearest to (0.15, 0.75) in frame 0, of 2 people")
    images = [read_image(comfy.download(f, tmp_path)) for f in comfy.files(frame, "4")]
    assert len(images) == 6
    for image in images:
        assert image[..., :50].max() > 0.5 and image[..., 80:].max() > 0.5

    (name,) = frame["outputs"]["6"]["text"]
    file = {"filename": name.removesuffix(" [output]"), "subfolder": "", "type": "output"}
    people = load_poses(comfy.download(file, tmp_path))[0]
    neck = [person.body[:, 1, 0].max() for person in people]
    assert neck[0] < 0.4 < neck[1]


def test_a_file_is_read_again_only_if_it_changed(comfy, couple):
    job = {
        "1": {
            "class_type": "DisPoseLoadPoses",
            "inputs": {"file": comfy.upload(couple), "width": 0, "height": 0},
        },
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 2]}},
    }

    def cached():
        messages = comfy.run(job)["status"]["messages"]
        return next(data["nodes"] for event, data in messages if event == "execution_cached")

    cached()
    assert "1" in cached()
    couple.write_text(couple.read_text() + "\n")
    comfy.upload(couple)
    assert "1" not in cached()
