from __future__ import annotations

import math

import pytest

from dispose_core import memory
from dispose_core.errors import NotEnoughMemory
from dispose_core.memory import free_memory, require_memory


def test_what_does_not_fit_is_refused_with_numbers_and_the_way_out():
    require_memory("skeletons: 2 images of 8×8", 100, "Use fewer.", free=100)
    with pytest.raises(NotEnoughMemory) as error:
        require_memory("skeletons: 2 images of 8×8", 58e9, "Use fewer.", free=16e9)
    assert str(error.value) == (
        "skeletons: 2 images of 8×8 take 58.0 GB, but only 16.0 GB of memory are free. Use fewer."
    )


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    whole = free_memory()
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() == pytest.approx(whole, rel=0.5)

    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("2500000\n")
    (tmp_path / "memory.stat").write_text("anon 2100000\ninactive_file 400000\n")
    assert free_memory() == 900_000


def test_without_psutil_linux_tells_the_memory():
    psutil = pytest.importorskip("psutil")
    found = memory._of_linux()
    assert found == pytest.approx(psutil.virtual_memory().available, rel=0.5) or found == math.inf
