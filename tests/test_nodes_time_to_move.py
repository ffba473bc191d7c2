"""In the real ComfyUI: SMCD Cut and Drag, and Time-to-Move made of the host's own nodes with its masks."""

import host
import pytest
import torch

comfy_host = host.start()

import comfy.latent_formats  # noqa: E402  once the host is there
import comfy.model_base  # noqa: E402
import comfy.model_management  # noqa: E402
import comfy.model_patcher  # noqa: E402
import comfy.sample  # noqa: E402
import comfy.samplers  # noqa: E402
import comfy.supported_models_base  # noqa: E402
from comfy_api.latest import io  # noqa: E402

from smcd_core.trajectory.document import parse_trajectory  # noqa: E402

KEYS = [{"frame": 0, "box": [0.1, 0.2, 0.4, 0.6]}, {"frame": 8, "box": [0.5, 0.4, 0.9, 0.9]}]
DOCUMENT = {"version": 1, "width": 120, "height": 80, "frames": 9, "objects": [{"phrase": "cat", "keys": KEYS}]}
TARGET = dict(width=96, height=64, length=17, fit="crop", feather=4)


def drag(image, document=DOCUMENT, **given):
    return host.call("SMCD_CutAndDrag", image=image, trajectory=document, **TARGET | given)


def picture(height=80, width=120):
    return torch.rand(1, height, width, 3, generator=torch.Generator().manual_seed(0))


# The node -------------------------------------------------------------------------------------------------------------


def test_the_guide_has_the_size_and_length_of_the_target():
    guide, mask, noise_mask, first_frame = drag(picture())
    assert guide.shape == (17, 64, 96, 3) and mask.shape == (17, 64, 96) and noise_mask.shape == (5, 8, 12)
    assert torch.equal(first_frame, guide[:1]) and 0 <= guide.min() and guide.max() <= 1
    for latent, frame in enumerate([0, 1, 5, 9, 13]):
        assert torch.equal(noise_mask[latent], (mask[frame, ::8, ::8] <= 0.5).float())


@pytest.mark.parametrize("size", [(40, 60), (80, 120), (300, 100), (64, 300)])
def test_images_of_any_size_and_masks_of_another_are_brought_to_the_target(size):
    masks = torch.ones(1, 33, 77)
    guide, mask, *_ = drag(picture(*size), masks=masks, background=picture(50, 50))
    assert guide.shape == (17, 64, 96, 3) and mask.max() > 0.9


def test_a_mask_lies_on_its_object_whatever_its_size():
    """The image is cropped by half, and so is the mask, though its pixels are not square."""
    image = torch.zeros(1, 64, 192, 3)
    image[:, 16:48, 72:104] = 1
    mask = torch.nn.functional.interpolate(image[None, :, :, :, 0], (32, 48))[0]
    keys = [{"frame": 0, "box": [0.3, 0.1, 0.6, 0.9]}, {"frame": 8, "box": [0.35, 0.1, 0.65, 0.9]}]
    document = DOCUMENT | {"objects": [{"phrase": "cat", "keys": keys}]}
    guide, found, *_ = drag(image, document, masks=mask, feather=0)
    assert (guide[8, ..., 0] - found[8]).abs().mean() < 0.02 and guide[8, 32, 40, 0] > 0.99


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(image=torch.zeros(3, 8, 8, 3)), "image has 3 images: take one of them"),
        (dict(background=torch.zeros(2, 8, 8, 3)), "background has 2 images: take one of them"),
        (dict(masks=torch.ones(3, 80, 120)), "there are 3 masks for 1 object:"),
        (dict(masks=torch.zeros(1, 80, 120)), "is empty: mend the mask"),
        (dict(masks=torch.ones(80, 120)), r"masks has the shape \[80, 120\], expected \[masks, height, width\]"),
        (dict(width=832, height=480, length=4096), "make 1344 at most"),
        (dict(document=DOCUMENT | {"objects": []}), "nothing to cut out"),
    ],
)
def test_bad_input_is_refused_before_any_model_runs(given, message):
    with pytest.raises(ValueError, match=message):
        drag(**{"image": picture()} | given)


def test_an_image_smaller_than_the_target_and_a_trajectory_of_another_length_are_fitted():
    long = DOCUMENT | {"frames": 200, "width": 4000, "height": 3000}
    guide, mask, noise, first = drag(torch.rand(1, 8, 12, 3), long, width=64, height=48, length=5)
    assert guide.shape == (5, 48, 64, 3) and mask.shape == (5, 48, 64) and noise.shape == (2, 6, 8)
    assert torch.equal(first, guide[:1])


@pytest.mark.parametrize(("model", "said"), [("SMCD_Load", []), ("UNETLoader", ["length is 8: Wan makes 4n + 1"])])
def test_only_workflows_without_our_model_are_told_what_wan_takes(model, said, caplog):
    node = comfy_host.nodes.NODE_CLASS_MAPPINGS["SMCD_CutAndDrag"]
    node.GET_SCHEMA()
    hidden = {io.Hidden.unique_id: "1", io.Hidden.prompt: {"2": {"class_type": model, "inputs": {}}}}
    clone = node.PREPARE_CLASS_CLONE({"hidden_inputs": hidden})
    clone.execute(picture(64, 96), DOCUMENT, **TARGET | {"length": 8})
    lines = [record.message for record in caplog.records if record.name == "smcd"]
    assert [line[: len(start)] for line, start in zip(lines, said, strict=True)] == said


