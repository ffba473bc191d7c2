"""In the real ComfyUI: networks, loading, memory modes, LoRA and what is refused."""

import dataclasses
import os
import shutil

import host
import pytest
import torch
from live_tensors import LiveTensors
from reference import CONFIGS
from safetensors.torch import save_file
from small_bundle import CONFIG, write_small_bundle
from tiny_bundle import CONFIG as TINY, tiny_smcd
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from smcd_core.networks.config import SMALL, system_config
from smcd_core.networks.smcd import SMCD, Inputs
from smcd_core.networks.text import TextEncoder, text_transformer
from smcd_core.weights.checkpoint import read_checkpoint, write_checkpoint
from smcd_core.weights.export import write_diffusers, write_released

comfy_host = host.start()
inside = host.pack_module("nodes.host.model")
loading = host.pack_module("nodes.host.loading")
host_text = host.pack_module("nodes.host.text")
loader = host.pack_module("nodes.loader")

import comfy.memory_management  # noqa: E402  the host's, which host.start() found
import comfy.model_patcher  # noqa: E402
import comfy.ops  # noqa: E402
import comfy.sd  # noqa: E402
import comfy.utils  # noqa: E402
import folder_paths  # noqa: E402

FRAMES = 3


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_small_bundle(tmp_path_factory.mktemp("models") / "small.safetensors")


@pytest.fixture
def models_folder(tmp_path, monkeypatch):
    """An empty models/smcd."""
    folder = tmp_path / "smcd"
    folder.mkdir()
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "smcd", ([str(folder)], {".safetensors", ".bin", ".pth"}))
    folder_paths.filename_list_cache.pop("smcd", None)
    return folder


def conditioning(config=CONFIG, batch=1, seed=0):
    """A prompt with boxes and image, without the encoders."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(shape, generator=generator)

    low, size = torch.rand(FRAMES, 2, 2, generator=generator) / 2, 0.3
    boxes = torch.cat([low, low + size, torch.ones(FRAMES, 2, 1)], dim=-1)
    values = {
        inside.BOXES: boxes,
        inside.PHRASES: random(2, config.phrase_dim),
        inside.FIRST_FRAME: random(1, 4, 8, 8),
    }
    return [[random(1, 7, config.context_dim), values]]


def sampled(model, config=CONFIG, steps=2, positive=None, negative=None, **settings):
    latent = {"samples": torch.zeros(FRAMES, 4, 8, 8)}
    positive = positive or conditioning(config)
    inputs = dict(seed=1, steps=steps, cfg=2.0, sampler_name="euler", scheduler="normal") | settings
    negative = negative or conditioning(config, seed=1)
    (out,) = host.call("KSampler", model=model, positive=positive, negative=negative, latent_image=latent, **inputs)
    return out["samples"]


def difference(a, b):
    return ((a - b).norm() / b.norm()).item()


@torch.inference_mode()
@pytest.mark.parametrize("operations", ["disable_weight_init", pytest.param("manual_cast", marks=pytest.mark.slow)])
@pytest.mark.parametrize("system", ["backbone", "mim", "zc", "gca", "zc+gca", "ctrlnet", "zc+ctrlnet", "parallel"])
def test_the_hosts_layers_give_what_torchs_layers_give(system, operations):
    torch.manual_seed(0)
    config = system_config(system, SMALL)
    plain = tiny_smcd(config)
    layers = getattr(comfy.ops, operations)
    model = inside.HostSMCD(_pack_config(config), dtype=torch.float32, device="cpu", operations=layers)
    model.load_state_dict({name.removeprefix("unet."): x for name, x in plain.state_dict().items()})
    model.eval()
    (text, values), *_ = conditioning(config)
    boxes, latent = values[inside.BOXES][None], values[inside.FIRST_FRAME]
    inputs = Inputs(text, FRAMES, boxes[..., :4], boxes[..., 4], values[inside.PHRASES][None], latent)
    tokens = plain.encode(inputs)
    x = torch.randn(FRAMES, 4, 8, 8)
    expected = plain(x, torch.tensor([500]), tokens)
    joined = torch.cat([x, latent.expand(FRAMES, -1, -1, -1)], 1) if config.first_frame_concat else x
    repeated = {"image_tokens": tokens.image_tokens, "first_frame": latent if config.control else None}
    repeated = {name: None if y is None else y.expand(FRAMES, *y.shape[1:]) for name, y in repeated.items()}
    found = model(
        joined,
        torch.full((FRAMES,), 500.0),
        text.expand(FRAMES, -1, -1),
        num_frames=FRAMES,
        box_tokens=tokens.box_tokens,
        **repeated,
    )
    assert difference(found, expected) < 1e-5


def _pack_config(config):
    """The same configuration, of the class that the host's copy of the core has."""
    return host.pack_module("smcd_core.networks.config").SMCDConfig(**dataclasses.asdict(config))


