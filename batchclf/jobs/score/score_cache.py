"""Which cache a run may use: one for each model, way of decoding and version of what computes."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from batchclf.core.types import Say
from batchclf.data.decoding import DECODING_VERSION
from batchclf.jobs.config.settings import ScoreSettings
from batchclf.models.bundle import Bundle

if TYPE_CHECKING:
    from batchclf.scoring.cache import ScoreCache


def open_cache(bundle: Bundle, settings: ScoreSettings, *, say: Say) -> "ScoreCache | None":
    """Open the cache that holds what this model gives under these settings; None if none is asked for."""
    if settings.cache is None:
        return None
    from batchclf.scoring.cache import ScoreCache, cache_key

    key = cache_key(computed_with(bundle, settings))
    return ScoreCache(settings.cache, key, len(bundle.info.class_names), say=say)


def computed_with(bundle: Bundle, settings: ScoreSettings) -> dict[str, str]:
    """Name all that an image's probabilities depend on beside the image itself."""
    library = "tensorflow" if settings.runtime == "tensorflow" else "onnxruntime"
    if settings.precision == "bf16":
        library = "openvino"
    return {
        "model": bundle.digest,
        "runtime": f"{library} {version(library)}",
        "precision": settings.precision,
        "device": settings.device,
        "way of decoding": f"{DECODING_VERSION}, opencv {version('opencv-python-headless')}, {settings.resize}",
    }