def test_masks_come_back_to_the_editor_of_the_trajectory():
    node = comfy_host.nodes.NODE_CLASS_MAPPINGS["SMCD_CutAndDrag"]
    node.GET_SCHEMA()
    inputs = dict(image=picture(), width=64, height=48, length=5, fit="crop", feather=2)
    ids = [track.get("id", "o1") for track in DOCUMENT["objects"]]
    with torch.inference_mode():
        told = node.execute(trajectory=DOCUMENT, masks=torch.ones(len(ids), 80, 120), **inputs).ui
        assert node.execute(trajectory=DOCUMENT, **inputs).ui is None
    assert [mask["id"] for mask in told["smcd_masks"]] == [""] and told["smcd_masks"][0]["box"] == [0, 0, 1, 1]


def test_an_alpha_channel_is_ignored():
    image = picture()
    with_alpha = torch.cat([image, torch.zeros(1, 80, 120, 1)], -1)
    assert torch.equal(drag(with_alpha)[0], drag(image)[0])


# Time-to-Move ---------------------------------------------------------------------------------------------------------


class Toy(torch.nn.Module):
    """Mixes neighbours in time and space, and is not linear in what it sees."""

    def __init__(self, **_):
        super().__init__()
        self.dtype = torch.float32
        self.weight = torch.randn(16, 16, 3, 3, 3, generator=torch.Generator().manual_seed(1)) / 20

    def forward(self, x, timesteps, **_):
        mixed = torch.nn.functional.conv3d(x, self.weight.to(x), padding=1)
        return torch.tanh(mixed + timesteps.view(-1, 1, 1, 1, 1) / 1000) + 0.3 * x


class Config(comfy.supported_models_base.BASE):
    unet_config = {}
    unet_extra_config = {}
    latent_format = comfy.latent_formats.Wan21
    sampling_settings = {"shift": 5.0}


@pytest.fixture(scope="module")
def model():
    config = Config({})
    config.set_inference_dtype(torch.float32, None)
    base = comfy.model_base.BaseModel(config, comfy.model_base.ModelType.FLOW, unet_model=Toy)
    devices = comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    return comfy.model_patcher.CoreModelPatcher(base, *devices)


STEPS, TWEAK, STRONG, BOUNDARY, SEED = 12, 2, 5, 9, 7


def published(model, guide, noise, inside):
    """The loop of Time-to-Move: after each step before STRONG, objects are the guide at the noise of the next one."""
    network = model.model.diffusion_model
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", STEPS)
    x = sigmas[TWEAK] * noise + (1 - sigmas[TWEAK]) * guide
    for k in range(TWEAK, STEPS):
        time = model.get_model_object("model_sampling").timestep(sigmas[k : k + 1])
        x = x + (sigmas[k + 1] - sigmas[k]) * network(x, time)
        if k < STRONG:
            at_next = sigmas[k + 1] * noise + (1 - sigmas[k + 1]) * guide
            x = torch.where(inside, at_next, x)
    return x


def stock(model, guide, mask, strong=STRONG):
    """The nodes of the workflow, with the guide as LATENT."""
    prompt = [[torch.zeros(1, 1, 8), {}]]
    shared = dict(model=model, noise_seed=SEED, steps=STEPS, cfg=1.0, sampler_name="euler", scheduler="simple")
    shared |= dict(positive=prompt, negative=prompt)
    (latent,) = host.call("SetLatentNoiseMask", samples={"samples": guide}, mask=mask)
    given = dict(start_at_step=TWEAK, end_at_step=strong, add_noise="enable", return_with_leftover_noise="enable")
    (latent,) = host.call("KSamplerAdvanced", **shared, **given, latent_image=latent)
    (ones,) = host.call("SolidMask", value=1.0, width=8, height=8)
    (latent,) = host.call("SetLatentNoiseMask", samples=latent, mask=ones)
    given = dict(start_at_step=strong, end_at_step=BOUNDARY, add_noise="disable", return_with_leftover_noise="enable")
    (latent,) = host.call("KSamplerAdvanced", **shared, **given, latent_image=latent)
    given = dict(start_at_step=BOUNDARY, end_at_step=10000, add_noise="disable", return_with_leftover_noise="disable")
    return host.call("KSamplerAdvanced", **shared, **given, latent_image=latent)[0]["samples"]


def test_the_hosts_nodes_with_our_mask_are_the_published_loop(model):
    mask = drag(picture())[2]
    assert 0.1 < mask.mean() < 0.9
    guide = torch.randn(1, 16, 5, 8, 12, generator=torch.Generator().manual_seed(2))
    space = Config.latent_format()
    inside = (mask == 0)[None, None]
    noise = comfy.sample.prepare_noise(guide, SEED)
    with torch.inference_mode():
        expected = published(model, space.process_in(guide), noise, inside)
        found, later = (space.process_in(stock(model, guide, mask, strong)) for strong in (STRONG, STRONG + 1))
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()
    assert (later - expected).abs().max() > 1e-3


def test_a_mask_for_each_frame_would_be_blurred_in_time(model):
    """Why noise_mask has one mask for each latent frame: the host would scale another length to that of the latent."""
    _, mask, noise_mask, _ = drag(picture(), parse_trajectory(DOCUMENT).to_dict())
    (latent,) = host.call("SetLatentNoiseMask", samples={"samples": torch.zeros(1, 16, 5, 8, 12)}, mask=noise_mask)
    (dense,) = host.call("SetLatentNoiseMask", samples={"samples": torch.zeros(1, 16, 5, 8, 12)}, mask=1 - mask)
    at_hand, blurred = (
        comfy.utils.reshape_mask(each["noise_mask"], (1, 16, 5, 8, 12))[0, 0] for each in (latent, dense)
    )
    assert torch.equal(at_hand, noise_mask) and ((blurred - noise_mask).abs() > 0.4).any()
