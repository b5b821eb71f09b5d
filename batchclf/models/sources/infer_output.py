"""Decide what a model gives: what its graph tells comes first, what it leaves open is asked for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import counted, significant
from batchclf.core.types import ROUNDING, SUM_TOLERANCE, Say
from batchclf.errors import ModelError, UsageError
from batchclf.models.onnx_graph.last_step import LastStep
from batchclf.models.preprocessing import OutputKind
from batchclf.models.sources.infer_preprocessing import ImportOptions
from batchclf.models.sources.missing import Missing, MissingOptionsError

PLAIN_SUM = 1e-3
"""How far the sums of outputs may be from 1 if these are to pass for probabilities without a question."""

_IN_RANGE = 1e-3
"""How far outputs may be below 0 or above 1 and still be asked about."""

_ASK = (
    "--output probabilities if they are, with --renormalize to divide those of each image by their sum, or "
    "--output logits"
)


@dataclass(frozen=True)
class Output:
    """What a model gives; `sums` says for a person what the outputs of an image add up to, "" if to 1."""

    kind: OutputKind
    renormalize: bool = False
    sums: str = ""


@dataclass(frozen=True)
class _Seen:
    """The outputs for the sample images: (n, units), finite."""

    values: NDArray[np.floating]
    binary: bool

    @property
    def within(self) -> bool:
        return bool(self.values.min() >= -_IN_RANGE and self.values.max() <= 1 + _IN_RANGE)

    @property
    def proper(self) -> bool:
        """Whether a run takes them for probabilities, whatever their sums."""
        return bool(self.values.min() >= -ROUNDING and self.values.max() <= 1 + ROUNDING)

    @property
    def sums(self) -> NDArray[np.float64]:
        sums: NDArray[np.float64] = self.values.sum(axis=1, dtype=np.float64)
        return sums

    @property
    def off(self) -> float:
        """How far sums are from 1; the one output of two classes and its complement always add up to it."""
        return 0.0 if self.binary else float(np.abs(self.sums - 1).max())

    @property
    def log_probabilities(self) -> bool:
        if self.values.max() > _IN_RANGE:
            return False
        return bool(np.abs(np.exp(self.values.astype(np.float64)).sum(axis=1) - 1).max() <= PLAIN_SUM)

    @property
    def images(self) -> str:
        return f"on {counted(len(self.values), 'sample image')}"

    @property
    def range(self) -> str:
        return f"{significant(self.values.min(), 6)} to {significant(self.values.max(), 6)}"

    @property
    def sum_range(self) -> str:
        return f"{significant(self.sums.min(), 6)} to {significant(self.sums.max(), 6)}"

    @property
    def sentence(self) -> str:
        return f"{self.images} they are {self.range}, and those of an image add up to {self.sum_range}"


def settle_output(values: NDArray[np.floating], last: LastStep, options: ImportOptions, say: Say) -> Output:
    """Decide what the model gives, from its graph's last step and its (n, units) outputs for sample images.

    Raises ModelError if the outputs are no classifier's, UsageError if their number is not that of the classes,
    MissingOptionsError if they leave open what they are. Without class names any number will do.
    """
    units, classes = values.shape[1], len(options.class_names)
    binary = units == 1 and classes in (0, 2)
    if classes and units != classes and not binary:
        names = options.names_from or "--classes"
        raise UsageError(
            f"the model gives {units} value{'s' if units > 1 else ''} an image; {names} names {classes} classes",
            hint="name each of the model's classes, in the order of its outputs"
            + (" (two for a model with one output)" if units == 1 else ""),
        )
    if not np.isfinite(values).all():
        raise ModelError(
            "the model gives values that are no finite numbers on sample images",
            hint="check the model with the program it was trained with, and --scale, --mean and --std",
        )
    seen = _Seen(values, binary)
    kind, why = _asked(options, binary) or _found(seen, last)
    if options.renormalize and kind != "probabilities":
        raise UsageError(
            f"--renormalize divides the probabilities of several classes by their sum; the model gives {kind} ({why})",
            hint="leave out --renormalize",
        )
    sums = ""
    if kind in ("probabilities", "binary-probability"):
        sums = _check_probabilities(seen, why, options.renormalize)
    say(f"output: {kind} ({why}){f'; those of an image add up to {sums}' if sums else ''}")
    return Output(kind, options.renormalize, sums)


def _asked(options: ImportOptions, binary: bool) -> tuple[OutputKind, str] | None:
    """What the options say; to divide by the sum makes sense for probabilities only."""
    if options.output == "logits":
        return "binary-logit" if binary else "logits", "as asked for"
    if options.output == "probabilities" or options.renormalize:
        return "binary-probability" if binary else "probabilities", "as asked for"
    return None


def _found(seen: _Seen, last: LastStep) -> tuple[OutputKind, str]:
    """What the graph and the outputs themselves say."""
    if last.operation == "Sigmoid" and not seen.binary:
        raise ModelError(
            f"the model is multi-label: it ends in {last.words} for each class, which gives every class a probability "
            "of its own, and an image may have several classes; batchclf scores exactly one class an image",
            hint="if exactly one class is right for each image, export the model without the sigmoid; several classes "
            "an image need a threshold and metrics for each class, which batchclf does not have",
        )
    known = last.operation in ("Softmax", "Sigmoid")
    ends = f"the model ends in {last.words}" if known else ""
    if seen.binary:
        if known and not last.cut:
            return "binary-probability", ends
        if seen.within:
            why = (
                "the model gives one value an image, and it is not plain whether it is a logit or a probability: "
                f"{seen.images} they are {seen.range}"
            )
            raise MissingOptionsError([Missing("--output", why, "--output logits or --output probabilities")])
        return "binary-logit", f"{seen.images} they reach beyond 0 and 1"
    # A softmax that is computed with 16 bits may be further from 1 than others may without a question
    plain = SUM_TOLERANCE if known and not last.quantised else PLAIN_SUM
    if seen.proper and seen.off <= plain and not (known and last.cut):
        return "probabilities", ends or f"{seen.images} they are not negative and add up to 1"
    if seen.within:
        why = (
            f"it is not plain whether the model gives logits or probabilities{f', though {ends}' if ends else ''}: "
            f"{seen.sentence}"
        )
        raise MissingOptionsError([Missing("--output", why, _ASK)])
    if seen.log_probabilities:
        return "logits", "logarithms of probabilities, of which a softmax makes the probabilities again"
    return "logits", f"{seen.images} they reach beyond 0 and 1"


def _check_probabilities(seen: _Seen, why: str, renormalize: bool) -> str:
    """Refuse what cannot be scored as probabilities; gives what they add up to if that is to be known."""
    if not seen.proper:
        raise ModelError(
            f"the model's outputs are no probabilities ({why}): {seen.sentence}",
            hint="give --output logits, if they are logits",
        )
    if renormalize:
        if seen.sums.min() <= 0:
            empty = int((seen.sums <= 0).sum())
            raise ModelError(
                f"the outputs of {counted(empty, 'sample image')} add up to {significant(seen.sums.min(), 6)}, and "
                "cannot be divided by that",
                hint="check --scale, --mean and --std; a model that may give every class 0 cannot be scored so",
            )
        return f"{seen.sum_range} {seen.images}, and are divided by their sum"
    # Log loss, Brier score and calibration are those of probabilities that add up to 1 (decision 161)
    if seen.off > SUM_TOLERANCE:
        raise UsageError(
            f"probabilities of an image must add up to 1, within {SUM_TOLERANCE:g}: {seen.sentence}",
            hint="add --renormalize to divide those of each image by their sum, or give --output logits",
        )
    return f"{seen.sum_range} {seen.images}" if seen.off > PLAIN_SUM else ""
