"""Images like photographs, and JPEGs of many kinds."""

import cv2
import numpy as np

SUBSAMPLING = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


def photo(height, width, *, seed=0):
    """Shades at several scales, sharp edges of shapes, a little grain: (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 128, np.float32)
    for cells in (3, 8, 20, 60):
        grid = rng.normal(size=(cells, cells, 3)).astype(np.float32) * 80 / np.sqrt(cells)
        pixels += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        colour = tuple(map(int, rng.integers(0, 256, 3)))
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(pixels, centre, int(rng.integers(1, max(2, min(height, width) // 6))), colour, -1, cv2.LINE_AA)
    pixels += rng.normal(size=(height, width, 1)) * 4
    return np.clip(pixels, 0, 255).astype(np.uint8)


def jpeg(pixels, *, quality=90, subsampling="4:2:0", progressive=False):
    """Encode RGB with OpenCV, which chooses the subsampling at any quality."""
    options = [
        *(cv2.IMWRITE_JPEG_QUALITY, quality),
        *(cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SUBSAMPLING[subsampling]),
    ]
    done, content = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    assert done
    return content.tobytes()
