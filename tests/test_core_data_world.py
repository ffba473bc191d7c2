"""Textured clips: exact boxes, backgrounds that come back, the same on every run."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from smcd_core.data import SPLITS, WorldClips, render_clip, render_world_clip
from smcd_core.data.synthetic import COLORS
from smcd_core.data.textures import field, picture
from smcd_core.data.world import SPRITES, UNNAMED, Scene, make_scene, paint, vocabulary

SIZE = 64


def scenes(count: int, **options) -> list[Scene]:
    """The first scenes that are not clips of sprites."""
    found = (make_scene(number, size=SIZE, num_frames=4, **options) for number in range(4 * count))
    return [scene for scene in found if scene][:count]


def covered(scene: Scene, number: int, frame: int) -> np.ndarray:
    """Where object `number` alone would change a black picture when it is white and throws no shadow; bool [H, W]."""
    cutout = scene.cutouts[number]
    white = replace(cutout, texture=Image.new("RGB", cutout.texture.size, (255, 255, 255)), shadow=(0, 0, 0, 0))
    return paint(Scene(np.zeros_like(scene.background), (white,)), frame)[..., 0] > 0


def test_a_clip_is_a_function_of_its_number():
    one, again, other = (render_world_clip(number, size=SIZE, num_frames=2) for number in (5, 5, 6))
    assert np.array_equal(one.frames, again.frames) and np.array_equal(one.boxes_xyxy, again.boxes_xyxy)
    assert one.caption == again.caption and not np.array_equal(one.frames, other.frames)


def test_splits_share_no_clip():
    pictures = {
        render_world_clip(number, split=split, size=32, num_frames=1).frames.tobytes()
        for split in SPLITS
        for number in range(20)
    }
    assert len(pictures) == 60
    with pytest.raises(ValueError, match="split is 'holdout', expected one of train, validation, test"):
        render_world_clip(0, split="holdout")


@pytest.mark.parametrize("size, frames", [(64, 1), (128, 8), (96, 16)])
def test_a_clip_has_the_size_and_length_asked_for(size, frames):
    clip = WorldClips(9, size=size, num_frames=frames)[2]
    objects = len(clip.phrases)
    assert clip.frames.shape == (frames, size, size, 3) and clip.frames.dtype == np.uint8
    assert clip.boxes_xyxy.shape == (frames, objects, 4) and clip.boxes_xyxy.dtype == np.float32
    assert clip.mask.shape == (frames, objects) and 1 <= objects <= 3


def test_an_object_fills_its_box_and_stays_inside_it():
    """Its pixels end within one pixel of each side of the box."""
    checked = 0
    for scene in scenes(20):
        for number, cutout in enumerate(scene.cutouts):
            for frame, box in enumerate(cutout.boxes()):
                if box.min() < 0 or box.max() > 1:
                    continue
                y, x = np.nonzero(covered(scene, number, frame))
                found = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])
                assert np.abs(found - box * SIZE).max() <= 1, (number, frame)
                checked += 1
    assert checked > 100


def test_boxes_of_a_clip_are_those_of_its_outlines_inside_the_frame():
    number = next(n for n in range(9) if make_scene(n, size=SIZE, num_frames=4))
    clip, scene = render_world_clip(number, size=SIZE, num_frames=4), make_scene(number, size=SIZE, num_frames=4)
    for index, cutout in enumerate(scene.cutouts):
        seen = clip.mask[:, index]
        assert np.allclose(clip.boxes_xyxy[seen, index], cutout.boxes()[seen].clip(0, 1), atol=1e-6)
        assert not clip.boxes_xyxy[~seen, index].any()


def test_where_an_object_has_left_the_background_is_there():
    compared = 0
    for scene in scenes(12):
        still = replace(scene, cutouts=tuple(replace(c, shadow=(0, 0, 0, 0)) for c in scene.cutouts))
        background = (scene.background + 0.5).clip(0, 255).astype(np.uint8)
        under = [np.any([covered(still, n, frame) for n in range(len(still.cutouts))], axis=0) for frame in (0, 3)]
        uncovered = under[0] & ~under[1]
        assert np.array_equal(paint(still, 3)[uncovered], background[uncovered])
        compared += uncovered.sum()
    assert compared > 1000


def test_an_object_looks_the_same_all_along_its_path():
    """Without turning and growing, it is moved by whole pixels: what the first frame shows is in the last one."""
    scene = scenes(1)[0]
    path = np.array([[0.4, 0.4], [0.5, 0.55]])
    cutout = replace(
        scene.cutouts[0], centers=np.round(path * SIZE) / SIZE, scales=np.full(2, 0.2), angles=np.zeros(2),
        shadow=(0, 0, 0, 0),
    )  # fmt: skip
    alone = Scene(scene.background, (cutout,))
    across, down = np.round((path[1] * SIZE).round() - (path[0] * SIZE).round()).astype(int)
    moved = np.roll(paint(alone, 0).astype(int), (down, across), axis=(0, 1))
    inside = np.roll(covered(alone, 0, 0), (down, across), axis=(0, 1))
    # Away from the rim, where background shines through.
    core = inside & np.roll(inside, 2, 0) & np.roll(inside, -2, 0) & np.roll(inside, 2, 1) & np.roll(inside, -2, 1)
    assert core.sum() > 50 and np.abs(moved - paint(alone, 1))[core].max() <= 1


def test_a_share_of_the_clips_are_the_old_sprites():
    numbers = [number for number in range(150) if make_scene(number, size=8, num_frames=1) is None]
    assert abs(len(numbers) / 150 - SPRITES) < 0.06
    mixed, old = (render(numbers[0], size=SIZE) for render in (render_world_clip, render_clip))
    assert np.array_equal(mixed.frames, old.frames) and mixed.phrases == old.phrases


def test_phrases_name_colour_and_shape_or_call_an_object_by_any_word():
    clips = [render_world_clip(number, size=8, num_frames=2) for number in range(100)]
    known = set(" ".join(vocabulary()).split())
    phrases = [phrase for clip in clips for phrase in clip.phrases]
    named = [phrase for phrase in phrases if phrase.split()[0] in COLORS]
    unknown = [phrase for phrase in phrases if not set(phrase.split()) <= known]
    assert 0.3 < len(named) / len(phrases) < 0.6
    assert len(unknown) == pytest.approx(phrases.count(UNNAMED), abs=30) and all(word.isalpha() for word in unknown)
    for clip in clips:
        assert set(clip.caption.replace(",", " ,").split()) <= known | set(clip.phrases)
        assert all(phrase in clip.caption for phrase in clip.phrases)


def test_pictures_have_edges_and_textures_like_photographs():
    """The amplitude of photographs falls with about 1 / frequency; here on average, whatever a single picture is."""
    spectra = []
    for number in range(40):
        grey = picture(np.random.default_rng(number), SIZE).mean(-1)
        spectra.append(np.abs(np.fft.rfft2((grey - grey.mean()) * np.hanning(SIZE)[:, None] * np.hanning(SIZE))) ** 2)
    power = np.mean(spectra, axis=0)
    radius = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]) * SIZE
    bands = [power[(radius >= low) & (radius < 2 * low)].mean() for low in (2, 4, 8, 16)]
    slope = np.polyfit(np.log([2, 4, 8, 16]), np.log(bands), 1)[0] / 2
    assert -1.6 < slope < -0.8


def test_fields_are_between_0_and_1():
    for number in range(60):
        values = field(np.random.default_rng(number), 31)
        assert values.shape == (31, 31) and values.dtype == np.float32
        assert 0 <= values.min() and values.max() <= 1
