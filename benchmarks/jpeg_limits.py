"""Decode a folder, and score what was decoded, one after the other, with what batchclf uses and as many threads.

    python benchmarks/jpeg_limits.py FOLDER BUNDLE

Prints `decode SECONDS model SECONDS` by the clock: decoding with one worker a core, and the bundle's runtime on batches
that are ready. A run that kept every core busy with nothing else would take the sum.
"""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from batchclf.data.sources.folder import Folder
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import open_runtime
from batchclf.scoring.batches import default_batch_size
from batchclf.scoring.decoder import Decoder, DecodeSetup

FILES_A_PART = 13


def main() -> None:
    """Measure both."""
    folder, bundle = Path(sys.argv[1]), load_bundle(Path(sys.argv[2]))
    info = bundle.info
    setup = DecodeSetup(Folder(folder), info.input_shape, info.color_mode, "fast", geometry=info.geometry)
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.jpg"))]
    parts = [paths[start : start + FILES_A_PART] for start in range(0, len(paths), FILES_A_PART)]
    own = threading.local()

    def decoded(part: list[str]) -> np.ndarray:
        if not hasattr(own, "decoder"):
            own.decoder = Decoder(setup)
        return own.decoder.decode(part).images

    runtime, size = open_runtime(bundle, "onnx"), default_batch_size(info.input_shape)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        images = np.concatenate(list(pool.map(decoded, parts[: 2 * (os.cpu_count() or 1)])))
        runtime.probabilities(images[:size])  # both are warm from here on
        started = time.perf_counter()
        images = np.concatenate(list(pool.map(decoded, parts)))
        between = time.perf_counter()
    for start in range(0, len(images), size):
        runtime.probabilities(images[start : start + size])
    print(f"decode {between - started:.3f} model {time.perf_counter() - between:.3f}")


if __name__ == "__main__":
    main()
