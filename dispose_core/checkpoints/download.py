"""Fetches a published model file, only when asked to.

huggingface_hub's own client throws away what has come when a download breaks off; with files of
3 GB that is not good enough, so the bytes are fetched here, by HTTP ranges into `<name>.part`. The
file takes its place once its size, hash and content are right.
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

_CHUNK = 1 << 20
_TIMEOUT = 30  # seconds without a byte
_TRIES = 50  # each must have brought something for the next to follow
_ROUNDED = 0.01  # how far a size of three digits may be off


def download(model: ModelFile, folder: str | Path, on_bytes: Progress = no_progress) -> Path:
    """The file in `folder`, fetched if it is not there yet.

    What has come of a broken download stays in `<name>.part` beside it and is gone on with the
    next time. HF_TOKEN and HF_ENDPOINT are honoured as the Hub's own client does.

    Args:
        on_bytes: told how many bytes have come, and of how many.

    Raises:
        CheckpointError: no connection, a licence that was not accepted, a file that is gone, or
            one that is not what it should be.
        MediaError: the folder cannot be written, or the disk is too full.
    """
    target = Path(folder) / model.name
    part = target.with_name(target.name + ".part")
    try:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _check_space(model, part)
            _fetch(model, part, on_bytes)
            # Without the ending, which says that it is not finished.
            whole = target.with_name(f".{model.name}")
            os.replace(part, whole)
            try:
                check(whole, model)
            except CheckpointError:
                whole.unlink()  # going on would not mend it
                raise
            os.replace(whole, target)
            return target
        check(target, model)
    except OSError as e:
        raise MediaError(
            f"{target}: cannot be written ({e.strerror or e}). "
            "Choose a folder you may write to on a disk with free space."
        ) from e
    return target


def check(path: Path, model: ModelFile) -> None:
    """Raises CheckpointError unless a file is the published one, as far as that is known."""
    size = path.stat().st_size
    if abs(size - model.size) > (model.size * _ROUNDED if model.rounded else 0):
        raise _not_it(f"is {size:,} bytes, published are {model.size:,}", model)
    if model.sha256 is not None:
        found = _sha256(path)
        if found != model.sha256:
            raise _not_it(f"has the SHA-256 {found}, published is {model.sha256}", model)
    architecture = inspect_file(path).architecture
    if architecture.name not in model.architectures:
        raise _not_it(f"is {architecture.summary}", model)


def _not_it(what: str, model: ModelFile) -> CheckpointError:
    return CheckpointError(
        f"{model.name} {what}. The file is damaged or another one; delete it and download it "
        f"again from {model.page}."
    )


def _check_space(model: ModelFile, part: Path) -> None:
    needed = model.size - _size(part)
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise MediaError(
            f"{model.name} takes {needed:,} more bytes and {part.parent} has {free:,} free. "
            "Make room, or name another models folder."
        )


def _fetch(model: ModelFile, part: Path, on_bytes: Progress) -> None:
    """Everything into `part`, going on from what is in it."""
    reason = "too many interruptions"
    for _ in range(_TRIES):
        before = _size(part)
        try:
            expected = _fetch_some(model, part, on_bytes)
            if _size(part) >= expected:
                return
            reason = f"{_size(part):,} of {expected:,} bytes came"
        except urllib.error.HTTPError as e:
            raise _refused(model, e) from e
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
        f"{model.name}: the download broke off ({reason}). What has come is kept; start it again "
        f"to go on, or download {model.url} with a browser into the {model.folder} folder."
    )


def _fetch_some(model: ModelFile, part: Path, on_bytes: Progress) -> int:
    """What one connection brings; returns the size that the whole file has at the server."""
    start = _size(part)
    try:
        answer = urllib.request.urlopen(_request(model, start), timeout=_TIMEOUT)
    except urllib.error.HTTPError as e:
        if e.code != 416 or not start:
            raise
        # Nothing follows what is there: it is whole, or of another file.
        if start == model.size:
            return start
        part.unlink()
        return model.size
    with answer:
        if start and not _goes_on_at(answer, start):
            start = 0
        total = start + int(answer.headers.get("Content-Length") or model.size - start)
        limit = int(model.size * (1 + _ROUNDED)) if model.rounded else model.size
        if total > limit:
            raise _not_it(f"is {total:,} bytes there, published are {model.size:,}", model)
        done = start
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            while block := answer.read(min(_CHUNK, total - done)):
                file.write(block)
                done += len(block)
                on_bytes(done, total)
    return total


def _goes_on_at(answer: http.client.HTTPResponse, start: int) -> bool:
    """Whether the server sends the rest; one that knows no ranges sends everything again."""
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return answer.status == 206 and found is not None and int(found[1]) == start


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
            # Not sent on to the storage that the Hub redirects to.
            request.add_unredirected_header("Authorization", f"Bearer {token}")
    return request


def _token() -> str | None:
    """HF_TOKEN, or what `hf auth login` has stored."""
    from huggingface_hub import get_token

    return get_token()


def _refused(model: ModelFile, error: urllib.error.HTTPError) -> CheckpointError:
    if error.code in (401, 403) and model.gated:
        return CheckpointError(
            f"{model.name}: its licence must be accepted first ({error.code}). Sign in at "
            f"{model.page}, accept the licence, make a token at {HUB}/settings/tokens and give it "
            "as HF_TOKEN or with `hf auth login`; then start the download again."
        )
    # The Hub answers 401 for what does not exist.
    if error.code in (401, 403, 404, 410):
        return CheckpointError(
            f"{model.name}: no longer to be had where it was published ({error.code} from "
            f"{model.url}). Look at {model.page}."
        )
    return CheckpointError(
        f"{model.name}: the server answers {error.code} ({error.reason}). Try again later; what "
        "has come is kept."
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()
