"""The pure parts between ComfyUI's sampler and the library: frames, halves, shared controls."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from dispose_core.sampling.clip_vision import clip_vision_image
from dispose_core.sampling.windows import context_windows


def host(name: str):
    return importlib.import_module(f"dispose_pack.nodes.comfy_adapters.{name}")


@pytest.fixture
def frames(pack):
    return host("window_frames")


def window(index_list, **more):
    return {"context_window": SimpleNamespace(index_list=index_list, **more)}


def test_without_windows_a_call_is_for_the_whole_clip(frames):
    assert frames.current_window({}, 3) == ([0, 1, 2], 3)


def test_comfyuis_window_tells_its_frames(frames):
    assert frames.current_window(window([0, 5, 6]), 3) == ([0, 5, 6], None)
    assert frames.current_window(window([0, 5, 6], total_frames=7), 3) == ([0, 5, 6], 7)


def test_a_frame_that_newer_versions_put_in_front_is_taken_along(frames):
    options = window([5, 6], causal_anchor_index=4)

    assert frames.current_window(options, 3).frames == [4, 5, 6]
    assert frames.current_window(options, 2).frames == [5, 6]
    assert frames.current_window(window([0, 1], causal_anchor_index=-1), 2).frames == [0, 1]


def test_animatediff_evolveds_window_is_read_from_its_options_or_the_control(frames):
    evolved = {"ad_params": {"sub_idxs": [3, 4], "full_length": 9}}

    assert frames.current_window(evolved, 2) == ([3, 4], 9)
    assert frames.current_window({"ad_params": {"sub_idxs": None}}, 2) == ([0, 1], 2)
    assert frames.current_window({}, 2, assigned=[6, 7]) == ([6, 7], None)


def test_a_window_of_another_length_than_the_latents_is_refused(frames):
    with pytest.raises(Exception, match="2 frames for 3 latents"):
        frames.current_window(window([0, 1]), 3)


@pytest.mark.parametrize(
    ("made_for", "options", "message"),
    [
        (7, {}, "clip of 7 frames .the reference and 6 driving frames., but the latents have 3"),
        (7, window([0, 1, 2], total_frames=9), "the latents have 9 frames"),
        (2, window([0, 1, 2]), "clip of 2 frames .* the latents have 3 frames"),
    ],
)
def test_a_clip_of_another_length_is_refused(frames, made_for, options, message):
    found = frames.current_window(options, 3)
    with pytest.raises(Exception, match=message):
        frames.check_window("Node", made_for, (4, 4), found, (4, 4))


def test_a_window_inside_a_clip_of_unknown_length_passes(frames):
    frames.check_window("Node", 7, (4, 4), frames.current_window(window([0, 1, 2]), 3), (4, 4))


def test_a_clip_of_another_size_is_refused_in_pixels(frames):
    with pytest.raises(Exception, match="images of 32×64, but the latents are for 64×32"):
        frames.check_window("Node", 2, (8, 4), frames.current_window({}, 2), (4, 8))


def test_conditional_halves_are_found_wherever_they_are(frames):
    assert frames.conditional_spans([1, 0], 6) == [slice(3, 6)]
    assert frames.conditional_spans([0, 1], 6) == [slice(0, 3)]
    assert frames.conditional_spans([0, 1, 0], 6) == [slice(0, 2), slice(4, 6)]
    assert frames.conditional_spans([1], 6) == []


def options(sigma: float, halves: list[int], block=("input", 0), **more) -> dict:
    return {
        "block": block,
        "sigmas": torch.tensor([sigma] * 2),
        "cond_or_uncond": halves,
        **more,
    }


@pytest.fixture
def guidance(pack):
    """Pose latents that are 1, 2, 3, 4 everywhere, at half strength, for sigmas 10…2."""
    latents = torch.arange(1.0, 5)[:, None, None, None].expand(4, 3, 2, 2)
    return host("unet").PoseGuidance(latents, 0.5, (10.0, 2.0))


def added(guidance, rows: int, given: dict) -> list[float]:
    return guidance(torch.zeros(rows, 3, 2, 2), given)[:, 0, 0, 0].tolist()


def test_pose_latents_are_added_to_the_conditional_half_alone(guidance):
    both = window([0, 3], total_frames=4)

    assert added(guidance, 4, options(5, [1, 0], **both)) == [0, 0, 0.5, 2]
    assert added(guidance, 4, options(5, [0, 1], **both)) == [0.5, 2, 0, 0]
    assert added(guidance, 2, options(5, [1], **both)) == [0, 0]
    assert added(guidance, 4, options(5, [0])) == [0.5, 1, 1.5, 2]


def test_pose_latents_are_added_after_the_first_convolution_and_in_their_sigmas(guidance):
    assert added(guidance, 4, options(5, [0], ("input", 1))) == [0] * 4
    assert added(guidance, 4, options(11, [0])) == [0] * 4
    assert added(guidance, 4, options(1, [0])) == [0] * 4
    assert added(guidance, 4, options(10, [0])) == [0.5, 1, 1.5, 2]
    assert added(guidance, 4, options(2, [0])) == [0.5, 1, 1.5, 2]


class Control:
    def __init__(self, previous=None):
        self.previous = previous

    def copy(self):
        return Control()

    def set_previous_controlnet(self, previous):
        self.previous = previous
        return self


def test_both_conditions_get_one_control_so_that_they_batch(pack):
    given = [["embedding", {"fps": 7}]]

    positive, negative = host("conditioning").with_control(Control(), given, given)

    assert positive[0][1]["control"] is negative[0][1]["control"]
    assert positive[0][1]["fps"] == 7
    assert given == [["embedding", {"fps": 7}]]


def test_a_control_goes_behind_the_one_that_is_there(pack):
    earlier = Control()
    with_one, without = [["a", {"control": earlier}]], [["b", {}]]

    first, second = host("conditioning").with_control(Control(), with_one, without)

    assert first[0][1]["control"].previous is earlier
    assert second[0][1]["control"].previous is None


class Window:
    """ComfyUI 0.3.64's."""

    def __init__(self, index_list, dim=0):
        self.index_list, self.dim = index_list, dim


