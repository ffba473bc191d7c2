"""In the real ComfyUI: drawn guides as WanVaceToVideo receives them, and phrases that stay in their boxes."""

from types import SimpleNamespace

import host
import pytest
import torch

comfy_host = host.start()

import comfy.conds  # noqa: E402  once the host is there
import comfy.sampler_helpers  # noqa: E402
import comfy.samplers  # noqa: E402
from comfy_extras import nodes_wan  # noqa: E402
from test_nodes_guides import DOCUMENT, LENGTHS, SIZES, MeanVAE, ramps  # noqa: E402

from smcd_core.guides.cut_and_drag import resized  # noqa: E402
from smcd_core.guides.drawn import STYLES, WITH_PICTURE  # noqa: E402
from smcd_core.guides.fit import fit, pixels  # noqa: E402
from smcd_core.trajectory.document import parse_trajectory  # noqa: E402

PICTURE = ramps(320, 240)
UNNAMED = dict(DOCUMENT["objects"][0], phrase="")


def guide(style, width, height, length, document=DOCUMENT, **given):
    given = dict(fit="crop") | given
    inputs = dict(trajectory=document, style=style, width=width, height=height, length=length)
    return host.call("SMCD_GuideVideo", **inputs, **given)


# Guide Video ----------------------------------------------------------------------------------------------------------


def received_by_vace(video, mask, width, height, length):
    """The latents that WanVaceToVideo makes of what is kept and what is made anew, each [16, T, h, w]."""
    prompt = [[torch.zeros(1, 1, 8), {}]]
    with torch.inference_mode():
        output = nodes_wan.WanVaceToVideo.execute(
            prompt, prompt, MeanVAE(), width, height, length, 1, 1.0, control_video=video, control_masks=mask
        )
    return output.result[0][0][1]["vace_frames"][0][0].split(16)


def cells(flags):
    """Which rows or columns of 8 pixels hold one of these."""
    return flags.view(-1, 8).any(1)


TARGETS = [
    pytest.param(size, length, marks=[] if SIZES.index(size) == LENGTHS.index(length) else pytest.mark.slow)
    for size in SIZES
    for length in LENGTHS
]


