#!/usr/bin/env bash
# Pillow 12.3.0 and 13.0.0, on CPython 3.11.
#
# Guess: `Image.resize` gives the same pixels in both. It resizes the columns first, then the rows, and its release notes
# name new filters, `reducing_gap` and speed, but no other pixels.
# Seen: 13.0.0 resizes the rows first if more than twice as many rows go as columns (`horizontal_first` in
# `ImagingResampleInner`). The first pass is rounded and cut to 0 to 255, so the same call gives other pixels: bicubic on
# a photograph of 375x500 to 256x256 up to 5 levels, lanczos 9, on noise 7 and 15, bilinear 1. A wide image gives the same
# in both, so the resize of a transposed image is no longer the transposed resize, either. torch (`v2.Resize` of uint8)
# still begins with the columns.
# For batchclf: torchvision and timm resize with Pillow, transformers with torch; a geometry says which pass comes first,
# and batchclf asks Pillow for one pass at a time, so the installed version does not matter.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 12.3.0 13.0.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "pillow==$version" numpy==2.4.6 scikit-learn==1.9.1
done
cat > "$folder/resize.py" <<'PYTHON'
import sys

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

flower = Image.fromarray(load_sample_image("flower.jpg")).resize((375, 500), Image.Resampling.BOX)
noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (500, 375), np.uint8))
found = {}
for name, image in {"flower": flower, "noise": noise, "wide": noise.transpose(Image.Transpose.TRANSPOSE)}.items():
    for kernel in ("BILINEAR", "BICUBIC", "LANCZOS"):
        method = Image.Resampling[kernel]
        found[f"{name} {kernel}"] = np.asarray(image.resize((256, 256), method))
        columns = image.resize((256, image.height), method)
        found[f"{name} {kernel} columns first"] = np.asarray(columns.resize((256, 256), method))
        rows = image.resize((image.width, 256), method)
        found[f"{name} {kernel} rows first"] = np.asarray(rows.resize((256, 256), method))
np.savez(sys.argv[1], **found)
PYTHON
for version in 12.3.0 13.0.0; do
    "$folder/$version/bin/python" "$folder/resize.py" "$folder/$version.npz"
done
cat > "$folder/seen.py" <<'PYTHON'
import sys

import numpy as np

old, new = (dict(np.load(path)) for path in sys.argv[1:])
for name in ("flower", "noise", "wide"):
    for kernel in ("BILINEAR", "BICUBIC", "LANCZOS"):
        key = f"{name} {kernel}"
        assert np.array_equal(old[key], old[f"{key} columns first"])
        order = "columns" if name == "wide" else "rows"
        assert np.array_equal(new[key], new[f"{key} {order} first"]), key
        off = np.abs(old[key].astype(int) - new[key])
        print(f"{key}: up to {off.max()} levels, {100 * (off > 0).mean():.1f}% of the values")
        assert (off.max() > 0) == (name != "wide")
        if kernel != "BILINEAR" and name != "wide":
            assert off.max() >= 4, (key, off.max())
PYTHON
"$folder/13.0.0/bin/python" "$folder/seen.py" "$folder/12.3.0.npz" "$folder/13.0.0.npz"