@pytest.mark.parametrize(
    "system", ["ctrlnet", *(pytest.param(s, marks=pytest.mark.slow) for s in ("backbone", "mim", "parallel"))]
)
def test_every_system_samples(tmp_path, system):
    torch.manual_seed(0)
    config = system_config(system, SMALL | {"prediction": "epsilon"})
    write_checkpoint(tmp_path / "bare.safetensors", config, tiny_smcd(config).state_dict())
    model = loading.load_model(str(tmp_path / "bare.safetensors"))
    assert model.model.model_type.name == "EPS"
    assert sampled(model, config).isfinite().all()


def test_epsilon_and_v_checkpoints_agree_with_the_schedule_of_the_core(tmp_path):
    """A network whose prediction is constant: the denoised latents are those of the core's formulas."""
    from smcd_core.sampling.diffusion import predicted_x0

    for kind in ("epsilon", "v"):
        config = system_config("backbone", SMALL | {"prediction": kind})
        torch.manual_seed(0)
        weights = tiny_smcd(config).state_dict()
        weights["unet.out.2.weight"].zero_()
        write_checkpoint(tmp_path / f"{kind}.safetensors", config, weights)
        sampling = loading.load_model(str(tmp_path / f"{kind}.safetensors")).model.model_sampling
        t = torch.tensor([700])
        sigma = sampling.sigmas[t]
        x = torch.randn(1, 4, 8, 8)  # with variance 1, as the network sees it
        output = weights["unet.out.2.bias"][None, :, None, None].expand_as(x)
        found = sampling.calculate_denoised(sigma, output, x * (1 + sigma**2).sqrt())
        assert difference(found, predicted_x0(output, x, t, kind)) < 1e-5