class NewerWindow(Window):
    def __init__(self, index_list, dim=0, total_frames=0, modality_windows=None, context_overlap=0):
        super().__init__(index_list, dim)
        self.total_frames, self.context_overlap = total_frames, context_overlap


class Handler:
    """As far as ours rests on it, of ComfyUI 0.3.64."""

    def __init__(
        self, context_schedule, fuse_method, context_length=1, context_overlap=0, dim=0, **_
    ):
        self.context_schedule, self.fuse_method = context_schedule, fuse_method
        self.context_length, self.context_overlap = context_length, context_overlap
        self.dim = dim

    def get_context_windows(self, model, x_in, model_options):
        made = self.context_schedule.func(x_in.size(self.dim), self, model_options)
        return [Window(frames, dim=self.dim) for frames in made]

    def weights(self, window, num_frames):
        return self.fuse_method.func(
            len(window.index_list),
            **{
                "sigma": None,
                "handler": self,
                "full_length": num_frames,
                "idxs": window.index_list,
            },
        )


class NewerHandler(Handler):
    """It would put the frame before it in front of a window, and tells fuse methods more."""

    def __init__(self, *args, causal_window_fix=True, **kwargs):
        super().__init__(*args, **kwargs)
        self.causal_window_fix = causal_window_fix

    def get_context_windows(self, model, x_in, model_options):
        num_frames = x_in.size(self.dim)
        made = self.context_schedule.func(num_frames, self, model_options)
        return [NewerWindow(frames, self.dim, num_frames, context_overlap=2) for frames in made]

    def weights(self, window, num_frames):
        return self.fuse_method.func(
            len(window.index_list),
            **{
                "sigma": None,
                "handler": self,
                "full_length": num_frames,
                "idxs": window.index_list,
            },
            context_overlap=window.context_overlap,
        )


@pytest.fixture(params=[Handler, NewerHandler])
def anchored(pack, monkeypatch, request):
    """Our windows of 4 with overlap 2, on the contract of ComfyUI 0.3.64 and on the newest."""
    stock = SimpleNamespace(
        IndexListContextHandler=request.param,
        ContextSchedule=lambda name, func: SimpleNamespace(name=name, func=func),
        ContextFuseMethod=lambda name, func: SimpleNamespace(name=name, func=func),
    )
    import comfy

    monkeypatch.setitem(sys.modules, "comfy.context_windows", stock)
    monkeypatch.setattr(comfy, "context_windows", stock, raising=False)
    ours = host("context_windows")
    spec = importlib.util.spec_from_file_location(f"{ours.__name__}_again", ours.__file__)
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    return again.AnchoredWindows(4, 2)


def test_windows_are_the_librarys_in_older_and_newer_versions(anchored):
    windows = anchored.get_context_windows(None, torch.zeros(7, 4), {})

    wanted = context_windows(7, 4, 2)
    assert [one.index_list for one in windows] == wanted.frames.tolist()
    assert [one.total_frames for one in windows] == [7] * len(wanted)
    assert anchored.weights(windows[0], 7) == wanted.weights.tolist()
    assert anchored.causal_window_fix is False


def test_a_sigma_between_two_steps_counts_as_the_nearest(anchored):
    options = {"transformer_options": {"sample_sigmas": torch.tensor([9.0, 4.0, 1.0, 0.0])}}

    steps = []
    for sigma in (9.0, 5.0, 3.0, 0.9):
        anchored.set_step(torch.full((7,), sigma), options)
        steps.append(anchored._step)
    assert steps == [0, 1, 1, 2]


