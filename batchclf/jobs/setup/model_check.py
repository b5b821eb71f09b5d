"""Whether a model bundle is fed as its model was trained: other ways are tried on labelled images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from batchclf.core.compare.alternatives import LEVEL, Judged, Trial, judge, judge_by_loss
from batchclf.core.compare.fitted_order import (
    LEAST_IMAGES,
    FittedOrder,
    fitted_order,
    right_in_any_order,
)
from batchclf.core.compare.paired_tests import binomial_tail
from batchclf.core.geometry import UNKNOWN, Geometry
from batchclf.core.metrics.formulas import LOWEST_PROBABILITY
from batchclf.core.types import ImageRef, Progress, unseen
from batchclf.data.geometry.alternatives import other_geometries
from batchclf.data.sample import Sample
from batchclf.errors import DataError, UnknownGeometryError, UnreadableImageError
from batchclf.models.alternatives import other_output, other_pixels, pixel_options, pixel_words
from batchclf.models.bundle import Bundle
from batchclf.models.onnx_graph.inner_model import InnerModel
from batchclf.models.preprocessing import Preprocessing, prepare, to_probabilities

MOST_TRIED = 500
"""So many images are scored in each way."""

_AT_ONCE = 64
_LEAST_TO_DOUBT = 50
AS_IMPORTED = "as imported"


@dataclass(frozen=True, eq=False)
class ModelCheck:
    """What came of it.

    `judged` has the ways by accuracy, the best first; `reference` is the one that all were compared with: the bundle as
    it is, or if its geometry is not known the best. `looks` is how many ways there are to choose from. `by_output` are
    other readings of what the model gives, which do not change which class is best. `orders` has the class names in the
    orders that were tried, by their words. `order` is one that is fitted to the images and better than any way; `few`
    says that there are too few images of a class to look for one. `same` has geometries that gave the same pixels for
    all images as one that was tried, by that one. `guessing` says that no way is better than guesses.
    """

    images: int
    looks: int
    reference: Judged
    judged: list[Judged]
    by_output: list[Judged]
    orders: dict[str, tuple[str, ...]]
    order: FittedOrder | None
    few: bool
    same: dict[str, list[str]]
    guessing: bool

    @property
    def advised(self) -> list[Judged]:
        """How to import the model, if a way is right more often beyond chance: the one that changes least comes first.

        The others are those that no way is better than beyond chance.
        """
        better = [each for each in self.judged if each.outcome == "better"]
        beside_best = judge([each.trial for each in better], 0, self.looks) if better else []
        equal = [each for each, beside in zip(better, beside_best, strict=True) if beside.outcome != "worse"]
        return sorted(equal, key=_changes)

    @property
    def advised_output(self) -> Judged | None:
        """Another reading of the model's outputs, if it is better beyond chance."""
        return next((each for each in self.by_output if each.outcome == "better"), None)

    @property
    def wrong(self) -> bool:
        """Whether the bundle should be made again in another way."""
        return bool(self.advised or self.advised_output or self.order)

    @property
    def as_it_is(self) -> bool:
        """Whether the bundle could be tried as it is: its geometry is known, or all images are of its input's size."""
        return self.reference.trial.geometry == AS_IMPORTED


