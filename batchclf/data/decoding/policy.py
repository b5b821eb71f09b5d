"""How files are decoded for a geometry that is not batchclf's own."""

from collections.abc import Callable
from functools import partial

import numpy as np

from batchclf.core.choices import ColorMode, ResizeMode
from batchclf.core.geometry import Geometry
from batchclf.data.decoding.interface import Policy
from batchclf.data.decoding.limits import Limits
from batchclf.data.geometry.frame import Pixels, frame, frame_of_size, part_of


def policy_for(
    input_shape: tuple[int, int, int], color_mode: ColorMode, resize: ResizeMode, limits: Limits, geometry: Geometry
) -> Policy:
    """Give how files are decoded and brought to the input by a geometry."""
    finish: Callable[[Pixels], Pixels]
    if geometry.fit == "unknown":
        finish = partial(frame_of_size, input_shape=input_shape)
    else:
        finish = partial(frame, input_shape=input_shape, geometry=geometry, resize=resize, most=limits.pixels)
    as_pillow = geometry.colors == "pillow"
    if as_pillow and color_mode == "grayscale":
        color_mode, finish = "rgb", partial(_gray_first, then=finish)
    reduces = resize == "fast" and geometry.averages and geometry.jpeg == "accurate"
    return Policy(
        color_mode,
        scale_of=partial(part_of, input_shape=input_shape, geometry=geometry) if reduces else None,
        finish=finish,
        limits=limits,
        by_exif=geometry.orientation == "exif",
        as_pillow=as_pillow,
        fast_dct=geometry.jpeg == "fast",
    )


def _gray_first(pixels: Pixels, then: Callable[[Pixels], Pixels]) -> Pixels:
    """Make gray as Pillow's `convert("L")`, to the bit."""
    from PIL import Image

    return then(np.asarray(Image.fromarray(pixels).convert("L"))[..., None])
