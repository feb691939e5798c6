"""Networks travel to the device and come home, whatever happens in between."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dispose_core.pipeline.offload import denoising, on_device, swapped

# A device without memory: what is there has a shape and no values.
AWAY = torch.device("meta")


class Layered(nn.Module):
    """As an SVD network: blocks, and a little around them. Notes where its weights are."""

    def __init__(self):
        super().__init__()
        self.conv_in = nn.Linear(2, 2)
        self.mid_block = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
        self.eval()
        self.seen: list[list[str]] = []
        for layer in self.mid_block:
            layer.register_forward_hook(self.note)

    def note(self, *_: object) -> None:
        """Where the blocks' tensors are while one of them runs."""
        self.seen.append([x.device.type for x in self.mid_block.state_dict().values()])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mid_block(self.conv_in(x))


def devices(module: nn.Module) -> set[str]:
    return {x.device.type for x in module.state_dict().values()}


def test_only_the_layer_that_runs_is_away():
    net = Layered()
    with swapped(net.mid_block, AWAY):
        out = net.mid_block(torch.zeros(1, 2, device=AWAY))
        assert devices(net.mid_block) == {"cpu"}

    assert out.device.type == "meta"
    home, there = "cpu", "meta"
    assert net.seen == [
        [there] * 2 + [home] * 7,
        [home] * 2 + [there] * 5 + [home] * 2,
        [home] * 7 + [there] * 2,
    ]


def test_swapped_weights_are_the_very_same_after_and_no_hook_is_left():
    net = Layered()
    before = {key: value.data_ptr() for key, value in net.state_dict().items()}
    names = list(dict(net.named_parameters()))
    with swapped(net.mid_block, AWAY):
        net.mid_block(torch.zeros(1, 2, device=AWAY))

    assert {key: value.data_ptr() for key, value in net.state_dict().items()} == before
    assert list(dict(net.named_parameters())) == names
    assert net(torch.zeros(1, 2)).device.type == "cpu"


def test_swapped_weights_come_home_when_a_layer_fails():
    net = Layered()
    with pytest.raises(RuntimeError), swapped(net.mid_block, AWAY):
        net.mid_block(torch.zeros(1, 5, device=AWAY))

    assert devices(net) == {"cpu"}


class Traveller(nn.Linear):
    """Notes where it is sent."""

    def __init__(self, trips: list[str], breaks: bool = False):
        super().__init__(1, 1)
        self.trips, self.breaks = trips, breaks

    def to(self, device):
        if self.breaks and device == AWAY:
            raise MemoryError
        self.trips.append(str(device))
        return self


@pytest.mark.parametrize(
    ("offload", "expected"),
    [("stages", ["meta", "meta", "cpu", "cpu"]), ("none", ["meta", "meta"])],
)
def test_a_stage_brings_its_networks_and_takes_them_home(offload, expected):
    trips: list[str] = []
    with on_device(Traveller(trips), Traveller(trips), device=AWAY, offload=offload):
        assert trips == ["meta", "meta"]

    assert trips == expected


def test_networks_go_home_when_the_next_one_does_not_fit():
    trips: list[str] = []
    networks = Traveller(trips), Traveller(trips, breaks=True)
    with pytest.raises(MemoryError), on_device(*networks, device=AWAY, offload="stages"):
        raise AssertionError("not reached")

    assert trips == ["meta", "cpu", "cpu"]


def test_sequential_denoising_keeps_what_is_around_the_blocks_on_the_device():
    net, trips = Layered(), []
    net.conv_in = Traveller(trips)
    with denoising(net, device=AWAY, offload="sequential"):
        assert trips == ["meta"]
        net.mid_block(torch.zeros(1, 2, device=AWAY))
        assert devices(net.mid_block) == {"cpu"}

    assert trips == ["meta", "cpu"]
