"""What run.json says of the model and of the libraries."""

import platform

import msgspec

from batchclf.core.records.run import ModelRecord
from batchclf.core.text import counted
from batchclf.jobs.config.settings import ScoreSettings
from batchclf.jobs.score.score_cache import libraries
from batchclf.libraries import VERSION, versions_of
from batchclf.models.bundle import Bundle


def model_record(bundle: Bundle, *, trained: bool) -> ModelRecord:
    """Give what run.json has of a bundle."""
    info, data = bundle.info, bundle.info.training_data
    # A recipe prepares images inside the model; for an imported model it is part of what was chosen.
    settings = info.settings if data else {**info.settings, "preprocessing": info.preprocessing.sentence}
    return ModelRecord(
        path=str(bundle.path.resolve()),
        digest=bundle.digest,
        recipe=info.recipe,
        settings=settings,
        class_names=list(info.class_names),
        input_shape=info.input_shape,
        color_mode=info.color_mode,
        parameters=info.parameters,
        trained_on=f"{data.name}, {counted(data.images, 'image')}" if data else "not known",
        created=info.created,
        history=info.history,
        reference=info.reference,
        training=info.training,
        trained_in_this_run=trained,
        geometry=info.geometry,
    )


def versions(bundle: Bundle, settings: ScoreSettings, *, trained: bool) -> dict[str, str]:
    """Say which libraries a run was computed with, by module; those of a training only if this run trained."""
    used = {**versions_of("numpy"), **libraries(settings, bundle)}
    if settings.precision != "f32":
        used |= libraries(msgspec.structs.replace(settings, precision="f32"), bundle)
    made = bundle.info.versions if trained else {}
    return {"batchclf": VERSION, "python": platform.python_version(), **made, **used}
