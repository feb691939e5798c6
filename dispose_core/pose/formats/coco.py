"""COCO-style results: AlphaPose, mmpose, and COCO's own annotations."""

from __future__ import annotations

from typing import Any

from .base import Frame, PoseFormat, frames_by_id, is_list_of, person_of

_FRAME_IDS = ("image_id", "frame_id", "image", "file_name")


def _is_instance(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("keypoints"), list)


def _frame_id(instance: dict[str, Any]) -> Any:
    return next((instance[key] for key in _FRAME_IDS if key in instance), None)


def _person(instance: dict[str, Any]) -> Frame:
    return person_of(instance["keypoints"], instance.get("keypoint_scores"))


def _is_results(data: Any) -> bool:
    return is_list_of(data, dict) and all(map(_is_instance, data))


def _of_results(data: Any) -> list[Frame]:
    ids = [_frame_id(instance) for instance in data]
    if None in ids:  # one image
        return [{"people": [_person(instance) for instance in data]}]
    return frames_by_id([(i, _person(each)) for i, each in zip(ids, data, strict=True)])


def _instance_frames(data: Any) -> Any:
    """mmpose's list with the instances of each frame, or None."""
    if isinstance(data, dict):
        data = data.get("instance_info")
    if is_list_of(data, dict) and all(isinstance(frame.get("instances"), list) for frame in data):
        return data
    return None


def _of_mmpose(data: Any) -> list[Frame]:
    frames = _instance_frames(data)
    return [{"people": [_person(each) for each in frame["instances"]]} for frame in frames]


def _is_annotations(data: Any) -> bool:
    return isinstance(data, dict) and _is_results(data.get("annotations"))


def _of_annotations(data: Any) -> list[Frame]:
    images = [image for image in data.get("images") or [] if isinstance(image, dict)]
    if not images:
        return _of_results(data["annotations"])
    images.sort(key=lambda image: str(image.get("file_name", image.get("id"))))
    frames: dict[Any, Frame] = {
        image.get("id"): {
            "people": [],
            "canvas_width": image.get("width"),
            "canvas_height": image.get("height"),
        }
        for image in images
    }
    for annotation in data["annotations"]:
        frame = frames.get(annotation.get("image_id"))
        if frame is None:
            raise ValueError(f"an annotation of image {annotation.get('image_id')}, not listed")
        frame["people"].append(_person(annotation))
    return list(frames.values())


FORMATS = (
    PoseFormat("AlphaPose or COCO results", _is_results, _of_results),
    PoseFormat("mmpose predictions", lambda data: _instance_frames(data) is not None, _of_mmpose),
    PoseFormat("COCO annotations", _is_annotations, _of_annotations),
)
