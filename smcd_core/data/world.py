"""Cut-outs that move over textured scenes: clips whose objects can only be known from the first frame.

Backgrounds and objects are pictures of `textures`. An object has up to three parts with smooth or angular outlines, or
one of the sprites' shapes; it is shaded like a relief, throws a shadow, grows or shrinks and turns slightly along its
path. As in `synthetic`, every clip is a function of (split, index, size, frames) alone. Boxes are exact: the extent of
the outline. A share of the clips are those of `synthetic`, so that colours in phrases keep their meaning.

Objects without a name are called "object", or by a word of random letters: a word that the text encoder does not know
is to say no more than that, as a user's "cat" will be such a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from . import synthetic
from .clip import Clip
from .synthetic import COLORS, SHAPES, SLIVER, SyntheticClips, area, generator, largest_cover, motion, render_clip
from .textures import picture, random_color, surface

SPRITES = 0.15  # share of the clips that are those of `synthetic`
UNNAMED = "object"  # the phrase of half of all others; a model that knows it says what `sampling.vocabulary` says
NAMED = 0.25  # share of the other objects that have a colour and a shape with a name
_SUPERSAMPLING = 4  # of outlines
_REACH = 1.2  # a texture goes on beyond the outline, so that its rim has neighbours to be mixed with
_SIDES = {"square": 4, "triangle": 3, "diamond": 4}
_NO_SHADOW = (0.0, 0.0, 0.0, 0.0)
_SALT = 17  # keeps the random numbers apart from those of `synthetic`
_SALT_OF_WORDS = 18


@dataclass(frozen=True)
class Cutout:
    """A textured outline and where it is.

    outline  polygons [P, 2], xy, around 0; the farthest point has distance 1
    texture  RGB, square, of the region -1.2..1.2
    centers  [F, 2], xy in units of the frame
    scales   [F], length of the outline's unit, in units of the frame
    angles   [F], radians, clockwise on the screen
    shadow   offset xy in units of the frame, blur in the same, darkness 0..1
    """

    phrase: str
    outline: tuple[np.ndarray, ...]
    texture: Image.Image
    centers: np.ndarray
    scales: np.ndarray
    angles: np.ndarray
    shadow: tuple[float, float, float, float]

    def polygons(self, frame: int) -> list[np.ndarray]:
        """The outline in a frame, in units of the frame."""
        turned = _rotation(self.angles[frame]) * self.scales[frame]
        return [part @ turned.T + self.centers[frame] for part in self.outline]

    def boxes(self) -> np.ndarray:
        """float64 [F, 4], not clipped."""
        points = [np.concatenate(self.polygons(frame)) for frame in range(len(self.centers))]
        return np.stack([np.concatenate([p.min(0), p.max(0)]) for p in points])


@dataclass(frozen=True)
class Scene:
    """Layers of a clip: background float32 [H, W, 3], 0..255, and the cut-outs, the last one in front."""

    background: np.ndarray
    cutouts: tuple[Cutout, ...]


def render_world_clip(index: int, *, split: str = "train", size: int = 128, num_frames: int = 8) -> Clip:
    """Draw clip number `index` of a split: 1 to 3 objects, `size` x `size` pixels.

    `colors` is there for the clips of `synthetic` only. Raises SMCDError for an unknown split.
    """
    rng = generator(split, index, _SALT)
    if rng.random() < SPRITES:
        return render_clip(index, split=split, size=size, num_frames=num_frames)
    scene = _make_scene(rng, size, num_frames)
    words = generator(split, index, _SALT_OF_WORDS)
    phrases = tuple(
        _random_word(words) if words.random() < 0.5 and cutout.phrase == UNNAMED else cutout.phrase
        for cutout in scene.cutouts
    )
    frames = np.stack([paint(scene, frame) for frame in range(num_frames)])  # [F, H, W, 3]
    whole = np.stack([cutout.boxes() for cutout in scene.cutouts], axis=1)  # [F, N, 4]
    boxes = whole.clip(0, 1).astype(np.float32)
    mask = area(boxes) > SLIVER * area(whole)
    boxes *= mask[..., None]
    described = [
        describe(phrase, motion(cutout.centers)) for phrase, cutout in zip(phrases, scene.cutouts, strict=True)
    ]
    return Clip(frames=frames, boxes_xyxy=boxes, mask=mask, phrases=phrases, caption=" and ".join(described))


def describe(phrase: str, moving: str) -> str:
    """Phrase and movement as captions put them: "an object moving left"."""
    return f"{'an' if phrase == UNNAMED else 'a'} {phrase} {moving}"


def _random_word(rng: np.random.Generator) -> str:
    return "".join(rng.choice(list(ascii_lowercase), rng.integers(3, 9)))


def vocabulary() -> list[str]:
    """Every sentence part of these clips, among them those of `synthetic`."""
    return [*synthetic.vocabulary(), "an", UNNAMED]


def make_scene(index: int, *, split: str = "train", size: int = 128, num_frames: int = 8) -> Scene | None:
    """Scene that `render_world_clip` paints; None for a clip of `synthetic`."""
    rng = generator(split, index, _SALT)
    return None if rng.random() < SPRITES else _make_scene(rng, size, num_frames)


def paint(scene: Scene, frame: int) -> np.ndarray:
    """One frame; uint8 [H, W, 3]."""
    image = Image.fromarray((scene.background + 0.5).clip(0, 255).astype(np.uint8))
    for cutout in scene.cutouts:
        _paint_shadow(image, cutout, frame)
        _paint_cutout(image, cutout, frame)
    return np.asarray(image)


class WorldClips(SyntheticClips):
    """Clips `start` to `start + length - 1` of a split, as a map-style dataset of Clip."""

    render = staticmethod(render_world_clip)


# What is in a clip ---------------------------------------------------------------------------------------------------


def _make_scene(rng: np.random.Generator, size: int, num_frames: int) -> Scene:
    """A background and cut-outs that hardly cover each other; a crowded clip keeps fewer of them."""
    background = picture(rng, size)
    wanted = rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])
    light = rng.uniform(0, 2 * np.pi)
    cutouts: list[Cutout] = []
    for color in rng.permutation(list(COLORS))[:wanted]:
        name, outline = _random_outline(rng)
        named = name is not None and rng.random() < 0.8
        for _ in range(20):
            centers, scales, angles = _random_path(rng, num_frames)
            at: dict[str, Any] = dict(centers=centers, scales=scales, angles=angles, outline=outline)
            boxes = Cutout("", texture=None, shadow=_NO_SHADOW, **at).boxes()
            if all(largest_cover(boxes, other.boxes()) < 0.15 for other in cutouts):
                texture = _make_texture(
                    rng, outline, int(2 * _REACH * scales.max() * size) + 8, light, color if named else None
                )
                shadow = _random_shadow(rng, light)
                phrase = f"{color} {name}" if named else UNNAMED
                cutouts.append(Cutout(phrase, texture=texture, shadow=shadow, **at))
                break
    return Scene(background, tuple(cutouts))


def _random_path(rng: np.random.Generator, num_frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres [F, 2], scales [F] and angles [F] along a bent line; see `Cutout`."""
    scale = rng.uniform(0.12, 0.26)
    growth = rng.uniform(0.7, 1.4) if rng.random() < 0.4 else 1.0
    turn = rng.normal(0, 0.35) if rng.random() < 0.6 else 0.0
    start = rng.uniform(scale * 0.8, 1 - scale * 0.8, 2)
    if rng.random() < 0.1:
        end = start
    else:
        # One object in ten runs out of the picture.
        margin = -1.3 * scale if rng.random() < 0.1 else 0.8 * scale
        end = rng.uniform(margin, 1 - margin, 2)
    bend = rng.uniform(-0.12, 0.12, 2) * (start != end).any()
    time = np.linspace(0, 1, num_frames) ** rng.choice([1.0, 1.0, 0.6, 1.6])
    along = time[:, None]  # [F, 1]
    centers = start + (end - start) * along + bend * 4 * along * (1 - along)
    return centers, scale * growth**time, rng.uniform(-0.2, 0.2) + turn * time


