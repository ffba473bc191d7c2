"""One rule for the settings of a video, cropping with its boxes, and the words that a model knows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_bundle import tiny_text

from smcd_core.data import world
from smcd_core.data.world import vocabulary
from smcd_core.errors import SMCDError
from smcd_core.sampling.diffusion import Guidance
from smcd_core.sampling.framing import cropped, resized, size_like, stretch
from smcd_core.sampling.settings import Settings, check_size
from smcd_core.sampling.vocabulary import known_words, limits
from smcd_core.training.pretrain import small_tokenizer
from smcd_core.trajectory.dense import boxes_at
from smcd_core.trajectory.document import parse_trajectory
from smcd_core.trajectory.files import read_trajectory
from smcd_core.weights.checkpoint import read_checkpoint
from smcd_core.weights.components import unpack_components
from smcd_core.weights.defaults import DEFAULTS, EXAMPLES, FAST, SPRITES_CHECKPOINT


def trajectory(frames=16, fps=24, **changes):
    keys = [{"frame": 0, "box": [0.4, 0.2, 0.6, 0.6], "ease": "in_out"}]
    keys += [{"frame": frames - 1, "box": [0.5, 0.3, 0.9, 0.7]}] if frames > 1 else []
    objects = [{"phrase": "red circle", "keys": keys}]
    head = {"version": 1, "width": 80, "height": 40, "frames": frames, "fps": fps}
    return parse_trajectory(head | {"objects": objects} | changes)


@pytest.mark.parametrize(
    ("document", "given", "expected"),
    [
        (trajectory(), {}, {"num_frames": 16, "fps": 24, "steps": 50, "sampler": "ddim", "width": 256}),
        (trajectory(), {"num_frames": 4, "fps": 6.5}, {"num_frames": 4, "fps": 6.5}),
        (trajectory(1), {}, {"num_frames": DEFAULTS["frames"], "fps": 24}),
        (None, {}, {"num_frames": DEFAULTS["frames"], "fps": DEFAULTS["fps"]}),
        (None, {"fast": True}, FAST),
        (None, {"fast": True, "steps": 7}, FAST | {"steps": 7}),
        (None, {"text": 3.0}, {"guidance": Guidance(3.0, 1.0, 1.0)}),
        (None, {"guidance": Guidance(0, 0, 0), "height": 64}, {"guidance": Guidance(0, 0, 0), "height": 64}),
        (None, {"match_colors": True}, {"match_colors": True, "guided": 1.0, "reuse_features": False}),
    ],
)
def test_what_is_given_wins_over_the_trajectory_and_that_over_the_checkpoint(document, given, expected):
    settings = vars(Settings.of(DEFAULTS, document, **given))
    assert {name: settings[name] for name in expected} == expected


def test_a_misspelt_setting_is_an_error():
    with pytest.raises(TypeError, match="step"):
        Settings.of(DEFAULTS, step=5)


def test_a_checkpoint_with_an_area_makes_videos_in_the_shape_of_the_picture():
    anyshape = DEFAULTS | {"width": 128, "height": 128, "area": 65536}

    def size(defaults, picture, **given):
        settings = Settings.of(defaults, trajectory(), picture=picture, multiple=32, **given)
        return settings.width, settings.height

    assert size(anyshape, (1500, 1000)) == (288, 192)
    assert size(DEFAULTS, (1500, 1000)) == (256, 256)  # as released: one size
    assert size(anyshape, None) == (128, 128)  # no picture, as in an evaluation on clips
    assert size(anyshape, (1500, 1000), width=512, height=512) == (512, 512)
    assert size(anyshape, (640, 480), width=512) == (512, 384)
    assert size(anyshape, (640, 480), height=384) == (512, 384)


@pytest.mark.parametrize("picture", [(1920, 1080), (1024, 768), (1080, 1350), (1170, 2532), (640, 427), (50, 50)])
def test_common_shapes_keep_their_look_at_the_size_of_an_area(picture):
    width, height = size_like(picture, 65536, 32)
    assert width % 32 == height % 32 == 0 and 0.8 < width * height / 65536 < 1.25
    assert stretch(picture, (width, height)) is None  # nobody sees a change


def test_a_line_of_pixels_does_not_make_a_huge_video():
    assert size_like((3, 3000), 65536, 32) == (32, 2048)


@pytest.mark.parametrize("size, nearest", [((64, 50), 48), ((64, 0), 16), ((64, -16), 16)])
def test_a_size_that_does_not_fit_names_the_nearest(size, nearest):
    check_size(64, 48, 16)
    with pytest.raises(SMCDError, match=f"height is {size[1]}, expected a multiple of 16 pixels: use {nearest}"):
        check_size(*size, 16)


def test_boxes_stay_on_their_part_of_a_cropped_image():
    """One pixel of each object is found again where its box says, at every frame."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[8:24, 32:48] = 255  # the first box
    image, moved = cropped(pixels, trajectory(), 32, 32)
    assert image.size == (40, 40) == (moved.width, moved.height)
    x1, y1, x2, y2 = (boxes_at(moved)[0][0, 0] * 40).round().int().tolist()
    assert np.array(image)[y1:y2, x1:x2].min() == 255 and np.array(image).sum() == 255 * 3 * 16 * 16
    before, after = (boxes_at(one)[0][:, 0] for one in (trajectory(), moved))
    assert np.allclose(after[:, 0::2] * 40 + 20, before[:, 0::2] * 80, atol=1e-5)  # eased ways too
    assert np.allclose(after[:, 1::2], before[:, 1::2])


