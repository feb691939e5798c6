"""DisPose as ComfyUI's CONTROL_NET: hints of a sequence in, residuals of a window and step out.

Contract of ComfyUI 0.3.64 and later: `comfy/controlnet.py` ControlBase, called from
`comfy/samplers.py`. Everything that does not depend on the step is computed by the node.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from comfy.controlnet import ControlBase
from torch import Tensor

from ...dispose_core.errors import NetworkError
from ...dispose_core.guidance.control_hints import ControlHints, window_residuals
from .unet import require_svd
from .window_frames import check_window, current_window

if TYPE_CHECKING:
    from .hosted_controlnet import ControlNetworks

NAME = "Apply DisPose ControlNet"

# Elements of all residuals of a frame per latent cell: 3 skips of 320 channels at full
# size, 320 + 2×640 at a half, 640 + 2×1280 at a quarter, 4×1280 at an eighth.
_RESIDUALS_A_CELL = 960 + 1600 / 4 + 3200 / 16 + 5120 / 64
_COND_AND_UNCOND = 2


class DisPoseControl(ControlBase):
    """A control that holds the hints of a sequence.

    Args:
        networks: shared by all copies.
    """

    def __init__(self, networks: ControlNetworks):
        super().__init__()
        self.networks = networks
        self.hints: ControlHints | None = None
        # AnimateDiff-Evolved and Advanced-ControlNet leave controls with these unchanged.
        self.full_latent_length = 0
        self.context_length = 0
        self._reset()

    @classmethod
    def of(cls, control_net: Any) -> DisPoseControl:
        """Check that a CONTROL_NET is DisPose's and return it.

        Raises:
            NetworkError: it is another one.
        """
        if not isinstance(control_net, cls):
            raise NetworkError(
                f"{NAME}: the CONTROL_NET is {type(control_net).__name__}, not DisPose's. "
                "Connect 'DisPose ControlNet Loader'; other ControlNets have their own apply "
                "nodes and can be chained with this one."
            )
        return control_net

    def with_hints(
        self, hints: ControlHints, strength: float, percent_range: tuple[float, float]
    ) -> DisPoseControl:
        """Return a copy of this control with the hints of a sequence."""
        control = self.copy()
        control.hints = hints
        control.strength = strength
        control.timestep_percent_range = percent_range
        return control

    def set_cond_hint(self, *args: Any, **kwargs: Any) -> None:
        """Called by stock apply nodes with an image; raises, as DisPose needs a motion field."""
        raise NetworkError(
            "this CONTROL_NET is DisPose's: it takes poses, a motion field and keypoint features, "
            f"not an image. Use the node '{NAME}' in place of the stock apply node."
        )

    def copy(self) -> DisPoseControl:
        control = DisPoseControl(self.networks)
        self.copy_to(control)
        control.hints = self.hints
        return control

    def deepclone_multigpu(
        self, load_device: torch.device, autoregister: bool = False
    ) -> DisPoseControl:
        """Called by newer versions of ComfyUI for each further GPU."""
        control = self.copy()
        control.networks = self.networks.on(load_device)
        if autoregister:
            self.multigpu_clones[load_device] = control
        return control

    def get_models(self) -> list:
        return [*super().get_models(), self.networks.controlnet]

    def inference_memory_requirements(self, dtype: torch.dtype) -> float:
        """Bytes for the residuals of a window, and about as much for computing them."""
        needed = super().inference_memory_requirements(dtype)
        if self.hints is None:
            return needed
        num_frames = min(self.window_length or len(self.hints), len(self.hints))
        cells = math.prod(self.hints.motion.shape[-2:])
        elements = (
            _COND_AND_UNCOND * num_frames * cells * _RESIDUALS_A_CELL * self.networks.channels / 320
        )
        return needed + 2 * elements * self.networks.dtype.itemsize

    def pre_run(self, model: Any, percent_to_timestep_function: Callable[[float], float]) -> None:
        # The previous run may have been interrupted; ComfyUI calls `cleanup` only on success.
        self._reset()
        super().pre_run(model, percent_to_timestep_function)
        if self.hints is None:
            raise NetworkError(
                f"this DisPose CONTROL_NET has no hints. Apply it with the node '{NAME}'."
            )
        require_svd(model, NAME, self.networks.channels)
        self._sampling = model.model_sampling
        if not self.networks.own_ids:
            self._embed_ids = _embedding_of_ids(model)

    def cleanup(self) -> None:
        super().cleanup()
        self._reset()

    def get_control(
        self,
        x_noisy: Tensor,
        t: Tensor,
        cond: Mapping[str, Any],
        batched_number: int,
        transformer_options: Mapping[str, Any],
    ) -> dict[str, list[Tensor | None]] | None:
        """Residuals for a batch of cond and uncond, added to those of previous controls.

        Args:
            x_noisy: (B F, 4, h, w), unscaled.
            t: (B F,) sigma.
            cond: the batched conditions: c_concat, c_crossattn, y.
            batched_number: B.
            transformer_options: of the call; describes the window.

        Raises:
            NetworkError: the hints differ in length or size from the latents.
        """
        before = None
        if self.previous_controlnet is not None:
            before = self.previous_controlnet.get_control(
                x_noisy, t, cond, batched_number, transformer_options
            )
        first, last = self.timestep_range
        if self.strength == 0 or not last <= float(t[0]) <= first:
            return before

        num_frames = len(x_noisy) // batched_number
        window = current_window(transformer_options, num_frames, self.sub_idxs)
        check_window(
            NAME, len(self.hints), self.hints.motion.shape[-2:], window, x_noisy.shape[-2:]
        )

        net = self.networks.controlnet.model.network
        net.run_device, net.run_dtype = x_noisy.device, self.networks.dtype
        noisy = self._sampling.calculate_input(t, x_noisy)
        image = cond["c_concat"].to(noisy)
        residuals = window_residuals(
            net,
            torch.cat([noisy, image], 1).unflatten(0, (batched_number, num_frames)),
            self._sampling.timestep(t)[::num_frames],
            self._clip_constants(cond, num_frames, x_noisy.device, transformer_options),
            self.hints,
            window.frames,
        )
        # In the order of the input blocks; the UNet pops them from the end, like its skips.
        control = {"middle": [residuals.mid], "output": list(residuals.down)}
        return self.control_merge(control, before, output_dtype=None)

    def _clip_constants(
        self,
        cond: Mapping[str, Any],
        num_frames: int,
        device: torch.device,
        options: Mapping[str, Any],
    ) -> Any:
        """Inputs that do not change between steps, cached for each set of conditions."""
        key = (tuple(options.get("uuids", ())), num_frames, device)
        if key[0] and key in self._constants:
            return self._constants[key]
        net = self.networks.controlnet.model.network
        context, ids = cond["c_crossattn"][::num_frames], cond["y"][::num_frames]
        if self._embed_ids is None:
            constants = net.constants(context, ids, num_frames)
        else:
            constants = net.constants(context, ids.new_zeros(len(ids), 3), num_frames)
            constants = constants._replace(added=self._embed_ids(ids).to(constants.added))
        if key[0]:
            self._constants[key] = constants
        return constants

    def _reset(self) -> None:
        """Discard the state of a run."""
        self.window_length: int | None = None  # set if our context windows are used
        self.sub_idxs: list[int] | None = None  # set by AnimateDiff-Evolved
        self._sampling: Any = None
        self._embed_ids: Callable[[Tensor], Tensor] | None = None  # of the model
        self._constants: dict[tuple, Any] = {}


def _embedding_of_ids(model: Any) -> Callable[[Tensor], Tensor]:
    """A model's embedding of the sinusoids of its added ids, by layers that MimicMotion trained."""
    dtype = model.manual_cast_dtype or model.get_dtype()
    return lambda ids: model.diffusion_model.label_emb(ids.to(dtype))