def _random_outline(rng: np.random.Generator) -> tuple[str | None, tuple[np.ndarray, ...]]:
    """The name of a shape, if it has one, and its parts."""
    if rng.random() < NAMED / 0.8:
        name = str(rng.choice(SHAPES))
        return name, _fitted([_shape(name) * _aspect(rng)])
    parts = [_blob(rng) if rng.random() < 0.6 else _polygon(rng)]
    for _ in range(rng.choice([0, 0, 1, 2])):
        # A limb: smaller, over the edge of the first part.
        limb = (_blob(rng) if rng.random() < 0.6 else _polygon(rng)) * rng.uniform(0.3, 0.65)
        angle = rng.uniform(0, 2 * np.pi)
        parts.append(limb + rng.uniform(0.4, 0.8) * np.array([np.cos(angle), np.sin(angle)]))
    return None, _fitted(parts)


def _fitted(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Centred on the box of all parts, the farthest point at distance 1."""
    points = np.concatenate(parts)
    center = (points.min(0) + points.max(0)) / 2
    radius = np.hypot(*(points - center).T).max()
    return tuple((part - center) / radius for part in parts)


def _aspect(rng: np.random.Generator) -> np.ndarray:
    ratio = rng.uniform(0.7, 1.4)
    return np.array([ratio**0.5, ratio**-0.5])


def _shape(name: str) -> np.ndarray:
    if name == "circle":
        return _around(np.linspace(0, 2 * np.pi, 64, endpoint=False))
    if name == "triangle":
        return np.array([[0, -1], [1, 1], [-1, 1]], np.float64)
    first = {"square": np.pi / 4, "diamond": 0}[name]
    return _around(first + np.arange(4) * np.pi / 2)


def _blob(rng: np.random.Generator) -> np.ndarray:
    """A smooth closed curve [64, 2]."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    waves = np.arange(2, 7)
    size, phase = rng.normal(0, 0.35, 5) / waves, rng.uniform(0, 2 * np.pi, 5)
    radius = 1 + (size[:, None] * np.cos(waves[:, None] * angle + phase[:, None])).sum(0)
    return _around(angle) * radius.clip(0.3)[:, None] * _aspect(rng)


def _polygon(rng: np.random.Generator) -> np.ndarray:
    """Three to eight corners [P, 2] around the centre, with no long gap between them."""
    corners = int(rng.integers(3, 9))
    angle = (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) * 2 * np.pi / corners + rng.uniform(0, 7)
    return _around(angle) * rng.uniform(0.6, 1, (corners, 1)) * _aspect(rng)


def _around(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle), np.sin(angle)], 1)


