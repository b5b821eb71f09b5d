"""Make the pictures of `toolchains.py`: photographs of scikit-learn and scikit-image, as two writers write them.

python benchmarks/toolchain_pictures.py FOLDER [COUNT]
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_images

COUNT = 200
SIZES = (
    *((640, 480), (480, 640), (500, 375), (375, 500), (256, 256), (225, 227), (227, 225), (224, 224), (1000, 301)),
    *((301, 1000), (33, 47), (19, 250), (250, 21), (7, 5), (1600, 1200), (3001, 2003), (801, 602), (333, 360)),
)
"""(width, height) of the pictures: portrait and landscape, tiny, huge, odd."""


def photographs() -> list[np.ndarray]:
    """Give (height, width, 3) uint8 photographs."""
    named = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket(), data.retina(), data.hubble_deep_field()]
    return [np.ascontiguousarray(image[..., :3]) for image in (*load_sample_images().images, *named)]


def pictures(count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Give a name and the pixels of each picture: a cut of a photograph, resized."""
    sources = photographs()
    random = np.random.default_rng(0)
    for number in range(count):
        source = sources[number % len(sources)]
        width, height = SIZES[number % len(SIZES)]
        rows, columns = source.shape[:2]
        share = random.uniform(0.5, 1)
        scale = share * min(rows / height, columns / width)
        cut_rows, cut_columns = max(1, int(height * scale)), max(1, int(width * scale))
        top, left = random.integers(0, rows - cut_rows + 1), random.integers(0, columns - cut_columns + 1)
        cut = source[top : top + cut_rows, left : left + cut_columns]
        yield f"{number:03}-{width}x{height}", cv2.resize(cut, (width, height), interpolation=cv2.INTER_CUBIC)


def write(folder: Path, count: int = COUNT) -> None:
    """Write the pictures, each in one of the ways, in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, pixels) in enumerate(pictures(count)):
        WRITERS[number % len(WRITERS)](folder / name, pixels)


def _pillow(suffix: str, mode: str = "RGB", turned: int = 0, **options: object):
    def write_file(path: Path, pixels: np.ndarray) -> None:
        image = Image.fromarray(pixels).convert(mode)
        if turned:
            exif = Image.Exif()
            exif[0x0112] = turned
            options["exif"] = exif
        image.save(path.with_suffix(suffix), **options)

    return write_file


def _opencv(suffix: str, *flags: int, gray: bool = False):
    def write_file(path: Path, pixels: np.ndarray) -> None:
        image = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY if gray else cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(path.with_suffix(suffix)), image, list(flags))

    return write_file


_QUALITY, _SAMPLING = cv2.IMWRITE_JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR
WRITERS = (
    _pillow(".jpg", quality=75, subsampling=2),
    _opencv(".jpg", _QUALITY, 90, _SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    _pillow(".jpg", quality=95, subsampling=0, progressive=True),
    _opencv(".jpg", _QUALITY, 80, _SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422),
    _pillow(".jpg", "L", quality=85),
    _opencv(".png"),
    _pillow(".jpg", quality=85, turned=6),
    _opencv(".jpg", gray=True),
    _pillow(".jpg", "CMYK", quality=92),
    _pillow(".png"),
    _pillow(".jpg", quality=88, turned=3),
    _opencv(".bmp"),
    _pillow(".png", "L"),
)

if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else COUNT)
