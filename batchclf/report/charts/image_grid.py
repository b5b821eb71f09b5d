"""Images of a data set in a grid, as a picture of its own: `data preview`."""

import io
import warnings
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from batchclf.report.charts.canvas import short_name


def grid_png(images: NDArray[np.uint8], captions: Sequence[str], columns: int = 5) -> bytes:
    """Draw images in a grid, each with its caption below, as PNG bytes.

    `images` is (n, height, width, channels) uint8 with 1 channel (shown grey, 0 is black) or 3 (RGB). Raises
    ValueError where there is no image, the shape is another or captions and images differ in number.
    """
    if images.ndim != 4 or images.shape[3] not in (1, 3) or not len(images):
        raise ValueError(f"expected images of shape (n, height, width, 1 or 3), got {images.shape}")
    if len(captions) != len(images):
        raise ValueError(f"{len(captions)} captions for {len(images)} images")
    rows = -(-len(images) // columns)
    with matplotlib.rc_context({"font.size": 10}):
        figure = Figure(figsize=(2 * columns, 2.1 * rows), dpi=100, layout="constrained")
        for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
            axes = figure.add_subplot(rows, columns, index + 1)
            if image.shape[2] == 1:
                axes.imshow(image[:, :, 0], cmap="gray", vmin=0, vmax=255)
            else:
                axes.imshow(image)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_xlabel(short_name(caption), parse_math=False)
        return _saved(figure)


def _saved(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A PNG shows a box for a glyph that its font lacks.
        warnings.filterwarnings("ignore", message=r"(?s)Glyph .* missing from", category=UserWarning)
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support", category=UserWarning)
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
