"""Alarms: what would go unseen in a quiet run, each a rule over what is known of a directory in two runs.

`ALARMS` has an entry for each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp, lgamma
from typing import Literal, Protocol

import numpy as np

from batchclf.core.gate.rules import AlarmName, Alarms
from batchclf.core.images.drift import SURE_P, images_needed
from batchclf.core.records.run import GateResult
from batchclf.core.text import counted, first_of, percent

NAMES_IN_SENTENCE = 5


@dataclass(frozen=True, slots=True)
class DirectoryRun:
    """What is known of one directory in one run.

    `name` is the directory's in the job, `run_id` and `run_date` (YYYY-MM-DD) identify the run. `folders` counts images
    by their first folder, those at the top under ""; it is empty where they were not counted. `labels` says in words
    where labels came from; `by_folder` is whether that was from the folders. `content` is a `ContentDigest` text,
    `source` the directory's path.
    """

    name: str
    run_id: str
    run_date: str
    scored: int
    skipped: int
    folders: Mapping[str, int]
    labels: str
    by_folder: bool
    content: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class PredictedCounts:
    """How many images were given each class, and in words which or when; `run_id` is "" if in no run."""

    counts: Mapping[str, int]
    when: str
    run_id: str = ""


class Facts(Protocol):
    """What alarms may ask of a directory, read when asked; BatchclfError and OSError are alarms, too."""

    alarms: Alarms
    now: DirectoryRun

    @property
    def last(self) -> DirectoryRun:
        """The run that the alarm is `against`; raises NoLastRunError, and then the alarm has no result."""

    def with_content(self) -> tuple[DirectoryRun, DirectoryRun]:
        """Give `now` and `last` with their `content`."""

    def new_images(self) -> int:
        """Count the images of `now` that `last` has not under any name."""

    def predicted(self) -> Mapping[str, int]:
        """Give how often each class was predicted; empty if nothing was."""

    def predicted_before(self) -> PredictedCounts:
        """Give the same of `last`, or of the test images when the model was trained; empty without either."""


class NoLastRunError(Exception):
    """There is no earlier run to compare a directory with."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm; `when` says in the docs when it goes off, as Markdown.

    `against` is the run that it is compared with: the "last" one or the last "good" one; "" for none, and then it is
    checked if nothing was scored, too. What is "last" asks for new images, so a `fixed` directory does not have it.
    `check` gives None if there is nothing to judge. It is left out if the alarm `unless` has gone off.
    """

    name: AlarmName
    against: Literal["", "last", "good"]
    check: Callable[[Facts], GateResult | None]
    when: str
    unless: AlarmName | None = None


def no_images(current: DirectoryRun) -> GateResult:
    """Hold that there was something to score."""
    if current.scored:
        return _result("no-images", current, True, f"{_images(current.scored)} of {current.name} scored")
    if current.skipped:
        why = f"{_images(current.skipped)} could not be read; skipped.csv has the reasons"
    else:
        # Where the folder is not there or cannot be listed, that is said in place of where labels come from.
        listed = current.labels.startswith(("labels", "no labels"))
        why = f"{f'there was none in {current.source}' if listed else current.labels}; check whether they arrive there"
    return _result("no-images", current, False, f"no image of {current.name} was scored: {why}")


def same_images(current: DirectoryRun, last: DirectoryRun) -> GateResult:
    """Hold that the content of the images is not, as a whole and whatever their names, that of the last run."""
    if current.content != last.content:
        sentence = f"{current.name} holds other images than on {_when(last)}"
        return _result("same-images", current, True, sentence, last=last)
    sentence = (
        f"{current.name} holds exactly the same {_images(current.scored)} as on {_when(last)}; check whether new ones "
        "arrive, or set fixed = true for a directory that never changes"
    )
    return _result("same-images", current, False, sentence, last=last)


def no_new_images(current: DirectoryRun, last: DirectoryRun, new: int) -> GateResult:
    """Hold that some of the images, `new` of them, were not there in the last run under any name."""
    share = new / current.scored
    if new:
        sentence = f"of {_images(current.scored)} of {current.name} {new:,} are new since {_when(last)}"
        return _result("no-new-images", current, True, sentence, value=share, last=last)
    sentence = (
        f"none of {_images(current.scored)} of {current.name} is new since {_when(last)}; check whether new ones "
        "arrive, or set fixed = true for a directory that never changes"
    )
    return _result("no-new-images", current, False, sentence, value=share, last=last)


def fewer_images(current: DirectoryRun, last: DirectoryRun, fell_by: float) -> GateResult:
    """Hold that the number of scored images is not less by a share of `fell_by` (0 to 1) or more."""
    share = max(0.0, 1 - current.scored / last.scored)
    passed = share == 0 or share < fell_by
    skipped = f" ({current.skipped:,} more could not be read)" if current.skipped else ""
    sentence = f"{_images(current.scored)} of {current.name} scored{skipped}, {last.scored:,} on {_when(last)}"
    if not passed:
        sentence += f": {percent(share)} fewer; check whether all have arrived"
    return _result("fewer-images", current, passed, sentence, value=share, bound=fell_by, last=last)


def class_folders(current: DirectoryRun, last: DirectoryRun) -> GateResult | None:
    """Hold that images lie in the same class folders as in the last run.

    None where neither run took labels from folders, or where the folders of one were not counted.
    """
    if not current.by_folder and not last.by_folder:
        return None
    unlabelled = last.by_folder and not current.by_folder
    counted = bool(current.folders and last.folders)
    if not counted and not unlabelled:
        return None
    here, there = (_class_counts(each) if counted else {} for each in (current, last))
    gone = {name: images for name, images in there.items() if name not in here}
    new = {name: images for name, images in here.items() if name not in there}
    parts = [f"{words}: {_listed(found)}" for words, found in (("gone", gone), ("new", new)) if found]
    if unlabelled:
        why = current.labels.removeprefix("no labels").strip(" ()")
        advice = "; rename it, ignore it or map it to a class" if why.startswith("the folder '") else ""
        parts.append(f"no labels are used now{f': {why}' if why else ''}{advice}")
    if not parts:
        sentence = f"the {len(here):,} class folders of {current.name} are those of {_when(last)}"
        return _result("class-folders", current, True, sentence, last=last)
    sentence = f"the class folders of {current.name} have changed since {_when(last)}: {'; '.join(parts)}"
    return _result("class-folders", current, False, sentence, last=last)


def one_class(
    current: DirectoryRun,
    predicted: Mapping[str, int],
    before: PredictedCounts,
    share: float,
) -> GateResult | None:
    """Hold that not one class has at least `share` of the `predicted`, unless it had about as many before.

    It had clearly less where all other classes together had at least twice this run's share, and chance alone would not
    make such a difference: the p value of Fisher's exact test (one-sided) is below 0.01. So a folder that always holds
    one class raises no alarm. With so few images that no p value could be below, the alarm is not checked. None where
    there are no predictions on one side.
    """
    total, of_before = sum(predicted.values()), sum(before.counts.values())
    if not total or not of_before:
        return None
    name, most = max(predicted.items(), key=lambda item: item[1])
    then = before.counts.get(name, 0)
    others, others_before = 1 - most / total, 1 - then / of_before
    value, earlier = most / total, then / of_before
    facts = f"{percent(value)} of the predictions for {current.name} are '{name}' ({most:,} of {total:,})"
    facts += f", {percent(earlier)} {before.when}"
    # Large and beyond chance: a folder may rightly hold one class only (decision 102)
    clearly = others_before > 0 and others <= others_before / 2
    alike = value < share or not clearly
    needed = 0 if alike else images_needed(of_before, then, SURE_P) or 0
    passed = alike or fisher_greater(most, total, then, of_before) >= SURE_P
    if total < needed:
        facts += f"; not checked: too few images ({total:,} scored, at least {needed:,} are needed)"
    elif not passed:
        facts += "; look at the newest images, and for changes of the model or of what prepares the images"
    return _result(
        "one-class", current, passed, facts, value=value, bound=share, against=before.run_id, certain=total >= needed
    )


ALARMS = (
    Alarm(
        "no-images",
        "",
        lambda of: no_images(of.now),
        "nothing was scored: the folder is missing or empty, or none of its images could be read",
    ),
    Alarm(
        "same-images",
        "last",
        lambda of: same_images(*of.with_content()),
        "the images have, as a whole, the same content as those of the last run, whatever their names; not with "
        "`fixed`",
    ),
    Alarm(
        "no-new-images",
        "last",
        lambda of: no_new_images(of.now, of.last, of.new_images()),
        "every image's content was already there in the last run; not with `fixed`, nor together with `same-images`",
        unless="same-images",
    ),
    Alarm(
        "fewer-images",
        "good",
        lambda of: fewer_images(of.now, of.last, of.alarms.count_fell_by),
        "the number of scored images fell by `count_fell_by` (half) or more since the last good run",
    ),
    Alarm(
        "class-folders",
        "good",
        lambda of: class_folders(of.now, of.last),
        "if labels come from the folders: a class folder has images that had none in the last good run, or the other "
        "way round; or a new folder that is not a class has switched labels off",
    ),
    Alarm(
        "one-class",
        "good",
        lambda of: one_class(of.now, of.predicted(), of.predicted_before(), of.alarms.one_class),
        "one class has at least `one_class` (95%) of the predictions and had clearly less in the last good run or, in "
        "the first run, among the predictions for the test images when the model was trained",
    ),
)
"""The alarms in the order of their results."""


def cannot_tell(alarm: AlarmName, current: DirectoryRun, why: str, last: DirectoryRun | None = None) -> GateResult:
    """Raise an alarm that cannot be held because something cannot be read: silence would say that all is well."""
    sentence = f"alarm {alarm} not checked for {current.name}: {why}"
    return _result(alarm, current, False, sentence, last=last, missing=True)


def fisher_greater(hits: int, n: int, other_hits: int, other_n: int) -> float:
    """Compute the one-sided p value of Fisher's exact test (R. A. Fisher, 1922): is the first share the greater one?

    That is the chance of at least `hits` of `n` where `hits + other_hits` are drawn of all `n + other_n`, by the
    hypergeometric distribution. Needs 0 <= hits <= n and 0 <= other_hits <= other_n.
    """
    marked, total = hits + other_hits, n + other_n
    first = _log_choose(marked, hits) + _log_choose(total - marked, n - hits) - _log_choose(total, n)
    # Each next term of the tail is a known share of the one before.
    counts = np.arange(hits, min(n, marked), dtype=np.float64)
    ratios = (marked - counts) / (counts + 1) * ((n - counts) / (total - marked - n + counts + 1))
    return min(1.0, exp(first) + float(np.exp(first + np.cumsum(np.log(ratios))).sum()))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _class_counts(run: DirectoryRun) -> dict[str, int]:
    return {name: images for name, images in run.folders.items() if name}


def _images(count: int) -> str:
    return counted(count, "image")


def _when(last: DirectoryRun) -> str:
    return last.run_date


def _listed(folders: Mapping[str, int]) -> str:
    return first_of([f"'{name}' ({_images(images)})" for name, images in folders.items()], NAMES_IN_SENTENCE)


def _result(
    alarm: AlarmName,
    current: DirectoryRun,
    passed: bool,
    sentence: str,
    *,
    value: float | None = None,
    bound: float | None = None,
    last: DirectoryRun | None = None,
    against: str = "",
    missing: bool = False,
    certain: bool = True,
) -> GateResult:
    return GateResult(
        name=f"{alarm}[{current.name}]",
        value=value,
        bound=bound,
        passed=passed,
        sentence=sentence,
        certain=certain,
        missing=missing,
        kind="alarm",
        subset=current.name,
        against=last.run_id if last else against,
    )
