"""Two hundred damaged files, and some made to harm: a clear error each, no crash, hang or flood.

The damage is drawn from fixed seeds. Where it leaves a valid file, such as a flipped bit in a
weight, the file must load as one. All of it runs with 1 GB of address space to spare.
"""

from __future__ import annotations

import io
import json
import random
import signal
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from dispose_core.checkpoints.architectures.mimicmotion import load_pose_net
from dispose_core.errors import CheckpointError, DisPoseError, MediaError, PoseError
from dispose_core.motion.field_file import load_field
from dispose_core.pose.pose_files import load_poses
from tests.rule_weights import rule_state
from tests.tiny_nets import manifest

resource = pytest.importorskip("resource", reason="memory is limited as POSIX does it")
pytestmark = pytest.mark.slow  # two hundred files under a memory limit
STATUS = Path("/proc/self/status")

MUTATIONS = 40  # of each kind of file
SPARE = 1 << 30
SECONDS = 60  # a file; damaged ones take milliseconds, but the machine may be busy


def allow(spare: int) -> tuple[int, int]:
    """Limits memory to `spare` bytes more than are used now; returns the limits before."""
    if not STATUS.exists():
        pytest.skip("needs /proc to see what memory is used")
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmSize"))
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (int(line.split()[1]) * 1024 + spare, before[1]))
    return before


@pytest.fixture(autouse=True)
def limits():
    before = allow(SPARE)
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


class Hangs(BaseException):
    pass


def within_time(function, *arguments):
    def give_up(*_):
        raise Hangs(f"more than {SECONDS} s")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(SECONDS)
    try:
        return function(*arguments)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


# Sound files


def weights() -> dict:
    state = rule_state(manifest("tiny_vae_clip_posenet", "pose_net."), "pose_net.", 2**0.5)
    return {key: value.contiguous() for key, value in state.items()}