@pytest.mark.slow
def test_dynamic_memory_and_partial_loading_give_the_same(path, monkeypatch):
    expected = sampled(loading.load_model(str(path)))
    partly = loading.load_model(str(path))
    # Half of the weights stay where they are kept and are cast when they are used.
    partly.partially_load(partly.load_device, partly.model_size() // 2)
    assert difference(sampled(partly), expected) < 1e-6
    # As on a GPU: layers are built without weights, which come with the file.
    monkeypatch.setattr(comfy.memory_management, "aimdo_enabled", True)
    monkeypatch.setattr(comfy.model_management, "WINDOWS", True)  # in older hosts only there
    config, layers = _pack_config(CONFIG), comfy.ops.manual_cast
    assert inside.HostSMCD(config, dtype=None, device=None, operations=layers).time_embed[0].weight is None
    lazy = loading.load_model(str(path))
    monkeypatch.undo()
    assert difference(sampled(lazy), expected) < 1e-6


@pytest.mark.parametrize("side", [16, 32])
@torch.inference_mode()
def test_the_memory_estimate_is_what_a_call_holds_and_a_tenth_at_most(path, side):
    """In numbers of all tensors that are alive, with the host's attention for CPUs, which keeps its scores."""
    model = loading.load_model(str(path)).model
    network, config, frames = model.diffusion_model, model.smcd_config, 16
    given = {
        "x": torch.zeros(frames, config.in_channels, side, side),
        "timesteps": torch.full((frames,), 500.0),
        "context": torch.zeros(frames, 7, config.context_dim),
        "box_tokens": torch.zeros(frames, config.box_slots, config.context_dim),
        "boxes": torch.zeros(frames, config.box_slots, 5, dtype=torch.int32),
        "image_tokens": torch.zeros(frames, 4, config.context_dim),
    }
    with LiveTensors([*given.values(), *network.parameters()]) as live:
        network(**given, num_frames=frames // 2)
    estimate = model.memory_required([frames, config.latent_channels, side, side]) / 4
    assert live.peak <= estimate <= 1.1 * live.peak


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_model_gives_the_same(tmp_path):
    config = dataclasses.replace(TINY, channel_mult=(1,), attention_scales=(1.0,))
    torch.manual_seed(0)
    write_checkpoint(tmp_path / "tiny.safetensors", config, tiny_smcd(config).state_dict())
    model = loading.load_model(str(tmp_path / "tiny.safetensors"))
    # The backends that the node offers take minutes and a C++ compiler; this one traces as they do.
    (compiled,) = host.call("TorchCompileModel", model=model, backend="eager")
    assert difference(sampled(compiled, config, steps=1), sampled(model, config, steps=1)) < 1e-5


def test_a_clone_can_be_made_anew_from_the_file(path):
    model = loading.load_model(str(path), torch.float16)
    factory, arguments = model.cached_patcher_init
    again = factory(*arguments, disable_dynamic=True)
    assert type(again) is comfy.model_patcher.ModelPatcher and again.model.get_dtype() == torch.float16
    for load in (host_text.load_clip, loading.load_vae):
        patcher = load(str(path)).patcher
        factory, arguments = patcher.cached_patcher_init
        assert isinstance(factory(*arguments, disable_dynamic=True), comfy.model_patcher.ModelPatcher)


@pytest.mark.parametrize("style", ["lora_unet_{}.lora_down.weight", "diffusion_model.{}.lora_A.weight"])
def test_a_lora_from_the_stock_loader_changes_the_result(path, tmp_path, monkeypatch, style):
    model = loading.load_model(str(path))
    name = "input_blocks.1.1.transformer_blocks.0.attn1.to_q"
    layer = model.model.diffusion_model.get_submodule(name)
    name = name if style.startswith("diffusion") else name.replace(".", "_")
    down = style.format(name)
    up = down.replace("lora_down", "lora_up").replace("lora_A", "lora_B")
    torch.manual_seed(0)
    lora = {down: torch.randn(2, layer.in_features), up: torch.randn(layer.out_features, 2)}
    save_file(lora, tmp_path / "motion.safetensors")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "loras", ([str(tmp_path)], {".safetensors"}))
    plain = sampled(model)
    patched, _ = host.call("LoraLoader", model=model, clip=None, lora_name="motion.safetensors", strength_clip=0.0)
    assert difference(sampled(patched), plain) > 1e-3
    assert torch.equal(sampled(model), plain)  # and the weights are put back


def test_prompts_of_77_and_154_tokens_run_together_as_they_do_alone(path, monkeypatch):
    model, batches = loading.load_model(str(path)), []
    torch.manual_seed(0)
    positive = _changed(text=torch.randn(1, 154, CONFIG.context_dim))
    negative = _changed(text=torch.randn(1, 77, CONFIG.context_dim))

    def note(apply, args):
        batches.append(args["input"].shape[0])
        return apply(args["input"], args["timestep"], **args["c"])

    model.set_model_unet_function_wrapper(note)
    together = sampled(model, positive=positive, negative=negative, steps=1)
    monkeypatch.setattr(inside.SMCDModel, "memory_required", lambda *args, **kwargs: 1e15)
    alone = sampled(model, positive=positive, negative=negative, steps=1)
    assert batches == [2 * FRAMES, FRAMES, FRAMES]
    assert difference(together, alone) < 1e-5


@pytest.mark.parametrize("folder", ["smcd", "checkpoints", "diffusion_models"])
def test_the_bundled_one_and_each_folder_for_models_are_offered(path, tmp_path, monkeypatch, folder):
    (tmp_path / "mine").mkdir()
    os.link(path, tmp_path / "mine" / "motion.safetensors")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, folder, ([str(tmp_path)], {".safetensors"}))
    folder_paths.filename_list_cache.pop(folder, None)
    names = loader.checkpoint_names()
    assert names[0] == loader.BUNDLED and f"{folder}/mine/motion.safetensors" in names
    assert loader.checkpoint_path(f"{folder}/mine/motion.safetensors").samefile(path)


def test_the_loader_gives_all_three_in_the_type_that_is_asked_for(path, models_folder):
    os.link(path, models_folder / "mine.safetensors")
    model, clip, vae = host.call("SMCD_Load", checkpoint="smcd/mine.safetensors", weight_dtype="bf16")
    assert model.model.get_dtype() == torch.bfloat16
    assert clip is not None and vae.latent_channels == 4


def test_the_stock_clip_loader_reads_prompts_and_phrases_as_released(tmp_path):
    """The host's OpenCLIP ViT-H, made small: its own classes, vocabulary and padding."""
    small = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=2)
    torch.manual_seed(0)
    config = CLIPTextConfig(**small, vocab_size=49408, hidden_act="gelu", bos_token_id=49406, eos_token_id=49407)
    reference = TextEncoder(
        CLIPTokenizer.from_pretrained(host.HOST / "comfy" / "sd1_tokenizer"), CLIPTextModel(config).eval()
    )
    weights = text_transformer(reference.model).state_dict()
    weights = {f"text_model.{name.removeprefix('text_model.')}": x for name, x in weights.items()}
    weights["text_model.encoder.layers.22.mlp.fc1.weight"] = torch.zeros(1)  # by which the host knows ViT-H
    save_file(weights, tmp_path / "clip_h.safetensors")
    options = {"clip_h_model_config": small, "dtype": torch.float32}
    clip = comfy.sd.load_clip([str(tmp_path / "clip_h.safetensors")], model_options=options)
    phrases = ["red car", "a (very) small dog", "dog " * 100, " "]
    with torch.inference_mode():
        assert difference(host_text.phrase_vectors(clip, phrases), reference.phrases(phrases)) < 1e-5
        for text in ("a red car on a road", " "):
            (positive,) = host.call("CLIPTextEncode", clip=clip, text=text)
            assert difference(positive[0][0], reference([text])) < 1e-5