def test_noise_is_the_librarys_repeated_by_window(run):
    (noise,) = run("DisPoseNoise", seed=5, length=3)
    made = noise.generate_noise({"samples": torch.zeros(7, 4, 8, 4)})

    assert noise.seed == 5
    assert made.shape == (7, 4, 8, 4)
    assert_close(made[:3], made[3:6], atol=0, rtol=0)
    assert not torch.equal(made[0], made[1])


class Vae:
    """Images of the latents' first channel; counts what it is given."""

    def __init__(self):
        self.chunks = []

    def encode(self, pixels):
        self.pixels = pixels
        return pixels[:, ::8, ::8, :1].movedim(-1, 1).expand(-1, 4, -1, -1)

    def decode(self, latents):
        self.chunks.append(len(latents))
        big = latents[:, :1].repeat_interleave(8, 2).repeat_interleave(8, 3)
        return big.movedim(1, -1).expand(-1, -1, -1, 3)


def test_decoding_leaves_the_reference_out_and_overlaps_chunks(run):
    vae = Vae()
    latents = torch.linspace(0, 0.9, 10)[:, None, None, None].expand(10, 4, 8, 8)

    (images,) = run("DisPoseDecode", samples={"samples": latents}, vae=vae, chunk=4)

    assert images.shape == (9, 64, 64, 3)
    assert_close(images[:, 0, 0, 0], latents[1:, 0, 0, 0])
    assert set(vae.chunks) == {4}
    assert sum(vae.chunks) > 10


def test_decoding_the_reference_alone_is_refused(run):
    with pytest.raises(Exception, match=r"\(1, 4, 8, 8\).*at least one driving frame"):
        run("DisPoseDecode", samples={"samples": torch.zeros(1, 4, 8, 8)}, vae=Vae(), chunk=8)


class Clip:
    """CLIP_VISION as far as it is used; keeps the pixels it is given."""

    image_mean, image_std = [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]
    load_device, patcher = "cpu", None

    def model(self, pixel_values, intermediate_output):
        self.pixels = pixel_values
        return None, None, torch.ones(1, 1024)


@pytest.fixture(autouse=True)
def no_loading(pack, monkeypatch):
    import comfy.model_management

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", lambda models: None)


def conditioned(run, reference, **more):
    vae, clip = Vae(), Clip()
    sizes = {"width": 64, "height": 128, "frames": 6}
    out = run(
        "DisPoseConditioning",
        **{"clip_vision": clip, "vae": vae, "reference": reference, **sizes, **more},
    )
    return vae, clip, out


def test_conditioning_shows_the_whole_image_and_tells_what_the_model_was_trained_with(run):
    reference = torch.rand(1, 128, 64, 3)

    vae, clip, (positive, negative, latent) = conditioned(run, reference)

    assert clip.pixels.shape == (1, 3, 224, 224)
    seen = clip_vision_image(reference[0].movedim(-1, 0))
    assert_close(clip.pixels[0], seen * 4 - 2)  # normalised, not rounded to 8 bits
    assert_close(vae.pixels, reference)
    ((embedding, told),) = positive
    assert embedding.shape == (1, 1, 1024)
    assert {key: told[key] for key in ("fps", "motion_bucket_id", "augmentation_level")} == {
        "fps": 7,
        "motion_bucket_id": 127,
        "augmentation_level": 0,
    }
    assert told["concat_latent_image"].shape == (1, 4, 16, 8)
    assert not negative[0][0].any()
    assert not negative[0][1]["concat_latent_image"].any()
    assert latent["samples"].shape == (7, 4, 16, 8)  # 6 driving frames and the reference


def test_augmentation_counts_in_the_range_of_the_paper(run):
    reference = torch.full((1, 128, 64, 3), 0.5)

    vae, _, (positive, _, _) = conditioned(run, reference, augmentation=0.2)

    noise = vae.pixels - reference
    assert noise.std().item() == pytest.approx(0.1, rel=0.02)  # 0.2 in -1…1
    assert positive[0][1]["augmentation_level"] == 0.2


def test_a_network_is_in_the_patcher_that_comfyui_uses_now(pack, monkeypatch):
    """ComfyUI sets CoreModelPatcher at start, after this pack may have been imported."""
    import comfy.model_patcher

    class Dynamic(comfy.model_patcher.ModelPatcher):
        pass

    monkeypatch.setattr(comfy.model_patcher, "CoreModelPatcher", Dynamic, raising=False)
    management = host("model_management")
    assert type(management.patcher(torch.nn.Linear(1, 1))) is Dynamic
    # A copy for another GPU is in a plain ModelPatcher, as ComfyUI's own are.
    copy = management.patcher(torch.nn.Linear(1, 1), torch.device("cpu"))
    assert type(copy) is comfy.model_patcher.ModelPatcher


def test_older_versions_of_comfyui_have_one_kind_of_patcher(pack, monkeypatch):
    import comfy.model_patcher

    monkeypatch.delattr(comfy.model_patcher, "CoreModelPatcher", raising=False)
    made = host("model_management").patcher(torch.nn.Linear(1, 1))
    assert type(made) is comfy.model_patcher.ModelPatcher
