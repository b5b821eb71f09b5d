"""What run.json says of the model, of how it scored, and of the libraries."""

import platform
from collections.abc import Mapping

import msgspec

from batchclf.core.records.run import DatasetRecord, ModelRecord, WrittenFile
from batchclf.core.text import counted
from batchclf.jobs.config.settings import ScoreSettings
from batchclf.jobs.run.inputs import RunHead, Scoring
from batchclf.jobs.score.score_cache import libraries
from batchclf.libraries import VERSION, versions_of
from batchclf.models.bundle import Bundle


def scored_head(
    run_id: str,
    job: str | None,
    command: list[str],
    bundle: Bundle,
    trained: bool,
    settings: ScoreSettings,
    dataset: DatasetRecord | None,
    files: Mapping[str, WrittenFile],
    run_date: str = "",
    main_subset: str = "",
) -> RunHead:
    """Say what is known of a run that has scored with a bundle, which it has trained or loaded."""
    classes = len(bundle.info.class_names)
    scoring = Scoring(
        runtime=settings.runtime_for(bundle),
        precision=settings.precision,
        device=settings.device,
        resize=settings.resize_for(bundle),
        formats=list(settings.formats),
        batch_size=settings.images_a_batch(bundle),
        topk=min(settings.topk, classes),
        probabilities=settings.writes_probabilities(classes),
    )
    model, used = model_record(bundle, trained=trained), versions(bundle, settings, trained=trained)
    return RunHead(run_id, job, command, model, scoring, used, dataset, files, run_date, main_subset)


def model_record(bundle: Bundle, *, trained: bool) -> ModelRecord:
    """Give what run.json has of a bundle."""
    info, data = bundle.info, bundle.info.training_data
    # A recipe prepares images inside the model; for an imported model it is part of what was chosen.
    settings = info.settings if data else {**info.settings, "preprocessing": info.preprocessing.sentence}
    return ModelRecord(
        path=bundle.recorded,
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
    return {**own_versions(), **made, **used}


def own_versions() -> dict[str, str]:
    """Say which batchclf and which Python this is."""
    return {"batchclf": VERSION, "python": platform.python_version()}