def torch_bytes(state: dict, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


WRITERS = {
    "weights.safetensors": save,
    "weights.pth": lambda state: torch_bytes(state, True),
    "weights.pth.tar": lambda state: torch_bytes(state, False),
}


def poses() -> list:
    flat = [value for i in range(18) for value in (10.0 + i, 20.0 + 2 * i, 0.9)]
    hand = [value for i in range(21) for value in (30.0 + i, 40.0, 0.5)]
    person = {"pose_keypoints_2d": flat, "hand_left_keypoints_2d": hand}
    return [{"people": [person], "canvas_width": 64, "canvas_height": 96}] * 3


def flow() -> dict:
    flow = np.linspace(-3, 3, 3 * 2 * 8 * 6, dtype=np.float32).reshape(3, 2, 8, 6)
    flow[0] = 0
    return {
        "flow": flow,
        "valid": np.ones(3, dtype=bool),
        "size": np.array([8, 6]),
    }


def npz_bytes(arrays: dict) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


# Damage


def damage_bytes(data: bytes, dice: random.Random) -> bytes:
    """Bits flipped, the end or the middle cut out, a stretch overwritten or doubled."""
    data = bytearray(data)
    where = dice.randrange(len(data))
    # Tables of contents lie at the ends of files; half of the damage is done there.
    if dice.random() < 0.5:
        where = min(where, dice.randrange(400)) if dice.random() < 0.5 else max(
            where, len(data) - 1 - dice.randrange(400)
        )  # fmt: skip
    length = min(dice.choice((1, 8, 64)), len(data) - where)
    match dice.randrange(5):
        case 0:
            for _ in range(dice.choice((1, 4, 32))):
                data[min(where + dice.randrange(64), len(data) - 1)] ^= 1 << dice.randrange(8)
        case 1:
            del data[where:]
        case 2:
            del data[where : where + length]
        case 3:
            data[where : where + length] = dice.randbytes(length)
        case _:
            data[where:where] = data[where : where + length]
    return bytes(data)


def damage_state(state: dict, dice: random.Random) -> dict:
    """A key renamed, dropped or added; a tensor of another shape or type."""
    state, key = dict(state), dice.choice(sorted(state))
    value = state[key]
    match dice.randrange(6):
        case 0:
            state[dice.choice(("", "x." + key, key[1:], "\u2603"))] = state.pop(key)
        case 1:
            del state[key]
        case 2:
            state["unet.down_blocks.0.weight"] = torch.zeros(3)
        case 3:
            state[key] = torch.zeros(*value.shape, 2)
        case 4:
            state[key] = value.flatten()[: max(1, value.numel() // 2)].clone()
        case _:
            state[key] = value.to(dice.choice((torch.int32, torch.bool, torch.uint8)))
    return state


def damage_json(frames: list, dice: random.Random) -> bytes:
    """A value anywhere in it replaced by something that does not belong there."""
    frames = json.loads(json.dumps(frames))
    frame = dice.choice(frames)
    people = frame["people"][0]
    wrong = dice.choice(
        (None, "x", -1, 0, [], {}, [[]], True, 1e308, float("nan"), float("inf"), "1", 10**400)
    )
    match dice.randrange(6):
        case 0:
            frame[dice.choice(list(frame))] = wrong
        case 1:
            people[dice.choice(list(people))] = wrong
        case 2:
            values = people[dice.choice(list(people))]
            values[dice.randrange(len(values))] = wrong
        case 3:
            del people["pose_keypoints_2d"][dice.randrange(54) :]
        case 4:
            frame["people"] = [wrong]
        case _:
            frames[dice.randrange(3)] = wrong
    return json.dumps(frames).encode()


def damage_arrays(arrays: dict, dice: random.Random) -> dict:
    arrays, name = dict(arrays), dice.choice(sorted(arrays))
    match dice.randrange(5):
        case 0:
            arrays[name + "x"] = arrays.pop(name)
        case 1:
            arrays[name] = arrays[name][..., None]
        case 2:
            arrays[name] = arrays[name][:1]
        case 3:
            arrays[name] = arrays[name].astype(dice.choice(("U3", "c8", "f8", "i1")))
        case _:
            arrays["size"] = np.array(dice.choice(((0, 0), (-8, 6), (10**9, 10**9), (8, 6, 3))))
    return arrays


# Well-formed results


def is_pose_net(net) -> bool:
    return {k: tuple(v.shape) for k, v in net.state_dict().items()} == {
        k: tuple(v.shape) for k, v in weights().items()
    }


def is_poses(people) -> bool:
    return all(p.points.shape[1:] == (128, 2) and bool(np.isfinite(p.scores).all()) for p in people)


def is_field(field) -> bool:
    frames = field.flow(range(len(field)), (8, 6))
    return frames.shape[1:] == (2, 8, 6) and bool(torch.isfinite(frames).all())


def outcome(path: Path, load, error, is_whole) -> str:
    """What is wrong with how a file was met; "" for nothing."""
    try:
        found = within_time(load, path)
    except DisPoseError as e:
        text = str(e)
        if not isinstance(e, error) or path.name not in text or len(text) < 40:
            return f"{type(e).__name__}: {text}"
        return ""
    except (Exception, Hangs) as e:
        return f"{type(e).__name__}: {e}"
    return "" if is_whole(found) else "a result that is none"


@pytest.mark.parametrize("name", WRITERS)
def test_damaged_checkpoints_give_a_clear_error(tmp_path, name):
    path, state, faults = tmp_path / name, weights(), {}
    sound = WRITERS[name](state)
    for seed in range(MUTATIONS):
        dice = random.Random(seed)
        if seed % 3:
            path.write_bytes(damage_bytes(sound, dice))
        else:
            path.write_bytes(WRITERS[name](damage_state(state, dice)))
        if fault := outcome(path, load_pose_net, CheckpointError, is_pose_net):
            faults[seed] = fault

    assert not faults


def test_damaged_pose_files_give_a_clear_error(tmp_path):
    path, faults = tmp_path / "poses.json", {}
    sound = json.dumps(poses()).encode()
    for seed in range(MUTATIONS):
        dice = random.Random(seed)
        path.write_bytes(damage_bytes(sound, dice) if seed % 3 == 0 else damage_json(poses(), dice))
        if fault := outcome(path, lambda path: load_poses(path)[0], PoseError, is_poses):
            faults[seed] = fault

    assert not faults


def test_damaged_motion_fields_give_a_clear_error(tmp_path):
    path, faults = tmp_path / "field.npz", {}
    sound = npz_bytes(flow())
    for seed in range(MUTATIONS):
        dice = random.Random(seed)
        if seed % 3:
            path.write_bytes(damage_bytes(sound, dice))
        else:
            path.write_bytes(npz_bytes(damage_arrays(flow(), dice)))
        if fault := outcome(path, load_field, MediaError, is_field):
            faults[seed] = fault

    assert not faults


# Made to harm


def safetensors_claiming(shape: list[int], end: int) -> bytes:
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}
    text = json.dumps({"conv_layers.0.weight": entry}).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * 64


HUGE = {
    "100 GB claimed": safetensors_claiming([25 * 10**9], 10**11),
    "sizes that overflow": safetensors_claiming([2**62, 2**62], 64),
    "a header of 2^63 bytes": struct.pack("<Q", 2**63) + b"{" + b"\0" * 64,
    "a header of lists in lists": struct.pack("<Q", 200_000) + b'{"a":' + b"[" * 199_995,
    "one number expanded to 4 TB": torch_bytes({"conv_layers.0.w": torch.zeros(1)}, True),
}


@pytest.mark.parametrize("what", HUGE)
def test_checkpoints_that_claim_what_they_do_not_hold_are_refused(tmp_path, what):
    path = tmp_path / "weights.pth"
    path.write_bytes(HUGE[what])
    if "expanded" in what:
        torch.save({"conv_layers.0.weight": torch.zeros(1).expand(10**12)}, path)

    assert outcome(path, load_pose_net, CheckpointError, lambda _: False) == ""


def test_a_compressed_checkpoint_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.pth"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("archive/data.pkl", "w") as member,
    ):
        for _ in range(10):  # 160 MB of zeros in 0.7 MB
            member.write(b"\0" * (1 << 24))
    allow(1 << 26)  # 64 MB

    assert outcome(path, load_pose_net, CheckpointError, bool) == ""


def test_a_field_that_claims_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "field.npz"
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2, 16000, 16000), }"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header.encode() + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("valid", "size"):
            file = io.BytesIO()
            np.save(file, {**flow(), "size": np.array([16000, 16000])}[name])
            archive.writestr(f"{name}.npy", file.getvalue())
        archive.writestr("flow.npy", member + b"\0" * 4096)

    assert outcome(path, load_field, MediaError, bool) == ""