# Painting ------------------------------------------------------------------------------------------------------------


def _make_texture(
    rng: np.random.Generator, outline: tuple[np.ndarray, ...], size: int, light: float, color: str | None
) -> Image.Image:
    """The look of an object: of a colour with a name, or of anything; each part after the first has its own."""
    if color is not None:
        texture = surface(rng, size, np.array(COLORS[color], np.float32), rng.choice([0.03, 0.08, 0.15]))
    elif rng.random() < 0.6:
        texture = picture(rng, size)
    else:
        texture = surface(rng, size, random_color(rng, 0.2), rng.uniform(0.05, 0.5))
    for part in outline[1:]:
        if rng.random() < 0.7:
            own = surface(rng, size, random_color(rng, 0.2), rng.uniform(0.02, 0.3))
            texture = np.where(_mask([part], size)[..., None] > 0.5, own, texture)
    relief = rng.uniform(0, 0.9) * (rng.random() < 0.7)
    if relief:
        texture = texture * _shading(outline, size, light, relief)[..., None]
    return Image.fromarray(texture.clip(0, 255).astype(np.uint8))


def _shading(outline: tuple[np.ndarray, ...], size: int, light: float, relief: float) -> np.ndarray:
    """Brightness of a cushion that is lit from one side; float32 [size, size], around 1."""
    blurred = Image.fromarray((255 * _mask(outline, size)).astype(np.uint8)).filter(ImageFilter.GaussianBlur(size / 10))
    down, right = np.gradient(np.asarray(blurred, np.float32) / 255 * size / 8)
    return 1 - relief * (right * np.cos(light) + down * np.sin(light)).clip(-1, 0.8)


def _mask(outline: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Where the parts are in a texture; float32 [size, size], 0 or 1."""
    image = Image.new("L", (size, size))
    for part in outline:
        ImageDraw.Draw(image).polygon(((part / _REACH + 1) / 2 * size).ravel().tolist(), fill=1)
    return np.asarray(image, np.float32)


def _random_shadow(rng: np.random.Generator, light: float) -> tuple[float, float, float, float]:
    if rng.random() < 0.4:
        return 0.0, 0.0, 0.0, 0.0
    length = rng.uniform(0.01, 0.05)
    # Light from one side, shadow on the other.
    return length * np.cos(light), length * np.sin(light), rng.uniform(0.008, 0.03), rng.uniform(0.2, 0.6)


def _paint_shadow(image: Image.Image, cutout: Cutout, frame: int) -> None:
    *offset, blur, darkness = cutout.shadow
    if not darkness:
        return
    size = image.width
    polygons = [part + offset for part in cutout.polygons(frame)]
    x, y, cover = _rasterise(polygons, size, margin=round(3 * blur * size) + 1, detail=1)
    if cover is not None:
        cover = cover.filter(ImageFilter.GaussianBlur(blur * size)).point(lambda value: value * darkness)
        image.paste((0, 0, 0), (x, y), cover)


def _paint_cutout(image: Image.Image, cutout: Cutout, frame: int) -> None:
    size = image.width
    x, y, cover = _rasterise(cutout.polygons(frame), size, margin=1, detail=_SUPERSAMPLING)
    if cover is None:
        return
    # From a pixel of the frame back to one of the texture.
    back = _rotation(-cutout.angles[frame]) / cutout.scales[frame] / size / _REACH * cutout.texture.width / 2
    origin = back @ (np.array([x, y]) - cutout.centers[frame] * size) + cutout.texture.width / 2
    coefficients = (*back[0], origin[0], *back[1], origin[1])
    look = cutout.texture.transform(cover.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    image.paste(look, (x, y), cover)


def _rasterise(
    polygons: Sequence[np.ndarray], size: int, *, margin: int, detail: int
) -> tuple[int, int, Image.Image | None]:
    """The union of polygons (units of the frame): left, top (pixels) and coverage of the part that the frame shows."""
    points = np.concatenate(polygons) * size
    left, top = np.floor(points.min(0)).astype(int).clip(0) - margin
    left, top = max(0, int(left)), max(0, int(top))
    right, bottom = np.ceil(points.max(0)).astype(int).clip(None, size) + margin
    right, bottom = min(size, int(right)), min(size, int(bottom))
    if right <= left or bottom <= top:
        return 0, 0, None
    large = Image.new("L", ((right - left) * detail, (bottom - top) * detail))
    draw = ImageDraw.Draw(large)
    for polygon in polygons:
        draw.polygon(((polygon * size - (left, top)) * detail).ravel().tolist(), fill=255)
    return left, top, large.reduce(detail) if detail > 1 else large


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
