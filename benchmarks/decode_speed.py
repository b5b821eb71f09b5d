"""How many images of a folder one core decodes a second, in several ways. The files are read beforehand.

The ways take turns, so that a machine that slows down slows all of them. The table shows medians over the rounds, and
how far the pixels lie from those of `exact` (levels of 0 to 255).

    python benchmarks/decode_speed.py FOLDER --size 224 224 --color-mode rgb
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from batchclf.data.decoding.decode import to_pixels
from batchclf.data.decoding.suffixes import IMAGE_SUFFIXES

Way = Callable[[bytes], np.ndarray]


def ways(shape: tuple[int, int, int], color_mode: str) -> dict[str, Way]:
    height, width = shape[:2]
    mode = "L" if color_mode == "grayscale" else "RGB"

    def pillow(content: bytes, *, draft: bool) -> np.ndarray:
        with Image.open(io.BytesIO(content)) as image:
            if draft:
                # What Image.thumbnail does: at least twice the size is left.
                image.draft(mode, (2 * width, 2 * height))
            upright = ImageOps.exif_transpose(image).convert(mode)
            return np.asarray(upright.resize((width, height), Image.Resampling.BOX)).reshape(shape)

    return {
        "exact": lambda content: to_pixels(content, shape, color_mode, "exact"),
        "fast": lambda content: to_pixels(content, shape, color_mode, "fast"),
        "Pillow": lambda content: pillow(content, draft=False),
        "Pillow, draft": lambda content: pillow(content, draft=True),
    }


def seconds(way: Way, contents: list[bytes]) -> float:
    started = time.process_time()
    for content in contents:
        way(content)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, nargs=2, default=(224, 224), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--color-mode", choices=["rgb", "grayscale"], default="rgb")
    parser.add_argument("--images", type=int, default=200, help="at most this many, spread over the folder")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    paths = sorted(path for path in args.folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        parser.error(f"there are no images under {args.folder}")
    contents = [path.read_bytes() for path in paths[:: -(-len(paths) // args.images)]]
    shape = (*args.size, 1 if args.color_mode == "grayscale" else 3)

    chosen = ways(shape, args.color_mode)
    taken: dict[str, list[float]] = {name: [] for name in chosen}
    for _ in range(args.rounds):
        for name, way in chosen.items():
            taken[name].append(seconds(way, contents))

    kilobytes = sum(map(len, contents)) / len(contents) / 1000
    print(f"{len(contents)} images of {kilobytes:.1f} kB on average to {shape}, median of {args.rounds} rounds")
    print(f"{'way':<14}{'images/s':>10}{'to exact':>10}{'mean':>8}{'99.9%':>7}{'max':>5}")
    exact_time = statistics.median(taken["exact"])
    exact = np.stack([chosen["exact"](content) for content in contents]).astype(int)
    for name, way in chosen.items():
        median = statistics.median(taken[name])
        apart = np.abs(np.stack([way(content) for content in contents]) - exact)
        print(
            f"{name:<14}{len(contents) / median:>10,.0f}{exact_time / median:>9.2f}x"
            f"{apart.mean():>8.2f}{np.percentile(apart, 99.9):>7.0f}{apart.max():>5}"
        )


if __name__ == "__main__":
    main()