def person(value: str) -> str:
    values = ", ".join([value] * 54)
    start = '[{"canvas_width": 9, "canvas_height": 4, "people": [{"pose_keypoints_2d": ['
    return start + values + "]}]}]"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"people":' * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '[{"people": [], "canvas_width": NaN, "canvas_height": 4}]',
        '[{"people": [], "canvas_width": 1e400, "canvas_height": 4}]',
        person("Infinity"),
        person("1" + "0" * 400),
        "1" * 100_000,
    ],
    ids=["lists", "objects", "closed lists", "NaN", "1e400", "Infinity", "10^400", "digits"],
)
def test_json_made_to_harm_is_refused(tmp_path, text):
    path = tmp_path / "poses.json"
    path.write_text(text)

    assert outcome(path, lambda path: load_poses(path)[0], PoseError, bool) == ""


def test_sound_files_pass_the_same_checks(tmp_path):
    save_file(weights(), tmp_path / "weights.safetensors")
    (tmp_path / "poses.json").write_text(json.dumps(poses()))
    (tmp_path / "field.npz").write_bytes(npz_bytes(flow()))

    assert is_pose_net(load_pose_net(tmp_path / "weights.safetensors"))
    assert is_poses(load_poses(tmp_path / "poses.json")[0])
    assert is_field(load_field(tmp_path / "field.npz"))
