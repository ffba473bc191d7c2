"""Pictures with the statistics of photographs, made from nothing: endless textures for backgrounds and objects.

Edges at all scales come from dead leaves with power-law sizes, surfaces from 1/f noise, its warps, stripes, spots,
cells and strokes. Sources: Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 2001; Baradad et al.,
"Learning to see by looking at noise", NeurIPS 2021.

A picture is a function of the generator's state and the size.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# Opponent axes: light, orange to blue, green to magenta. Photographs vary most along the first, least along the last.
_OPPONENT = np.array([[1, 1, 1], [0.8, 0, -0.8], [0.35, -0.7, 0.35]], np.float32)
_SUPERSAMPLING = 2  # leaves are drawn this much larger, for soft edges
_SMALLEST_LEAF = 0.012  # radius in units of the picture: 1.5 pixels of 128


def picture(rng: np.random.Generator, size: int) -> np.ndarray:
    """A scene of overlapping textured leaves, or one texture that fills it; float32 [size, size, 3], 0..255."""
    wide = size * _SUPERSAMPLING
    fields = np.stack([field(rng, wide) for _ in range(rng.integers(2, 5))])  # [K, H, W]
    leaves = 1 if rng.random() < 0.15 else int(10 ** rng.uniform(0.8, 2.8))
    labels = _draw_leaves(rng, wide, leaves)
    painted = _paint_leaves(rng, labels, fields, leaves)  # [H, W, 3]
    light = 1 + rng.uniform(0, 0.35) * (2 * _cloud(rng, wide, 2.5) - 1)
    painted *= light[..., None]
    image = Image.fromarray(painted.clip(0, 255).astype(np.uint8)).reduce(_SUPERSAMPLING)
    if rng.random() < 0.3:  # out of focus
        image = image.filter(ImageFilter.GaussianBlur(float(0.3 + rng.exponential(0.4)) * size / 128))
    return np.asarray(image, np.float32)


def surface(rng: np.random.Generator, size: int, color: np.ndarray, contrast: float) -> np.ndarray:
    """One texture around a colour (RGB, 0..255); float32 [size, size, 3], 0..255."""
    ramp = (color - 255 * contrast * _shift(rng)) + 255 * contrast * (field(rng, size)[..., None] * 2 - 1) * _shift(rng)
    return ramp.clip(0, 255).astype(np.float32)


def random_color(rng: np.random.Generator, chroma: float) -> np.ndarray:
    """RGB, 0..255; `chroma` is the usual distance from grey, 0..1."""
    light = rng.uniform(0.05, 0.95)
    across = rng.normal(0, chroma, 2) * min(1, 4 * light * (1 - light) + 0.15)
    return (255 * np.array([light, *across], np.float32) @ _OPPONENT).clip(0, 255)


# Fields: one value per pixel -----------------------------------------------------------------------------------------


def field(rng: np.random.Generator, size: int) -> np.ndarray:
    """A texture without colour; float32 [size, size], 0..1."""
    return _FIELDS[rng.choice(len(_FIELDS), p=_CHANCES)](rng, size)


def _noise(rng: np.random.Generator, size: int) -> np.ndarray:
    return _cloud(rng, size, rng.uniform(0.8, 2.2))


def _warped(rng: np.random.Generator, size: int) -> np.ndarray:
    """Noise along bent coordinates: marble, smoke, hair."""
    source = _cloud(rng, size, rng.uniform(0.8, 1.8))
    bend = _cloud(rng, size, rng.uniform(1.8, 2.6)) * size * rng.uniform(0.1, 0.8)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:size, :size]
    stretch = rng.choice([1, 1, 4])
    rows = (y + bend * np.sin(angle)).astype(np.int64) // (stretch if rng.random() < 0.5 else 1) % size
    return source[rows, (x + bend * np.cos(angle)).astype(np.int64) % size]


def _stripes(rng: np.random.Generator, size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    angle, count = rng.uniform(0, np.pi), 10 ** rng.uniform(0.3, 1.5)
    phase = x * np.cos(angle) + y * np.sin(angle) + rng.choice([0, 0.05, 0.3]) * _cloud(rng, size, 2.2)
    return _contrast(np.sin(2 * np.pi * count * phase), rng)


def _spots(rng: np.random.Generator, size: int) -> np.ndarray:
    """Noise of one wavelength, hardened: the coats of animals, pebbles, foam."""
    center, width = 10 ** rng.uniform(0.5, 1.5), rng.uniform(0.1, 0.5)
    radius = _frequencies(size)
    return _contrast(_filtered(rng, size, np.exp(-((np.log(radius / center) / width) ** 2))) + rng.uniform(-1, 1), rng)


def _cells(rng: np.random.Generator, size: int) -> np.ndarray:
    """Distance to the nearest of scattered points, or a value of its own for each: cobbles, scales, mosaics."""
    count = int(rng.integers(3, 20))
    points = rng.uniform(0, 1, (count + 2, count + 2, 2)).astype(np.float32)
    values = rng.uniform(0, 1, (count + 2, count + 2)).astype(np.float32)
    along = (np.arange(size, dtype=np.float32) + 0.5) / size * count
    whole = along.astype(np.int64)
    part = along - whole
    nearest = np.full((size, size), 9, np.float32)
    value = np.zeros((size, size), np.float32)
    for down in range(3):
        for right in range(3):
            at = np.ix_(whole + down, whole + right)
            dy = part[:, None] - (points[..., 0][at] + down - 1)
            dx = part[None] - (points[..., 1][at] + right - 1)
            distance = dx * dx + dy * dy
            closer = distance < nearest
            nearest = np.where(closer, distance, nearest)
            value = np.where(closer, values[at], value)
    depth = rng.uniform(0, 1)
    return (value * (1 - depth) + depth * (1 - np.sqrt(nearest)).clip(0)).astype(np.float32)


def _strokes(rng: np.random.Generator, size: int) -> np.ndarray:
    """Curved lines of many widths and one rough direction: grass, fur, twigs, scratches."""
    image = Image.new("L", (size, size), int(rng.integers(0, 256)))
    draw = ImageDraw.Draw(image)
    direction, spread = rng.uniform(0, 2 * np.pi), rng.choice([0.2, 0.6, 3])
    time = np.linspace(-1, 1, 6)[:, None]
    for _ in range(int(10 ** rng.uniform(1.2, 2.4))):
        angle = direction + rng.normal(0, spread)
        ahead = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.05, 0.4)
        bend = np.array([-ahead[1], ahead[0]]) * rng.normal(0, 0.5)
        points = (rng.uniform(0, 1, 2) + time * ahead + (1 - time**2) * bend) * size
        width = max(1, int(size * 0.006 * rng.pareto(2.5)) + 1)
        draw.line(points.ravel().tolist(), fill=int(rng.integers(0, 256)), width=min(width, size // 8))
    return np.asarray(image, np.float32) / 255


def _gradient(rng: np.random.Generator, size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    if rng.random() < 0.3:
        center = rng.uniform(-0.2, 1.2, 2)
        return np.hypot(x - center[0], y - center[1]).clip(0, 1).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    return (0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)).clip(0, 1).astype(np.float32)


_FIELDS = (_noise, _warped, _stripes, _spots, _cells, _strokes, _gradient)
_CHANCES = (0.3, 0.14, 0.1, 0.12, 0.1, 0.16, 0.08)


def _cloud(rng: np.random.Generator, size: int, exponent: float) -> np.ndarray:
    """Noise in 0..1 whose amplitude falls with frequency^-exponent.

    Made at half the size: a third of the work, and supersampling would blur finer detail away.
    """
    half = -(-size // 2)
    noise = (0.5 + _filtered(rng, half, _frequencies(half) ** -exponent) / 5).clip(0, 1)
    return noise.repeat(2, 0).repeat(2, 1)[:size, :size]


def _filtered(rng: np.random.Generator, size: int, amplitude: np.ndarray) -> np.ndarray:
    """White noise with the given spectrum [size, size // 2 + 1]; mean 0, deviation 1."""
    phase = rng.random(amplitude.shape, dtype=np.float32) * np.float32(2 * np.pi)
    spectrum = amplitude * np.exp(1j * phase)
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, (size, size)).astype(np.float32)
    return noise / max(float(noise.std()), 1e-6)


