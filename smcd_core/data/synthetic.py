"""Coloured sprites that move over still scenes: endless clips with exact boxes, rendered from a seed.

Every clip is a function of (split, index, size, frames) alone, so nothing is stored and every process draws the same.
Objects are saturated and scenes are pale: the colour of a sprite is enough to find it again in a generated video.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from ..errors import SMCDError
from .clip import Clip

# "test" is for the scores in the model card; whatever is chosen by looking at clips uses "validation".
SPLITS = {"train": 0, "validation": 1, "test": 2}

# Hues at least 35 degrees apart, so that neighbours stay apart after a lossy autoencoder.
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "yellow": (232, 204, 36),
    "green": (38, 168, 62),
    "cyan": (34, 184, 196),
    "blue": (44, 84, 216),
    "purple": (142, 52, 196),
    "pink": (236, 84, 172),
}
SHAPES = ("circle", "square", "triangle", "diamond")
# name: (upper colour, lower colour, share of the height above the horizon)
SCENES: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], tuple[float, float]]] = {
    "meadow": ((206, 222, 234), (190, 208, 176), (0.35, 0.6)),
    "beach": ((200, 220, 228), (228, 216, 188), (0.4, 0.65)),
    "snow": ((216, 222, 230), (240, 240, 242), (0.3, 0.6)),
    "road": ((208, 210, 214), (150, 152, 158), (0.3, 0.5)),
    "dusk": ((206, 192, 214), (170, 160, 176), (0.4, 0.65)),
    "room": ((226, 218, 206), (182, 168, 154), (0.5, 0.75)),
}
MOTIONS = ("standing still", "moving right", "moving down", "moving left", "moving up")
SLIVER = 0.15  # with less than this share of it inside the frame, a sprite counts as gone
_STILL = 0.05  # a path shorter than this share of the frame is called standing still


@dataclass(frozen=True)
class _Sprite:
    color: str
    shape: str
    centers: np.ndarray  # [F, 2], xy in units of the frame
    sizes: np.ndarray  # [F, 2], width and height in units of the frame

    def boxes(self) -> np.ndarray:
        return np.concatenate([self.centers - self.sizes / 2, self.centers + self.sizes / 2], axis=1)  # [F, 4]


def render_clip(index: int, *, split: str = "train", size: int = 128, num_frames: int = 8) -> Clip:
    """Draw clip number `index` of a split: 1 to 3 sprites of different colours, `size` x `size` pixels.

    Raises SMCDError for an unknown split.
    """
    rng = generator(split, index)
    scene = list(SCENES)[rng.integers(len(SCENES))]
    background = _draw_scene(scene, rng, size)
    sprites = _place_sprites(rng, num_frames)

    frames = np.repeat(background[None], num_frames, axis=0)  # [F, H, W, 3]
    for sprite in sprites:  # the last one is in front
        _draw_sprite(frames, sprite)

    whole = np.stack([sprite.boxes() for sprite in sprites], axis=1)  # [F, N, 4]
    boxes = whole.clip(0, 1).astype(np.float32)
    mask = area(boxes) > SLIVER * area(whole)
    boxes *= mask[..., None]
    phrases = tuple(f"{sprite.color} {sprite.shape}" for sprite in sprites)
    described = [f"a {phrase} {motion(sprite.centers)}" for phrase, sprite in zip(phrases, sprites)]
    return Clip(
        frames=(frames + 0.5).clip(0, 255).astype(np.uint8),
        boxes_xyxy=boxes,
        mask=mask,
        phrases=phrases,
        caption=f"{' and '.join(described)}, {scene}",
        colors=tuple(COLORS[sprite.color] for sprite in sprites),
    )


def generator(split: str, index: int, *salt: int) -> np.random.Generator:
    """Random numbers of one clip. Raises SMCDError for an unknown split."""
    if split not in SPLITS:
        raise SMCDError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
    return np.random.default_rng([SPLITS[split], index, *salt])


def vocabulary() -> list[str]:
    """Every sentence part that captions and phrases are made of, for building a tokenizer."""
    return ["a", "the", "and", ",", *COLORS, *SHAPES, *SCENES, *MOTIONS]


class SyntheticClips(Dataset):
    """Clips `start` to `start + length - 1` of a split, as a map-style dataset of Clip."""

    render = staticmethod(render_clip)

    def __init__(self, length: int, *, split: str = "train", size: int = 128, num_frames: int = 8, start: int = 0):
        self.length, self.split, self.size, self.num_frames, self.start = length, split, size, num_frames, start

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Clip:
        if not 0 <= index < self.length:  # what ends a loop over a sequence
            raise IndexError(f"clip {index} of {self.length}")
        return self.render(self.start + index, split=self.split, size=self.size, num_frames=self.num_frames)


def motion(centers: np.ndarray) -> str:
    """One of MOTIONS for a path [F, 2]."""
    dx, dy = centers[-1] - centers[0]
    if max(abs(dx), abs(dy)) < _STILL:
        return MOTIONS[0]
    across = abs(dx) >= abs(dy)
    return MOTIONS[1 + (0 if across else 1) + (2 if (dx if across else dy) < 0 else 0)]


def _place_sprites(rng: np.random.Generator, num_frames: int) -> list[_Sprite]:
    """Sprites whose boxes hardly cover each other, found by trying; a crowded clip keeps fewer of them."""
    wanted = rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2])
    colors = rng.permutation(list(COLORS))
    sprites: list[_Sprite] = []
    for color in colors[:wanted]:
        for _ in range(20):
            sprite = _random_sprite(rng, str(color), num_frames)
            if all(largest_cover(sprite.boxes(), other.boxes()) < 0.15 for other in sprites):
                sprites.append(sprite)
                break
    return sprites


def largest_cover(boxes: np.ndarray, others: np.ndarray) -> float:
    """Largest share of the smaller box that the other one covers, over all frames; boxes [F, 4]."""
    overlap = np.minimum(boxes[:, 2:], others[:, 2:]) - np.maximum(boxes[:, :2], others[:, :2])
    return float((overlap.clip(0).prod(1) / np.minimum(area(boxes), area(others))).max())


def area(boxes: np.ndarray) -> np.ndarray:
    """[..., 4], xyxy -> [...]"""
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)


def _random_sprite(rng: np.random.Generator, color: str, num_frames: int) -> _Sprite:
    side, aspect = rng.uniform(0.22, 0.4), rng.uniform(0.75, 1.33)
    size = np.array([side * aspect**0.5, side / aspect**0.5])
    growth = rng.uniform(0.75, 1.33) if rng.random() < 0.3 else 1.0
    start = rng.uniform(size / 2, 1 - size / 2)
    if rng.random() < 0.12:
        end = start
    else:
        # One sprite in ten runs out of the picture.
        margin = -0.6 if rng.random() < 0.1 else 0.5
        end = rng.uniform(size * margin, 1 - size * margin)
    bend = rng.uniform(-0.12, 0.12, 2) * (end != start)
    time = np.linspace(0, 1, num_frames) ** rng.choice([1.0, 1.0, 0.6, 1.6])
    time = time[:, None]  # [F, 1]
    centers = start + (end - start) * time + bend * 4 * time * (1 - time)
    return _Sprite(color, str(rng.choice(SHAPES)), centers, size * growth**time)


def _draw_scene(scene: str, rng: np.random.Generator, size: int) -> np.ndarray:
    """A horizon, two soft grounds and a few pale ellipses (hills, clouds, stains); float32 [H, W, 3]."""
    upper, lower, (low, high) = SCENES[scene]
    y, x = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size
    horizon = rng.uniform(low, high) + rng.uniform(-0.06, 0.06) * np.sin(x * rng.uniform(3, 8) + rng.uniform(0, 6))
    ground = _smooth_edge(y - horizon, size)[..., None]
    tint = rng.uniform(-8, 8, (2, 3))
    picture = (1 - ground) * (upper + tint[0] + 10 * y[..., None]) + ground * (
        lower + tint[1] - 16 * (y[..., None] - 0.6)
    )
    for _ in range(rng.integers(2, 6)):
        center, radius = rng.uniform(0, 1, 2), rng.uniform(0.05, 0.22, 2)
        distance = np.hypot((x - center[0]) / radius[0], (y - center[1]) / radius[1]) - 1
        ellipse = _smooth_edge(-distance * radius.min(), size)[..., None]
        picture = picture + ellipse * rng.uniform(-24, 24)
    return picture.astype(np.float32)


def _draw_sprite(frames: np.ndarray, sprite: _Sprite) -> None:
    """Paint the sprite over frames [F, H, W, 3] in place; its extreme points touch its box on all four sides."""
    size = frames.shape[1]
    y, x = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size
    center = sprite.centers.astype(np.float32)[:, :, None, None]  # [F, 2, 1, 1]
    half = sprite.sizes.astype(np.float32)[:, :, None, None] / 2
    u, v = (x - center[:, 0]) / half[:, 0], (y - center[:, 1]) / half[:, 1]  # [F, H, W], -1..1 inside the box
    if sprite.shape == "circle":
        inside = 1 - np.hypot(u, v)
    elif sprite.shape == "square":
        inside = 1 - np.maximum(np.abs(u), np.abs(v))
    elif sprite.shape == "diamond":
        inside = (1 - np.abs(u) - np.abs(v)) / 2**0.5
    else:  # triangle, point upwards
        inside = np.minimum(((1 + v) / 2 - np.abs(u)) / 1.25**0.5, 1 - v)
    cover = _smooth_edge(inside * half.min(1), size)[..., None]
    color = np.asarray(COLORS[sprite.color], np.float32) * (1 - 0.12 * v[..., None].clip(-1, 1))
    frames[:] = frames * (1 - cover) + color * cover


def _smooth_edge(distance: np.ndarray, size: int) -> np.ndarray:
    """Antialiased step: distance in units of the frame, positive inside."""
    return (distance * size + 0.5).clip(0, 1)
