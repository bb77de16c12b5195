"""Synthetic image files for golden rows, and what the gateway makes of them.

The gateway does this in TypeScript (src/inference/preprocessing/ink.ts). The golden rows show that
both agree.
"""

import base64
import io

import numpy as np
from PIL import Image

from synthetic_digits import STROKES, to_segment

FIELD_WIDTH = 1.1
FULL_INK = 0.4
STROKE_INK = 0.3


def draw_files(count: int, seed: int) -> list[np.ndarray]:
    """Digits of different sizes, papers and inks, as gray images; dark on light and light on dark."""
    random = np.random.default_rng(seed)
    return [draw_file(position % 10, random) for position in range(count)]


def draw_file(digit: int, random: np.random.Generator) -> np.ndarray:
    """Draws the strokes of a digit with jitter and slant somewhere in an image."""
    height, width = random.integers(24, 60, 2)
    rows, columns = np.indices((height, width))
    scale = np.array([0.5 * width, 0.7 * height])
    corner = np.array([0.2 * width, 0.15 * height]) + random.uniform(-1, 1, 2)
    slant = random.uniform(-0.3, 0.3)
    distance = np.full((height, width), np.inf)
    for stroke in STROKES[digit]:
        points = np.array(stroke) + random.normal(0, 0.03, (len(stroke), 2))
        points[:, 0] += slant * (0.5 - points[:, 1])
        points = points * scale + corner
        for start, end in zip(points[:-1], points[1:], strict=True):
            distance = np.minimum(distance, to_segment(columns, rows, start, end))
    share = np.clip(0.06 * height + 0.5 - distance, 0, 1)
    paper, ink = (random.integers(200, 256), random.integers(0, 90))
    if random.random() < 0.3:
        paper, ink = ink, paper
    return np.round(paper + (float(ink) - paper) * share).astype(np.uint8)


def to_base64(image: np.ndarray) -> str:
    """A PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def ink_of(image: np.ndarray, size: int) -> np.ndarray:
    """Shares of ink from 0 to 1 in a grid: upright, cropped to the height, centred by mass."""
    shares = upright(ink_shares(image))
    rows = np.flatnonzero((shares >= STROKE_INK).any(axis=1))
    if len(rows) == 0:
        return np.zeros((size, size))
    columns = np.flatnonzero((shares >= STROKE_INK).any(axis=0))
    top, side = rows[0], rows[-1] + 1 - rows[0]
    field = max(FIELD_WIDTH * side, columns[-1] + 1 - columns[0])
    centre = (shares.sum(axis=0) * (np.arange(shares.shape[1]) + 0.5)).sum() / shares.sum()
    down = overlaps(top, side, shares.shape[0], size)
    across = overlaps(centre - field / 2, field, shares.shape[1], size)
    return np.minimum(down @ shares @ across.T, 1)


def ink_shares(image: np.ndarray) -> np.ndarray:
    """How full of ink each pixel is, by its contrast with the median of the border."""
    gray = image.astype(np.float64)
    border = np.sort(np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]]))
    paper = border[len(border) // 2]
    darker, lighter = paper - gray.min(), gray.max() - paper
    difference = paper - gray if darker >= lighter else gray - paper
    return np.clip(difference / (FULL_INK * max(darker, lighter)), 0, 1)


def upright(shares: np.ndarray) -> np.ndarray:
    """Shears the rows so that the moments of ink show no slant."""
    rows, columns = np.indices(shares.shape)
    mass = shares.sum()
    y, x = (shares * rows).sum() / mass, (shares * columns).sum() / mass
    slant = (shares * (columns - x) * (rows - y)).sum() / (shares * (rows - y) ** 2).sum()
    places = np.arange(shares.shape[1])
    padded = np.pad(shares, ((0, 0), (1, 1)))
    return np.stack(
        [
            np.interp(places + slant * (row - y), np.arange(-1, len(places) + 1), padded[row], 0, 0)
            for row in range(shares.shape[0])
        ]
    )


def overlaps(start: float, length: float, pixels: int, cells: int) -> np.ndarray:
    """Shares of each of `cells` equal parts of a length that the pixels cover: [cells, pixels]."""
    edges = start + length / cells * np.arange(cells + 1)
    low = np.maximum(edges[:-1, None], np.arange(pixels))
    high = np.minimum(edges[1:, None], np.arange(pixels) + 1)
    return np.maximum(high - low, 0) / (length / cells)
