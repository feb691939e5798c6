"""Check the main memory before a result is made that may not fit; a system ends what does not."""

from __future__ import annotations

from pathlib import Path

from .errors import NotEnoughMemory

_CGROUP = Path("/sys/fs/cgroup")  # limit of a container, which the system's own numbers leave out


def require_memory(what: str, needed: float, remedy: str, free: float | None = None) -> None:
    """Check that a result fits into the free memory.

    Args:
        what: the result with its numbers, such as "skeletons: 72 images of 576×1024".
        needed: bytes at its peak.
        remedy: a sentence on what to change.
        free: bytes; `free_memory()` when None.

    Raises:
        NotEnoughMemory: it does not fit.
    """
    free = free_memory() if free is None else free
    if needed > free:
        raise NotEnoughMemory(
            f"{what} take {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB of memory are free. "
            f"{remedy}"
        )


def free_memory() -> float:
    """Bytes that can be allocated; infinite where the system does not tell."""
    return min(_of_system(), _of_container())


def _of_system() -> float:
    try:
        import psutil  # comes with ComfyUI
    except ImportError:
        return _of_linux()
    return psutil.virtual_memory().available


def _of_linux() -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration):  # another system
        return float("inf")


def _of_container() -> float:
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        # Files that were read stay in memory until it is needed.
        return max(0, limit - used + int(stat.get("inactive_file", 0)))
    except (OSError, ValueError):  # "max", or no container
        return float("inf")
