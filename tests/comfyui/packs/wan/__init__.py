"""What stands around Wan-Animate in tests: images from a file, a VAE that averages, a record of the
conditioning, and nodes that exchange the poses of other packs as their nodes do."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import folder_paths
import numpy as np
import torch


def from_input(name: str) -> dict[str, np.ndarray]:
    return dict(np.load(Path(folder_paths.get_input_directory()) / name))


def to_output(name: str, **arrays: np.ndarray) -> None:
    np.savez(Path(folder_paths.get_output_directory()) / name, **arrays)


def inputs(_required: dict | None = None, **optional: str) -> classmethod:
    required = {name: (kind, {}) for name, kind in (_required or {}).items()}
    others = {name: (kind, {}) for name, kind in optional.items()}
    return classmethod(lambda cls: {"required": required, "optional": others})


class Node:
    CATEGORY, FUNCTION = "tests", "run"


class AveragingVae:
    """Encodes as Wan's VAE in shape: the first frame, then four at a time, 8×8 pixels each."""

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        frames = pixels.movedim(-1, 0)  # (3, F, H, W)
        count = (frames.shape[1] - 1) // 4
        spread = torch.nn.functional.avg_pool2d(frames, 8)
        later = spread[:, 1 : 1 + 4 * count].unflatten(1, (count, 4)).mean(2) if count else None
        latent = spread[:, :1] if later is None else torch.cat([spread[:, :1], later], 1)
        return latent.repeat(6, 1, 1, 1)[:16][None]


class Vae(Node):
    RETURN_TYPES = ("VAE",)
    INPUT_TYPES = inputs()

    def run(self):
        return (AveragingVae(),)


class Prompt(Node):
    RETURN_TYPES = ("CONDITIONING",)
    INPUT_TYPES = inputs()

    def run(self):
        return ([[torch.zeros(1, 1, 8), {}]],)


class Frames(Node):
    """Images, and a mask, from an .npz of the input folder."""

    RETURN_TYPES = ("IMAGE", "MASK")
    INPUT_TYPES = inputs({"file": "STRING"})

    def run(self, file):
        found = from_input(file)
        return torch.from_numpy(found["images"]), torch.from_numpy(found["mask"])


class RecordConditioning(Node):
    """Ends a graph: every tensor of both conditionings."""

    RETURN_TYPES, OUTPUT_NODE = (), True
    INPUT_TYPES = inputs(
        {"positive": "CONDITIONING", "negative": "CONDITIONING", "run_name": "STRING"}
    )

    def run(self, positive, negative, run_name):
        arrays = {
            f"{name}_{key}": value.float().numpy()
            for name, conditioning in (("positive", positive), ("negative", negative))
            for key, value in conditioning[0][1].items()
            if isinstance(value, torch.Tensor)
        }
        to_output(f"{run_name}.npz", **arrays)
        return {}


class DwPoses(Node):
    """DWPOSES as SCAIL-Pose's ViTPose node makes them, of an .npz: right hand first."""

    RETURN_TYPES = ("DWPOSES",)
    INPUT_TYPES = inputs({"file": "STRING"})

    def run(self, file):
        found = from_input(file)
        numbers = np.where(found["body"][..., 2] > 0.3, np.arange(18.0), -1)
        poses = [
            {
                "bodies": {"candidate": body[None, :, :2], "subset": visible[None]},
                "hands": np.stack([right[:, :2], left[:, :2]]),
                "faces": face[None, :, :2],
                "body_score": body[None, :, 2],
                "hand_score": np.stack([right[:, 2], left[:, 2]]),
                "face_score": face[None, :, 2],
            }
            for body, visible, left, right, face in zip(
                found["body"], numbers, found["left"], found["right"], found["face"], strict=True
            )
        ]
        return ({"poses": poses, "swap_hands": True},)


class PoseData(Node):
    """POSEDATA with objects in pixels, of the same arrays; the toes are at the ankles."""

    RETURN_TYPES = ("POSEDATA",)
    INPUT_TYPES = inputs({"file": "STRING", "width": "INT", "height": "INT"})

    def run(self, file, width, height):
        found = from_input(file)
        found["body"] = np.concatenate([found["body"], found["body"][:, [13, 10]]], 1)
        found["face"] = np.concatenate([found["face"][:, :1], found["face"]], 1)  # 69
        metas = []
        for t in range(len(found["body"])):
            meta = SimpleNamespace(width=width, height=height, image_id="")
            for name, part in (("body",) * 2, ("lhand", "left"), ("rhand", "right"), ("face",) * 2):
                setattr(meta, f"kps_{name}", found[part][t, :, :2] * (width, height))
                setattr(meta, f"kps_{name}_p", found[part][t, :, 2])
            metas.append(meta)
        data = {"pose_metas": metas, "pose_metas_original": [], "refer_pose_meta": None}
        return ({**data, "retarget_image": None},)


class RecordDwPoses(Node):
    """Ends a graph: what SCAIL-Pose's drawing reads, in its order left, right."""

    RETURN_TYPES, OUTPUT_NODE = (), True
    INPUT_TYPES = inputs({"dw_poses": "DWPOSES", "run_name": "STRING"})

    def run(self, dw_poses, run_name):
        poses = dw_poses["poses"]
        order = (1, 0) if dw_poses.get("swap_hands", False) else (0, 1)

        def joined(places, scores):
            return np.concatenate([places, scores[..., None]], -1)

        to_output(
            f"{run_name}.npz",
            body=np.stack([joined(p["bodies"]["candidate"], p["body_score"])[0] for p in poses]),
            left=np.stack([joined(p["hands"], p["hand_score"])[order[0]] for p in poses]),
            right=np.stack([joined(p["hands"], p["hand_score"])[order[1]] for p in poses]),
            face=np.stack([joined(p["faces"], p["face_score"])[0] for p in poses]),
        )
        return {}


class RecordPoseData(Node):
    """Ends a graph: what WanAnimatePreprocess's drawing and face crops read."""

    RETURN_TYPES, OUTPUT_NODE = (), True
    INPUT_TYPES = inputs({"pose_data": "POSEDATA", "run_name": "STRING"})

    def run(self, pose_data, run_name):
        assert pose_data.get("retarget_image") is None and pose_data["refer_pose_meta"] is None
        metas, originals = pose_data["pose_metas"], pose_data["pose_metas_original"]

        def joined(name):
            both = [(getattr(m, f"kps_{name}"), getattr(m, f"kps_{name}_p")) for m in metas]
            return np.stack([np.concatenate([xy, p[:, None]], axis=1) for xy, p in both])

        to_output(
            f"{run_name}.npz",
            body=joined("body"),
            left=joined("lhand"),
            right=joined("rhand"),
            face=np.stack([m["keypoints_face"][1:] for m in originals]),
            size=np.array([(m.width, m.height) for m in metas]),
        )
        return {"ui": {"frames": [json.dumps(len(originals))]}}


NODE_CLASS_MAPPINGS = {
    f"Wan{kind.__name__}": kind
    for kind in (
        *(Vae, Prompt, Frames, RecordConditioning),
        *(DwPoses, PoseData, RecordDwPoses, RecordPoseData),
    )
}