def write_own(folder, checkpoint):
    write_checkpoint(folder.with_suffix(".safetensors"), checkpoint.config, checkpoint.weights)


def write_modelscope(folder, checkpoint):
    """The UNet alone, as ModelScope has it."""
    write_released(folder, checkpoint)
    torch.save({"state_dict": torch.load(folder / "pytorch_model.bin")}, folder.with_suffix(".pth"))
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "write, variant, name",
    [
        pytest.param(write_own, "mim", "mine.safetensors", marks=pytest.mark.slow),
        (write_released, "mim", "mine"),
        (write_modelscope, "backbone", "mine.pth"),
        pytest.param(write_diffusers, "backbone", "mine/diffusion_pytorch_model.safetensors", marks=pytest.mark.slow),
    ],
    ids=["own", "released", "ModelScope", "diffusers"],
)
def test_every_layout_is_one_entry_and_samples_alike(tmp_path, models_folder, write, variant, name):
    config = CONFIGS[variant]  # shapes as published, from which the layouts without a configuration tell it
    torch.manual_seed(0)
    write_checkpoint(tmp_path / "plain.safetensors", config, tiny_smcd(config).state_dict())
    write(models_folder / "mine", read_checkpoint(tmp_path / "plain.safetensors"))
    assert [entry for entry in loader.checkpoint_names() if entry.startswith("smcd/")] == [f"smcd/{name}"]
    model, clip, vae = host.call("SMCD_Load", checkpoint=f"smcd/{name}")
    assert clip is None and vae is None
    expected = loading.load_model(str(tmp_path / "plain.safetensors"))
    assert torch.equal(sampled(model, config), sampled(expected, config))


def test_a_missing_file_is_named(models_folder):
    with pytest.raises(FileNotFoundError, match="smcd/gone.safetensors: no such checkpoint"):
        host.call("SMCD_Load", checkpoint="smcd/gone.safetensors")


@pytest.mark.parametrize("fault", ["missing", "extra", "misshapen"])
def test_a_checkpoint_with_one_wrong_tensor_is_refused_before_any_forward(path, tmp_path, fault):
    weights, metadata = comfy.utils.load_torch_file(str(path), return_metadata=True)
    name = "unet.time_embed.0.weight"
    if fault == "missing":
        del weights[name]
    elif fault == "extra":
        weights["unet.other"] = torch.zeros(1)
    else:
        weights[name] = weights[name].T.contiguous()
    save_file(weights, tmp_path / "bad.safetensors", metadata)
    with pytest.raises(ValueError, match="missing|do not belong|has shape"):
        loading.load_model(str(tmp_path / "bad.safetensors"))


def test_a_large_vae_of_another_shape_is_refused(path, monkeypatch):
    checkpoint = read_checkpoint(path)
    config = checkpoint.vae.config | {"block_out_channels": [16, 16, 16, 16]}
    vae = dataclasses.replace(checkpoint.vae, config=config)
    monkeypatch.setattr(loading, "read_any_checkpoint", lambda path: dataclasses.replace(checkpoint, vae=vae))
    with pytest.raises(ValueError, match="VAE of .* channels inside"):
        loading.load_vae(str(path))


def _changed(**values):
    ((text, found),) = conditioning()
    return [[values.pop("text", text), {**found, **values}]]


@pytest.mark.parametrize(
    "positive, message",
    [
        (_changed(smcd_first_frame=torch.zeros(1, 4, 16, 8)), r"the latent is 8 x 8, the first frame's 8 x 16"),
        (_changed(smcd_first_frame=None), "has none: use SMCD Conditioning"),
    ],
)
def test_a_conditioning_that_does_not_fit_the_model_is_refused(path, positive, message):
    with pytest.raises(ValueError, match=message):
        sampled(loading.load_model(str(path)), positive=positive)


def test_the_state_of_the_core_is_the_state_of_the_hosts_model():
    names = {name.removeprefix("unet.") for name in SMCD(CONFIG, device="meta").state_dict()}
    model = inside.HostSMCD(_pack_config(CONFIG), dtype=torch.float32, device="meta", operations=comfy.ops.manual_cast)
    assert set(model.state_dict()) == names
