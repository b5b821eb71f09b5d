"""Which cache a run may use: one for each model, way of decoding and version of what computes."""

from importlib.metadata import version

from batchclf.core.types import Say
from batchclf.jobs.targets import ScoreSettings
from batchclf.models.bundle import Bundle
from batchclf.scoring.cache import ScoreCache, cache_key

_COMPUTES = {"onnx": "onnxruntime", "tensorflow": "tensorflow"}


def open_cache(bundle: Bundle, settings: ScoreSettings, *, say: Say) -> ScoreCache | None:
    """Open the cache that holds what this model gives under these settings; None where none is asked for."""
    if settings.cache is None:
        return None
    library = _COMPUTES[settings.runtime]
    parts = {
        "model": bundle.digest,
        "runtime": f"{library} {version(library)}",
        "decoder": f"opencv {version('opencv-python-headless')}, {settings.resize}",
    }
    return ScoreCache(settings.cache, cache_key(parts), len(bundle.info.class_names), say=say)
