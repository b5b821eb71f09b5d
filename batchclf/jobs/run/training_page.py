"""Write the page of a training into the bundle that came out of it."""

from datetime import UTC, datetime
from pathlib import Path

from batchclf import atomic
from batchclf.models.bundle import Bundle

TRAINING_PAGE = "training.html"


def write_training_page(bundle: Bundle) -> Path:
    """Write training.html into the folder of a trained bundle, in one step; returns its path.

    It is no file that the bundle needs, so model.json has no digest of it. Raises OSError where it cannot be written,
    and ValueError for a model that batchclf has not trained.
    """
    from batchclf.report.pages.training import TrainedModel, render_training, training_view

    info, data = bundle.info, bundle.info.training_data
    if data is None:
        raise ValueError(f"the model in {bundle.path} was not trained by batchclf")
    model = TrainedModel(
        recipe=info.recipe,
        settings=info.settings,
        class_names=info.class_names,
        input_shape=info.input_shape,
        color_mode=info.color_mode,
        parameters=info.parameters,
        data=data.name,
        train_images=data.images,
        fingerprint=data.fingerprint,
        digest=bundle.digest,
        onnx_difference=info.onnx_difference,
        created=info.created,
        versions=info.versions,
        history=info.history,
        training=info.training,
    )
    out = bundle.path / TRAINING_PAGE
    atomic.write_text(out, render_training(training_view(model, generated=datetime.now(UTC))))
    return out