@dataclass(frozen=True, eq=False)
class _Answers:
    """What the model gave for the images in one way.

    `raw` is (n, units) float64, nan for an image that it could not take; `labels` is (n,) int64.
    """

    steps: Preprocessing
    geometry: str
    raw: NDArray[np.float64]
    labels: NDArray[np.int64]

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """The probabilities of all classes, (n, classes)."""
        # A way that the model was not made for may overflow in it: such an image is wrong
        steps = self.steps
        rows = to_probabilities(self.raw, steps.output, steps.temperature, renormalize=steps.renormalize)
        return np.nan_to_num(rows, nan=0.0)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Images by true class, then by predicted class."""
        counts = np.zeros((self.probabilities.shape[1],) * 2, np.int64)
        np.add.at(counts, (self.labels, self.probabilities.argmax(axis=1)), 1)
        return counts

    @cached_property
    def promise(self) -> tuple[int, int]:
        """How many images are right if the class names may stand in any order, and as they stand."""
        return right_in_any_order(self.counts), int(self.counts.trace())


def check_model(bundle: Bundle, sample: Sample, *, progress: Progress = unseen) -> ModelCheck:
    """Try other ways to feed the model of a bundle on labelled images, and judge which are better beyond chance.

    First other scales and orders of channels with the geometry as it is, then other geometries with the best of these,
    and for each of them other orders of the class names and other readings of its outputs. Raises DataError if no image
    can be read, ModelError if the bundle's graph cannot be run.
    """
    with TemporaryDirectory() as folder:
        return _Trials(bundle, sample, _inner(bundle, Path(folder))).run(progress)


class _Inner(Protocol):
    """The model within a bundle, which takes inputs that `prepare` has made."""

    @property
    def takes_numbers(self) -> bool:
        """Whether it takes numbers with a fraction, not only pixels as they are."""

    def run(self, inputs: NDArray[Any]) -> NDArray[np.floating]:
        """Give its outputs for (n, …) inputs: (n, units), or more axes of size 1."""


def _inner(bundle: Bundle, folder: Path) -> _Inner:
    if bundle.has_graph:
        return InnerModel(bundle, folder)
    from batchclf.models.sources.tflite import TfliteModel

    assert bundle.original_path is not None, bundle.path
    return TfliteModel(bundle.original_path, bundle.output_name)


class _Trials:
    def __init__(self, bundle: Bundle, sample: Sample, model: _Inner) -> None:
        self.sample, self.model = sample, model
        self.given = bundle.info.preprocessing
        self.names = bundle.info.class_names
        self.size = self.given.input_shape[:2]
        self.geometries = other_geometries(self.given.geometry, self.size)
        self.first = self._first_geometry()
        self.orders = _orders(self.names)
        self.same: dict[str, list[str]] = {}

    def run(self, progress: Progress) -> ModelCheck:
        pixels = other_pixels(self.given) if self.model.takes_numbers else _of_whole_numbers(self.given)
        others = [geometry for geometry in self.geometries if geometry != self.first]
        with progress("ways to feed the model", len(pixels) + len(others)) as advance:
            refs, labels, images = self._readable(self.first)
            answers = []
            for steps in pixels:
                answers.append(_Answers(steps, self._geometry_words(self.first), self._raw(images, steps), labels))
                advance(1)
            best = max(answers, key=lambda each: each.promise).steps
            seen: dict[object, Geometry] = {images.tobytes(): self.first}
            for geometry in others:
                images, unread = self._images(refs, geometry)
                same = seen.setdefault(images.tobytes() if not unread else geometry, geometry)
                if same != geometry:
                    self.same.setdefault(self._geometry_words(same), []).append(self._geometry_words(geometry))
                else:
                    raw = self._raw(images, best)
                    raw[unread] = np.nan
                    answers.append(_Answers(best, self._geometry_words(geometry), raw, labels))
                advance(1)
        return self._judge(answers, len(pixels) * (len(self.geometries) + 1))

    def _judge(self, answers: list[_Answers], looks: int) -> ModelCheck:
        trials = [self._trial(each, words) for each in answers for words in self.orders]
        # As it is comes first: the first pixels, the first order
        reference = 0 if self.first == self.given.geometry else _best(trials)
        looks *= len(self.orders) * 2
        judged = judge(trials, reference, looks)
        outputs = self._outputs(answers, judged, looks)
        counts = max(answers, key=lambda each: each.promise).counts
        support = counts.sum(axis=1)
        best = max(int(trial.right.sum()) for trial in trials)
        order = fitted_order(self.names, counts)
        return ModelCheck(
            images=int(support.sum()),
            looks=looks,
            reference=judged[reference],
            judged=sorted(judged, key=lambda each: -each.accuracy.value),
            by_output=outputs,
            orders=self.orders,
            # What another way explains as well is no matter of the names
            order=order if order is not None and order.fitted > best else None,
            few=int(support[support > 0].min()) < LEAST_IMAGES,
            same=self.same,
            guessing=_could_be_guesses(best, support),
        )

    def _first_geometry(self) -> Geometry:
        """Choose what scales are tried with: the given one, unless it is not known and some image needs one."""
        given = self.given.geometry
        for ref in self.sample.refs[:MOST_TRIED] if given == UNKNOWN else ():
            try:
                self._image(ref, given)
            except UnreadableImageError:
                continue
            except UnknownGeometryError:
                return next(iter(self.geometries))
        return given

    def _image(self, ref: ImageRef, geometry: Geometry) -> NDArray[np.uint8]:
        return self.sample.image(ref, self.given.input_shape, self.given.color_mode, geometry)

    def _readable(self, geometry: Geometry) -> tuple[list[ImageRef], NDArray[np.int64], NDArray[np.uint8]]:
        refs: list[ImageRef] = []
        images = []
        for ref in self.sample.refs:
            if len(refs) == MOST_TRIED:
                break
            try:
                images.append(self._image(ref, geometry))
            except UnreadableImageError:
                continue
            refs.append(ref)
        if not refs:
            raise DataError(
                f"there is no labelled image under {self.sample.source} that can be read", hint="give another folder"
            )
        place = {name: number for number, name in enumerate(self.names)}
        labels = np.array([place[ref.label] for ref in refs if ref.label is not None], np.int64)
        return refs, labels, np.stack(images)

    def _images(self, refs: Sequence[ImageRef], geometry: Geometry) -> tuple[NDArray[np.uint8], list[int]]:
        """Read all images by a geometry; also gives the places of those that it cannot take."""
        images = np.zeros((len(refs), *self.given.input_shape), np.uint8)
        unread = []
        for place, ref in enumerate(refs):
            try:
                images[place] = self._image(ref, geometry)
            except UnreadableImageError:  # so long and thin that this cut of it is too large
                unread.append(place)
        return images, unread

    def _raw(self, images: NDArray[np.uint8], steps: Preprocessing) -> NDArray[np.float64]:
        starts = range(0, len(images), _AT_ONCE)
        raw = np.concatenate([self.model.run(prepare(images[at : at + _AT_ONCE], steps)) for at in starts])
        return raw.reshape(len(images), -1).astype(np.float64)

    def _geometry_words(self, geometry: Geometry) -> str:
        return AS_IMPORTED if geometry == self.given.geometry else self.geometries[geometry]

    def _trial(self, answers: _Answers, words: str) -> Trial:
        rows = answers.probabilities
        wanted = _places(self.names, self.orders[words])[answers.labels]
        given = np.clip(rows[np.arange(len(rows)), wanted].astype(np.float64), LOWEST_PROBABILITY, 1.0)
        right = (rows.argmax(axis=1) == wanted) & np.isfinite(answers.raw).all(axis=1)
        steps = answers.steps
        parts = [pixel_options(steps, self.given)]
        if answers.geometry != AS_IMPORTED:
            parts.append(answers.geometry)
        options = " ".join(filter(None, parts))
        pixels = AS_IMPORTED if not pixel_options(steps, self.given) else pixel_words(steps)
        return Trial(pixels, answers.geometry, words, AS_IMPORTED, options, right, -np.log(given))

    def _outputs(self, answers: list[_Answers], judged: list[Judged], looks: int) -> list[Judged]:
        """Judge the other reading of the outputs, for the way with most right images."""
        place = max(range(len(judged)), key=lambda each: judged[each].accuracy.value)
        best, beside = answers[place // len(self.orders)], judged[place].trial
        other = other_output(best.steps, float(best.raw.min()), float(best.raw.max()))
        if other is None:
            return []
        trial = self._trial(replace(best, steps=other), beside.order)
        options = f"{beside.options} --output {'logits' if 'logit' in other.output else 'probabilities'}".strip()
        trial = replace(trial, output=other.output, options=options)
        if other.output.startswith("binary"):
            return [judge([beside, trial], 0, looks)[1]]
        return [judge_by_loss(trial, beside, looks)]


def _changes(judged: Judged) -> int:
    trial = judged.trial
    return sum(each != AS_IMPORTED for each in (trial.pixels, trial.geometry, trial.order))


def _orders(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Give the orders that the class names may belong in, by words for each."""
    orders = {AS_IMPORTED: names, "sorted": tuple(sorted(names))}
    if all(name.isdecimal() for name in names):
        orders["sorted as numbers"] = tuple(sorted(names, key=int))
    if len(names) == 2:
        orders["in reverse"] = names[::-1]
    first = {order: words for words, order in reversed(orders.items())}
    return {words: order for words, order in orders.items() if first[order] == words}


