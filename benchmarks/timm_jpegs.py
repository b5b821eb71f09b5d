"""Score a folder as timm's users do: its data set, transform and loader with two workers, and ONNX Runtime.

    python timm_jpegs.py MODEL.onnx FOLDER OUT.csv

MODEL takes n x 224 x 224 x 3 float32 of -1 to 1. Run in the environment of `toolchains.py`, with onnxruntime.
"""

import csv
import sys

import onnxruntime
from timm.data import create_dataset, create_loader

model, folder, out = sys.argv[1:]
data = create_dataset("", root=folder, split="validation")
half = (0.5, 0.5, 0.5)
loader = create_loader(
    data, (3, 224, 224), batch_size=64, is_training=False, use_prefetcher=False, num_workers=2, mean=half, std=half
)
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
paths = data.filenames(basename=False)
with open(out, "w", newline="") as handle:  # noqa: PTH123 (as a script has it)
    rows = csv.writer(handle)
    rows.writerow(["path", "prediction", "confidence"])
    done = 0
    for images, _ in loader:
        (scores,) = session.run(None, {name: images.permute(0, 2, 3, 1).contiguous().numpy()})
        for row in scores:
            rows.writerow([paths[done], int(row.argmax()), float(row.max())])
            done += 1
