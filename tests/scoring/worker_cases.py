"""What the tests of decoding processes share: 6x5 gray images, and a model that tells the first pixel."""

import os

import numpy as np

from batchclf.data.sources.folder import Folder
from batchclf.scoring.decoder import DecodeSetup
from batchclf.scoring.engines.local import LocalEngine
from batchclf.scoring.model_run import ModelRun


class FirstPixel:
    """A runtime whose probabilities tell the image's first pixel."""

    def probabilities(self, images):
        first = images[:, 0, 0, 0].astype(np.float32) / 255
        return np.stack([first, 1 - first], axis=1)


def setup_of(folder):
    return DecodeSetup(Folder(folder), (5, 6, 1), "grayscale", "fast")


def engine_of(pool):
    return LocalEngine(pool, ModelRun(FirstPixel, 64, say=lambda line: None))


def runs(pid):
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