def _places(names: tuple[str, ...], order: tuple[str, ...]) -> NDArray[np.int64]:
    """Give the output of each class, (classes,), if they stand in another order."""
    place = {name: number for number, name in enumerate(order)}
    return np.array([place[name] for name in names], np.int64)


def _of_whole_numbers(given: Preprocessing) -> list[Preprocessing]:
    """List what a model can be fed that takes pixels as they are: the orders of the channels."""
    plain = [each for each in other_pixels(given) if (each.scale, each.mean, each.std) == ("none", None, None)]
    return [given, *(each for each in plain if each != given)]


def _could_be_guesses(right: int, support: NDArray[np.int64]) -> bool:
    """Whether so many right ones are no more than the largest class gives; not said of few images."""
    images = int(support.sum())
    chance = 1 - binomial_tail(right - 1, images, float(support.max()) / images)
    return images >= _LEAST_TO_DOUBT and chance > LEVEL


def _best(trials: Sequence[Trial]) -> int:
    return max(range(len(trials)), key=lambda each: int(trials[each].right.sum()))


def as_dict(check: ModelCheck) -> dict[str, Any]:
    """Give plain JSON values."""
    return {
        "images": check.images,
        "looks": check.looks,
        "ways": [_way(each) for each in (*check.judged, *check.by_output)],
        "same_pixels": check.same,
        "class_order": None if check.order is None else list(check.order.names),
        "no_better_than_guessing": check.guessing,
    }


def _way(judged: Judged) -> dict[str, Any]:
    trial, accuracy = judged.trial, judged.accuracy
    return {
        "pixels": trial.pixels,
        "geometry": trial.geometry,
        "class_order": trial.order,
        "output": trial.output,
        "options": trial.options,
        "right": int(trial.right.sum()),
        "accuracy": {"value": accuracy.value, "low": accuracy.interval.low, "high": accuracy.interval.high},
        "log_loss": judged.log_loss,
        "p_value": judged.p_value,
        "outcome": judged.outcome,
    }