@lru_cache(maxsize=64)
def _frequencies(size: int) -> np.ndarray:
    """Cycles per picture of each term of the real transform, at least 0.5."""
    return (
        np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]).clip(0.5 / size).astype(np.float32) * size
    )


def _contrast(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """-1..1 -> 0..1, anywhere between a soft wave and a hard edge."""
    return (0.5 + 0.5 * np.tanh(values * 10 ** rng.uniform(-0.1, 1))).astype(np.float32)


# Leaves --------------------------------------------------------------------------------------------------------------


def _draw_leaves(rng: np.random.Generator, size: int, leaves: int) -> np.ndarray:
    """Which leaf shows at each pixel; int32 [size, size], 0..leaves-1. Number 0 fills what no other covers."""
    image = Image.new("I", (size, size), 0)
    draw = ImageDraw.Draw(image)
    kind = rng.integers(0, 3)  # a world of discs, of polygons or of both
    # Density r^-3: the same picture at every scale.
    radii = (rng.uniform(0.35**-2, _SMALLEST_LEAF**-2, leaves)) ** -0.5
    radii[: leaves // 8] = rng.uniform(0.1, 0.5, leaves // 8)  # big ones at the back, so that 0 hardly shows
    for label in range(1, leaves):
        radius = radii[label] * size
        center = rng.uniform(0, size, 2)
        if kind == 0 or (kind == 2 and rng.random() < 0.5):
            across, along = radius * rng.uniform(0.5, 1, 2)
            draw.ellipse([center[0] - across, center[1] - along, center[0] + across, center[1] + along], fill=label)
        else:
            corners = int(rng.integers(3, 7))
            angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
            stretch = rng.uniform(0.3, 1, 2)
            points = center + radius * 1.3 * np.stack([np.cos(angles), np.sin(angles)], 1) * stretch
            draw.polygon(points.ravel().tolist(), fill=label)
    return np.asarray(image, np.int32)


def _paint_leaves(rng: np.random.Generator, labels: np.ndarray, fields: np.ndarray, leaves: int) -> np.ndarray:
    """Each leaf has two colours, a field that mixes them and a shade that falls across it; float32 [H, W, 3]."""
    size = labels.shape[0]
    chroma = rng.choice([0.02, 0.06, 0.12, 0.25])
    common = np.stack([random_color(rng, chroma) for _ in range(4)])
    own = np.stack([random_color(rng, chroma) for _ in range(leaves)])
    mixed = rng.uniform(0, 1, (leaves, 1))
    first = (own * mixed + common[rng.integers(0, 4, leaves)] * (1 - mixed)).astype(np.float32)
    # Most surfaces vary little: power-law contrast.
    depth = (0.03 + 0.5 * rng.random((leaves, 1)) ** 2.5) * rng.choice([-1, 1], (leaves, 1))
    second = 255 * depth.astype(np.float32) * np.array([1, 1, 1], np.float32) + rng.normal(0, 90 * chroma, (leaves, 3))
    slope = rng.normal(0, 0.25, (leaves, 2)).astype(np.float32)
    which = rng.integers(0, len(fields), leaves)
    along = np.linspace(-1, 1, size, dtype=np.float32)
    chosen = fields.reshape(len(fields), -1)[which[labels].ravel(), np.arange(labels.size)].reshape(labels.shape)
    shade = 1 + slope[:, 0][labels] * along[None] + slope[:, 1][labels] * along[:, None]
    painted = first[labels] + second.astype(np.float32)[labels] * (2 * chosen[..., None] - 1)
    return painted * shade.clip(0.3, 1.7)[..., None]


def _shift(rng: np.random.Generator) -> np.ndarray:
    return np.ones(3, np.float32) + rng.normal(0, 0.15, 3).astype(np.float32)
