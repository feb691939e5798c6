"""Parts of Stable Diffusion from single files and folders, against ComfyUI's own modules.

The arrays `ldm_*` and `open_clip_tiny` are what ComfyUI's networks give for the same weights: drawn
by the rule of the goldens under the keys of the single files.
"""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from tests.rule_weights import rnd
from tests.weight_files import SD15_TEXT as TEXT
from tests.weight_files import drawn, tiny_sd15

pytest.importorskip("transformers", reason="transformers is not installed")

from dispose_core.checkpoints.architectures.stable_diffusion import (
    PROMPT_TOKENS,
    load_sd15,
    load_svd_parts,
)
from dispose_core.errors import CheckpointError

VISION = "conditioner.embedders.0.open_clip.model."


@pytest.fixture(scope="module")
def svd_state():
    return {
        **drawn("ldm_svd_vae_tiny", "first_stage_model."),
        **drawn("open_clip_tiny", f"{VISION}visual.", "visual."),
        "model.diffusion_model.input_blocks.1.0.time_stack.in_layers.0.weight": torch.zeros(1),
    }


@pytest.fixture(scope="module")
def sd15_state():
    return tiny_sd15()


@torch.no_grad()
def test_svds_vae_and_clip_from_a_single_file_compute_what_comfyui_does(
    svd_state, golden, tmp_path
):
    save_file(svd_state, tmp_path / "svd.safetensors")
    parts = load_svd_parts(tmp_path / "svd.safetensors", clip_vision_heads=1)
    expected = golden("ldm_svd_vae_tiny")

    latents = parts.vae.encode(rnd("ldm_vae_picture", (1, 3, 32, 16)).tanh()).latent_dist.mode()
    assert_close(latents, torch.from_numpy(expected["latents"]), atol=1e-5, rtol=0)
    images = parts.vae.decode(rnd("ldm_vae_latents", (3, 4, 8, 4)), num_frames=3).sample
    assert_close(images, torch.from_numpy(expected["pictures"]), atol=5e-5, rtol=0)

    embeds = parts.image_encoder(rnd("ldm_clip_pixels", (1, 3, 28, 28))).image_embeds
    expected = torch.from_numpy(golden("open_clip_tiny")["embeds"])
    assert_close(embeds, expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_sd15_from_a_single_file_computes_what_comfyui_does(sd15_state, golden, tmp_path):
    from dispose_core.features.dift import up_block_features

    save_file(sd15_state, tmp_path / "sd15.safetensors")
    parts = load_sd15(tmp_path / "sd15.safetensors")
    expected = golden("ldm_sd15_tiny")

    noisy, prompt = rnd("ldm_sd15_noisy", (1, 4, 16, 8)), rnd("ldm_sd15_prompt", (1, 77, 768))
    features = up_block_features(parts.unet, noisy, 261, prompt, 1)
    assert_close(features, torch.from_numpy(expected["features"]), atol=1e-4, rtol=0)
    latents = parts.vae.encode(rnd("ldm_vae_picture", (1, 3, 32, 16)).tanh()).latent_dist.mode()
    assert_close(latents, torch.from_numpy(expected["latents"]), atol=1e-5, rtol=0)

    # With layers that add nothing, a word is the normed sum of its table row and its position.
    table = sd15_state[TEXT + "embeddings.token_embedding.weight"].float()[list(PROMPT_TOKENS)]
    words = table + sd15_state[TEXT + "embeddings.position_embedding.weight"]
    expected = torch.nn.functional.layer_norm(words, (768,))
    assert_close(parts.prompt[0], expected, atol=1e-5, rtol=0)
    assert parts.prompt[0, 4, 5] == parts.prompt[0].max()


def test_folders_in_diffusers_layout_load_too(svd_state, sd15_state, tmp_path):
    save_file(svd_state, tmp_path / "svd.safetensors")
    single = load_svd_parts(tmp_path / "svd.safetensors", clip_vision_heads=1)
    single.vae.save_pretrained(tmp_path / "svd" / "vae")
    single.image_encoder.save_pretrained(tmp_path / "svd" / "image_encoder", variant="fp16")
    folder = load_svd_parts(tmp_path / "svd")
    for one, other in ((single.vae, folder.vae), (single.image_encoder, folder.image_encoder)):
        for key, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[key]), key


def test_a_folder_without_a_part_says_which(tmp_path):
    with pytest.raises(CheckpointError, match=r"vae/config\.json is missing.* single file"):
        load_svd_parts(tmp_path)
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be loaded as UNet2DConditionModel"):
        load_sd15(tmp_path)


def test_other_files_are_told_apart(svd_state, sd15_state, tmp_path):
    save_file(svd_state, tmp_path / "svd.safetensors")
    unet = {k: v for k, v in sd15_state.items() if k.startswith("model.")}
    save_file(unet, tmp_path / "unet.safetensors")
    with pytest.raises(CheckpointError, match="this is a whole Stable Video Diffusion"):
        load_sd15(tmp_path / "svd.safetensors")
    with pytest.raises(CheckpointError, match=r"Stable Diffusion 1\.5.* Needed is"):
        load_svd_parts(tmp_path / "unet.safetensors")
    with pytest.raises(CheckpointError, match="without first_stage_model"):
        load_sd15(tmp_path / "unet.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("first_stage_model.decoder.conv_in.weight"), "1 missing: decoder.conv_in"),
        (lambda s: s.update({"first_stage_model.loss.x": torch.ones(1)}), "loss.x: the network"),
        (lambda s: s.pop(f"{VISION}visual.class_embedding"), "missing: vision_model.embeddings"),
        (lambda s: s.pop(f"{VISION}visual.proj"), "CLIP vision is incomplete"),
    ],
)
def test_a_damaged_svd_file_says_what_is_wrong(svd_state, tmp_path, change, message):
    state = dict(svd_state)
    change(state)
    save_file(state, tmp_path / "svd.safetensors")
    with pytest.raises(CheckpointError, match=message):
        load_svd_parts(tmp_path / "svd.safetensors", clip_vision_heads=1)
