"""Synthetic images: digits drawn from strokes, noise and edge cases."""

import numpy as np

from digits import MAX_INK

SIZE = 8
# Corner points of each digit's strokes, (column, row), 0 to 1 from the top left.
STROKES = {
    0: [[(0.5, 0), (0.1, 0.3), (0.1, 0.7), (0.5, 1), (0.9, 0.7), (0.9, 0.3), (0.5, 0)]],
    1: [[(0.2, 0.3), (0.6, 0), (0.6, 1)]],
    2: [[(0.1, 0.2), (0.5, 0), (0.9, 0.2), (0.8, 0.5), (0.1, 1), (0.9, 1)]],
    3: [[(0.1, 0.1), (0.8, 0.1), (0.4, 0.45), (0.9, 0.7), (0.5, 1), (0.1, 0.9)]],
    4: [[(0.6, 0), (0.1, 0.6), (0.9, 0.6)], [(0.7, 0.3), (0.6, 1)]],
    5: [[(0.9, 0), (0.2, 0), (0.2, 0.4), (0.8, 0.5), (0.8, 0.9), (0.1, 1)]],
    6: [[(0.7, 0), (0.2, 0.4), (0.1, 0.8), (0.5, 1), (0.8, 0.8), (0.6, 0.5), (0.2, 0.7)]],
    7: [[(0.1, 0), (0.9, 0), (0.4, 1)], [(0.2, 0.5), (0.8, 0.5)]],
    8: [
        [(0.5, 0.5), (0.2, 0.2), (0.5, 0), (0.8, 0.2), (0.2, 0.8), (0.5, 1), (0.8, 0.8), (0.5, 0.5)]
    ],
    9: [[(0.8, 0.3), (0.5, 0), (0.2, 0.3), (0.5, 0.5), (0.8, 0.3), (0.7, 1)]],
}


def draw_images(count: int, seed: int) -> np.ndarray:
    """Returns `count` images of shape [8, 8], ink from 0 to 16.

    Edge cases come first, then digits; every tenth image is noise.
    """
    random = np.random.default_rng(seed)
    images = edge_images()
    while len(images) < count:
        is_noise = len(images) % 10 == 0
        images.append(noise(random) if is_noise else handwriting(len(images) % 10, random))
    return np.stack(images[:count]).astype(np.float64)


def edge_images() -> list[np.ndarray]:
    """Blank, full, one pixel, checkerboard, and fractional ink."""
    one = np.zeros((SIZE, SIZE))
    one[3, 4] = MAX_INK
    return [
        np.zeros((SIZE, SIZE)),
        np.full((SIZE, SIZE), MAX_INK),
        one,
        np.indices((SIZE, SIZE)).sum(axis=0) % 2 * MAX_INK,
        np.full((SIZE, SIZE), 0.1),
    ]


def noise(random: np.random.Generator) -> np.ndarray:
    """Uniformly random pixels."""
    return random.integers(0, MAX_INK, (SIZE, SIZE), endpoint=True)


def handwriting(digit: int, random: np.random.Generator) -> np.ndarray:
    """Draws the digit's strokes with random jitter, slant, width and offset; integer ink."""
    rows, columns = np.indices((SIZE, SIZE))
    width, slant = random.uniform(0.7, 1.3), random.uniform(-0.15, 0.15)
    left, top = random.uniform(0.9, 1.9), random.uniform(-0.2, 0.4)
    distance = np.full((SIZE, SIZE), np.inf)
    for stroke in STROKES[digit]:
        points = np.array(stroke) + random.normal(0, 0.04, (len(stroke), 2))
        points[:, 0] += slant * (0.5 - points[:, 1])
        points = points * (4.6, 6.8) + (left, top)
        for start, end in zip(points[:-1], points[1:], strict=True):
            distance = np.minimum(distance, to_segment(columns, rows, start, end))
    return np.round(np.clip(1.4 - distance / width, 0, 1) * MAX_INK)


def to_segment(x: np.ndarray, y: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Distance of each (x, y) to the segment from start to end."""
    (ax, ay), (dx, dy) = start, end - start
    along = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.hypot(x - ax - along * dx, y - ay - along * dy)
