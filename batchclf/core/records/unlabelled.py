"""The verdict on images without labels: whether they, and what the model predicts for them, have drifted."""

from collections.abc import Sequence
from dataclasses import dataclass

from batchclf.core.images.drift import LEAST_IMAGES, NOT_CHECKED, PREDICTED_CLASS, Drift
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.text import class_name, counted, listed, percent

SHOWN_CLASSES = 3


@dataclass(frozen=True, slots=True)
class UnlabelledVerdict:
    """`word` and `headline` say it shortly, `details` are the numbers behind them; `alarm` asks somebody to look."""

    word: str
    headline: str
    details: tuple[str, ...]
    alarm: bool

    @property
    def sentence(self) -> str:
        """The whole in one sentence."""
        return f"{self.headline}: {'; '.join(self.details)}."


def unlabelled_verdict(main: Evaluation, drift: Sequence[Drift], drift_note: str) -> UnlabelledVerdict | None:
    """Judge predictions without labels by their distribution and by drift; None with labels, or without predictions.

    `drift_note` says why there is no `drift`.
    """
    if main.labelled is not None or not main.total:
        return None
    drifted = [each for each in drift if each.drifted]
    tested = [each for each in drift if each.test]
    counts = main.predicted_counts
    only = class_name(main.class_names[int(counts.argmax())]) if (counts > 0).sum() == 1 else ""
    if only and main.total >= LEAST_IMAGES and len(main.class_names) > 1:
        word, headline = "One class", f"Every prediction is {only}"
    elif drifted:
        word, headline = "Drift", f"Drift in {listed([each.quantity for each in drifted])}"
    elif tested:
        word = headline = "No drift"
    else:
        word, headline = "No labels", "No labels, drift not checked"
    details = [f"{counted(main.total, 'image')} scored, none labelled: accuracy unknown"]
    details += [f"{each.quantity}: {each.change}" for each in drifted if each.quantity != PREDICTED_CLASS]
    if not tested:
        reasons = dict.fromkeys(each.sentence.partition(NOT_CHECKED)[2] for each in drift)
        note = drift_note or "; ".join(reasons)
        details.append(f"{note[:1].lower()}{note[1:]}".rstrip("."))
    details.append(_predicted(main, drift))
    return UnlabelledVerdict(word, headline, tuple(filter(None, details)), word in ("One class", "Drift"))


def _predicted(main: Evaluation, drift: Sequence[Drift]) -> str:
    """Name the most frequent predictions, each with its share in the reference if that is known."""
    expected = next((each.expected.counts for each in drift if each.quantity == PREDICTED_CLASS), None)
    order = (-main.predicted_counts).argsort(kind="stable")[:SHOWN_CLASSES].tolist()
    shown = []
    for place in order:
        if main.predicted_counts[place]:
            reference = "" if expected is None else f" (reference {percent(expected[place] / sum(expected))})"
            share = percent(main.predicted_counts[place] / main.total)
            shown.append(f"{class_name(main.class_names[place])} {share}{reference}")
    return f"predicted: {', '.join(shown)}"