def test_curves_keep_their_shape_on_a_cropped_image():
    straight = trajectory()
    first, last = straight.objects[0].keys
    keys = (replace(first, handles=((0.0, 0.0), (0.25, -0.5))), replace(last, handles=((0.125, 0.5), (0.0, 0.0))))
    curved = replace(straight, objects=(replace(straight.objects[0], keys=keys),))
    _, moved = cropped(np.zeros((40, 80, 3), np.uint8), curved, 32, 32)
    before, after = (boxes_at(each)[0] * torch.tensor([each.width, each.height] * 2) for each in (curved, moved))
    torch.testing.assert_close(after, before - torch.tensor([20, 0, 20, 0]))


def test_a_box_far_outside_the_cropped_part_is_refused():
    far = trajectory(objects=[{"phrase": "cat", "keys": [{"frame": 0, "box": [-15, 0, 0.5, 1]}]}])
    with pytest.raises(SMCDError, match=r"object o1 \(cat\), frame 0, cropped to 8 x 64: box"):
        cropped(np.zeros((40, 80, 3), np.uint8), far, 8, 64)


def test_only_a_visible_change_of_shape_is_said():
    assert stretch((640, 480), (256, 192)) is stretch((100, 100), (64, 62)) is None
    assert stretch((640, 480), (256, 256)) == "the image is squeezed from 640 x 480 to 256 x 256"
    assert resized(Image.new("L", (8, 6)), 4, 5).shape == (5, 4, 3)


def test_the_bundled_model_says_which_words_it_knows():
    """Its tokenizer has 599 tokens, most of them letters and parts of words."""
    _, text = unpack_components(read_checkpoint(SPRITES_CHECKPOINT))
    known = known_words(text.tokenizer)
    assert {"circle", "square", "yellow", "beach", "moving"} <= set(known) and len(known) == 26
    said = limits(text.tokenizer, ["Yellow circle", "a spaceship", "spaceship over Paris"], model="the bundled model")
    assert said.startswith(
        "the bundled model is for simple drawings only: other pictures become blotches of colour. It does not know "
        "'spaceship', 'over', 'paris', only the words and, beach, "
    )
    assert said.endswith("up, yellow")


def test_on_its_own_example_the_bundled_model_has_nothing_to_say():
    _, text = unpack_components(read_checkpoint(SPRITES_CHECKPOINT))
    example, _ = read_trajectory(EXAMPLES / "beach.json")
    words = [track.phrase for track in example.objects]
    image = Image.open(EXAMPLES / "beach.png").convert("RGB")
    assert limits(text.tokenizer, words, image) is None
    assert limits(text.tokenizer, words, image.rotate(90)).endswith("up, yellow")
    said = limits(text.tokenizer, [*words, "spaceship"], image)
    assert "'spaceship', only the words and" in said and "drawings" not in said


def test_a_model_that_moves_anything_says_so_except_on_its_own_example():
    tokenizer = small_tokenizer(" ".join(vocabulary()).split())
    image = Image.open(EXAMPLES / "beach.png").convert("RGB")
    assert world.UNNAMED in known_words(tokenizer)
    assert limits(tokenizer, ["spaceship"], image) is None
    said = limits(tokenizer, ["spaceship"], image.rotate(90), "the bundled model")
    assert said.startswith(
        "the bundled model makes small, soft video: for sharp video use the released weights. It moves"
    )
    assert "spaceship" not in said  # it need not know the word


def test_a_tokenizer_of_a_whole_language_has_no_limits(monkeypatch):
    tokenizer = tiny_text().tokenizer
    assert known_words(tokenizer)
    monkeypatch.setattr("smcd_core.sampling.vocabulary.MAX_SMALL", 10)
    assert known_words(tokenizer) is None and limits(tokenizer, ["spaceship"]) is None


def test_a_size_that_is_too_large_is_answered_with_the_largest_one():
    with pytest.raises(SMCDError, match="width is 99999, expected a multiple of 32 pixels: use 16384$"):
        check_size(99999, 64, 32)
