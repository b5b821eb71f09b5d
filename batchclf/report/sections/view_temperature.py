"""What a model's temperature does to its confidence: the numbers without it and with it."""

from dataclasses import dataclass

from batchclf.core.metrics.calibration import Calibration, CalibrationBin
from batchclf.core.metrics.evaluation import LabelledMetrics
from batchclf.core.metrics.temperature import WithoutTemperature
from batchclf.core.text import NOTHING, decimal, points
from batchclf.core.training_record import TemperatureRecord, TrainingRecord
from batchclf.core.words import counted

WHAT_IT_IS = (
    "A temperature is one number that the model's logits are divided by before they become probabilities: above 1 all "
    "answers get less sure, below 1 surer, and no answer becomes another one."
)


@dataclass(frozen=True)
class TemperatureRow:
    """One number, without the temperature and with it; `on` says of which images it is."""

    name: str
    on: str
    without: str
    with_it: str


@dataclass(frozen=True)
class TemperatureView:
    """`missing` says why nothing is known of the scored images.

    `bins` are those of the reliability diagram without the temperature, empty where they are not known.
    """

    sentence: str
    missing: str
    rows: tuple[TemperatureRow, ...]
    bins: tuple[CalibrationBin, ...]


def temperature_view(
    training: TrainingRecord | None, labelled: LabelledMetrics | None = None
) -> TemperatureView | None:
    """Show the temperature on the labelled images of a run, and on the validation images when it was chosen.

    None where the model has none.
    """
    record = training.temperature if training else None
    if record is None:
        return None
    scored: tuple[TemperatureRow, ...] = ()
    before = labelled.without_temperature if labelled else None
    if labelled and before and labelled.calibration:
        scored = _scored(before, labelled.calibration, labelled)
    missing = ""
    if labelled and not scored and record.temperature != 1:
        missing = (
            "How the scored images would fare without it needs the probabilities of all classes: score with "
            "--probabilities."
        )
    return TemperatureView(
        sentence=_sentence(record),
        missing=missing,
        rows=scored + _chosen_on(record),
        bins=before.bins if before else (),
    )


def _sentence(record: TemperatureRecord) -> str:
    value = f"{record.temperature:.3g}"
    does = "which changes next to nothing"
    if value != "1":
        does = "which makes the answers less sure" if record.temperature > 1 else "which makes the answers surer"
    return (
        f"{WHAT_IT_IS} That of this model is {value}, {does}. It is the one of the least log loss on "
        f"{counted(record.images, 'validation image')}; the test images did not choose it."
    )


def _scored(before: WithoutTemperature, after: Calibration, labelled: LabelledMetrics) -> tuple[TemperatureRow, ...]:
    on = f"{counted(labelled.total, 'labelled image')} of this run"
    loss = labelled.metric("log_loss")
    return (
        TemperatureRow("Calibration error (ECE)", on, decimal(before.ece), decimal(after.ece)),
        TemperatureRow("Log loss", on, decimal(before.log_loss), decimal(loss.value) if loss else NOTHING),
        TemperatureRow(
            "Confidence minus accuracy (points)", on, points(before.overconfidence), points(after.overconfidence)
        ),
    )


def _chosen_on(record: TemperatureRecord) -> tuple[TemperatureRow, ...]:
    on = f"{counted(record.images, 'validation image')}, when it was chosen"
    return (
        TemperatureRow("Calibration error (ECE)", on, *map(decimal, record.ece)),
        TemperatureRow("Log loss", on, *map(decimal, record.log_loss)),
    )