@pytest.mark.parametrize(("size", "length"), TARGETS)
def test_vace_keeps_the_picture_and_reads_boxes_in_the_cells_of_their_sides(size, length):
    width, height = size
    video, mask, _ = guide("white on black", width, height, length, image=PICTURE)
    kept, made = received_by_vace(video, mask, *size, length)
    picture = MeanVAE.encode(resized(PICTURE[0], width, height)[None])[0]
    torch.testing.assert_close(kept[:3, 0], picture[:3, 0])
    assert (kept[:3, 1:] - 0.5).abs().max() < 1e-6 and (made[:3, 0] - 0.5).abs().max() < 1e-6
    boxes = fit(parse_trajectory(DOCUMENT), width, height, length)
    xs, ys = torch.arange(width), torch.arange(height)
    for t in range(1, made.shape[1]):
        white = made[0, t] > 1e-6
        allowed = torch.zeros_like(white)
        for f in range(4 * t - 3, 4 * t + 1):
            for n in boxes.mask[f].nonzero()[0]:
                x1, y1, x2, y2 = (int(value + 1e-4) for value in pixels(boxes)[f, n])
                near_x, near_y = (xs >= x1 - 2) & (xs <= x2 + 3), (ys >= y1 - 2) & (ys <= y2 + 3)
                rim_x = near_x & ~((xs > x1 + 2) & (xs < x2 - 3))
                rim_y = near_y & ~((ys > y1 + 2) & (ys < y2 - 3))
                allowed |= cells(rim_y)[:, None] & cells(near_x) | cells(near_y)[:, None] & cells(rim_x)
                for x, y in ((x1, (y1 + y2) // 2), (x2, (y1 + y2) // 2), ((x1 + x2) // 2, y1), ((x1 + x2) // 2, y2)):
                    assert not (0 <= x < width and 0 <= y < height) or white[y // 8, x // 8], (t, f, n)
        assert white.any() and not (white & ~allowed).any()


def test_a_picture_of_the_video_s_own_size_arrives_as_it_is():
    picture = ramps(832, 480)
    video, mask, report = guide("vace", 832, 480, 81, DOCUMENT | {"width": 832, "height": 480}, image=picture)
    assert torch.equal(video[0], picture[0]) and mask[0].max() == 0 and mask[1:].min() == 1
    assert report.splitlines() == ["4 objects, 81 frames of 832 x 480 pixels"]


@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_a_video_and_a_mask_of_the_target(style):
    video, mask, _ = guide(style, 320, 240, 9, image=PICTURE)
    assert video.shape == (9, 240, 320, 3) and mask.shape == (9, 240, 320)
    assert video.min() >= 0 and video.max() <= 1 and video.dtype == torch.float32
    assert (mask[0].max() == 0) == (style in WITH_PICTURE)


def test_colours_are_those_of_the_enabled_objects():
    first, second = dict(DOCUMENT["objects"][0], enabled=False), dict(DOCUMENT["objects"][1], color="#123456")
    video, _, _ = guide("vace colours", 320, 240, 9, DOCUMENT | {"objects": [first, second]})
    colors = (video[0] * 255).round().reshape(-1, 3).unique(dim=0).tolist()
    assert colors == [[0x12, 0x34, 0x56], [255, 255, 255]]


def test_the_report_tells_of_sizes_and_lengths_that_the_model_does_not_take():
    *_, report = guide("ltx boxes", 832, 480, 80)
    assert "length is 80: LTX makes 8n + 1 frames, the nearest is 81" in report
    assert "height is 480: LTX takes multiples of 64, the nearest is" in report
    away = {"phrase": "bird", "keys": [{"frame": 0, "box": [2, 2, 2.1, 2.1]}]}
    *_, report = guide("vace", 832, 480, 81, DOCUMENT | {"objects": [*DOCUMENT["objects"], away]}, fit="stretch")
    assert report.splitlines()[1:] == ["object 5 of 5 is never inside the frame"]


@pytest.mark.parametrize(
    "given",
    [
        dict(length=1),
        dict(width=16, height=16),
        dict(document=DOCUMENT | {"objects": []}),
        dict(document=DOCUMENT | {"frames": 200}),
    ],
)
def test_unusual_targets_and_trajectories_give_a_guide(given):
    size = dict(width=320, height=240, length=9) | given
    video, *_ = guide("vace", **size)
    assert video.shape == (size["length"], size["height"], size["width"], 3)


def test_4096_frames_are_refused_before_anything_is_drawn():
    with pytest.raises(Exception, match="a guide of 4096 frames of 832 x 480 pixels would take 18 GiB"):
        guide("vace", 832, 480, 4096)


# Regional Prompt ------------------------------------------------------------------------------------------------------


class Words:
    """A text encoder that gives each new text the next number."""

    def __init__(self):
        self.texts = []

    def tokenize(self, text):
        return text

    def encode_from_tokens_scheduled(self, text):
        self.texts.append(text)
        return [[torch.full((1, 1, 1), float(len(self.texts))), {"pooled_output": None}]]


def regional(length=17, width=320, height=240, document=DOCUMENT, **given):
    clip = Words()
    given = dict(fit="crop", frames_per_latent=4, background=0.3, prompt="a garden") | given
    (conditioning,) = host.call(
        "SMCD_RegionalPrompt", clip=clip, trajectory=document, width=width, height=height, length=length, **given
    )
    return conditioning, clip.texts


def predictions(conditioning, latent):
    """One call of a model that predicts the number of its text everywhere: the host's own mix of the regions."""
    conds = comfy.sampler_helpers.convert_cond(conditioning)
    for cond in conds:
        cond["model_conds"] = {"c_crossattn": comfy.conds.CONDRegular(cond["cross_attn"])}
    comfy.samplers.resolve_areas_and_cond_masks_multidim(conds, tuple(latent.shape[2:]), latent.device)
    patcher = SimpleNamespace(
        prepare_state=lambda *_: None, get_free_memory=lambda _: 1e12, apply_hooks=lambda hooks: {}
    )
    model = SimpleNamespace(
        current_patcher=patcher,
        memory_required=lambda *_, **__: 0,
        apply_model=lambda x, t, c_crossattn, **_: c_crossattn[:, :, :, None, None].expand_as(x),
    )
    (mixed,) = comfy.samplers._calc_cond_batch(model, [conds], latent, torch.ones(1), {})
    return mixed[0, 0]


def test_each_region_has_its_own_prediction_in_every_latent_frame():
    """Two objects that swap sides: the cell in the middle of each follows its phrase, what is outside the scene."""
    keys = [[[0.0, 0.2, 0.4, 0.8], [0.6, 0.2, 1.0, 0.8]], [[0.6, 0.1, 1.0, 0.4], [0.0, 0.1, 0.4, 0.4]]]
    objects = [
        {"phrase": name, "keys": [{"frame": frame, "box": box} for frame, box in zip((0, 8), boxes, strict=True)]}
        for name, boxes in zip(("cat", "dog"), keys, strict=True)
    ]
    document = DOCUMENT | {"objects": objects}
    conditioning, texts = regional(document=document)
    assert texts == ["a garden", "cat", "dog"]
    mixed = predictions(conditioning, torch.zeros(1, 1, 5, 30, 40))
    boxes = fit(parse_trajectory(document), 320, 240, 17)
    for t in range(5):
        frames = [0] if t == 0 else range(4 * t - 3, 4 * t + 1)
        corners = pixels(boxes)[list(frames)] / 8  # [frames, 2, 4] in cells
        inside = torch.zeros(2, 30, 40)
        for box in corners:
            for n, (x1, y1, x2, y2) in enumerate(box):
                inside[n, round(y1) : round(y2), round(x1) : round(x2)] += 1 / len(corners)
        for n in range(2):
            alone = (inside[n] == 1) & (inside[1 - n] == 0)
            alone[:, 1:] &= alone[:, :-1].clone()  # borders are mixed
            alone[:, :-1] &= alone[:, 1:].clone()
            expected = (0.3 * 1 + (n + 2)) / 1.3
            assert alone.any() or t == 2  # where they pass each other
            assert (mixed[t][alone] - expected).abs().max() < 0.02 if alone.any() else True
        outside = inside.sum(0) == 0
        outside[1:-1, 1:-1] &= (torch.nn.functional.max_pool2d(inside.sum(0)[None], 3, 1) == 0)[0]
        assert (mixed[t][outside] - 1).abs().max() < 1e-5


def test_masks_are_as_condition_set_mask_writes_them():
    conditioning, _ = regional(length=81, width=832, height=480)
    keys = [set(values) for _, values in conditioning]
    assert all({"mask", "mask_strength", "set_area_to_bounds"} <= found for found in keys)
    assert [values["mask"].shape for _, values in conditioning] == [(21, 60, 104)] * 5
    assert [values["mask_strength"] for _, values in conditioning] == [0.3, 1, 1, 1, 1]
    plain = [[torch.zeros(1, 1, 1), {}]]
    (ours,) = comfy_host.nodes.ConditioningSetMask().append(plain, torch.ones(21, 60, 104), "default", 0.3)
    assert set(ours[0][1]) <= keys[0]


def test_the_next_node_keeps_the_masks():
    conditioning, _ = regional(length=81, width=832, height=480)
    with torch.inference_mode():
        output = nodes_wan.WanVaceToVideo.execute(conditioning, conditioning, MeanVAE(), 832, 480, 81, 1, 1.0)
    assert all({"mask", "vace_frames"} <= set(values) for _, values in output.result[0])


def test_a_strength_of_0_or_a_box_that_never_shows_costs_no_pass():
    away = {"phrase": "bird", "keys": [{"frame": 0, "box": [2, 2, 2.1, 2.1]}]}
    silent = dict(DOCUMENT["objects"][0], strength=0)
    _, texts = regional(document=DOCUMENT | {"objects": [silent, *DOCUMENT["objects"][1:], away]})
    assert texts == ["a garden", "dog", "owl", "fox"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(length=16), r"length is 16: with 4 frames to a latent frame it must be 4n \+ 1, the nearest is 17"),
        (dict(document=DOCUMENT | {"objects": []}), "the trajectory has no enabled object"),
        (dict(document=DOCUMENT | {"objects": [UNNAMED]}), "object 1 of 1 has no phrase"),
    ],
)
def test_what_gives_no_regions_is_refused_before_the_run(given, message):
    with pytest.raises(Exception, match=message):
        regional(**given)
