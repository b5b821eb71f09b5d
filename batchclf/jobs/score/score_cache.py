"""Which cache a run may use: one for each model, way of decoding and version of what computes."""

from typing import TYPE_CHECKING
from uuid import uuid4

from batchclf.core.types import Say
from batchclf.data.decoding.decode import DECODING_VERSION, decoders
from batchclf.jobs.config.settings import ScoreSettings
from batchclf.libraries import UNKNOWN
from batchclf.models.bundle import Bundle
from batchclf.models.runtime.registry import find_runtime

if TYPE_CHECKING:
    from batchclf.scoring.cache import ScoreCache


def open_cache(bundle: Bundle, settings: ScoreSettings, *, say: Say) -> "ScoreCache | None":
    """Open the cache that holds what this model gives under these settings; None if none is asked for."""
    if not settings.cache or settings.cache_folder is None:
        return None
    unknown = [name for name, version in libraries(settings, bundle).items() if version == UNKNOWN]
    if unknown:
        say(f"going on without the cache: {unknown[0]} gives no version, so its scores could be those of another one")
        return None
    from batchclf.scoring.cache import ScoreCache, cache_key

    key = cache_key(computed_with(bundle, settings))
    return ScoreCache(settings.cache_folder, key, len(bundle.info.class_names), say=say)


def libraries(settings: ScoreSettings, bundle: Bundle) -> dict[str, str]:
    """Give the versions of what decodes and what runs the model, by module, UNKNOWN if one gives none.

    Raises ModelError if what runs the model is not installed.
    """
    entry = find_runtime(settings.runtime_for(bundle), settings.precision, settings.device)
    return {**entry.load().versions(), **decoders(bundle.info.geometry)}


def computed_with(bundle: Bundle, settings: ScoreSettings) -> dict[str, str]:
    """Name all that an image's probabilities depend on beside the image itself; raises what `libraries` raises."""
    versions = libraries(settings, bundle)
    # One that gives no version is another one each time, so that nothing of it is taken for another's (decision 132)
    known = {name: uuid4().hex if version == UNKNOWN else version for name, version in versions.items()}
    batch = bundle.info.batch_size
    return {
        "model": bundle.digest,
        # Older bundles of such a model have rows that depend on the images beside them (decision 163)
        **({"batch size": str(batch)} if batch else {}),
        "runtime": settings.runtime_for(bundle),
        "precision": settings.precision,
        "device": settings.device,
        "version of a library": ", ".join(f"{name} {version}" for name, version in known.items()),
        "way of decoding": f"{DECODING_VERSION}, {settings.resize_for(bundle)}",
        "geometry": str(bundle.info.geometry),
        # A larger image has none, which a cache with scores of it would not show
        "limit of pixels": str(settings.max_pixels),
    }
