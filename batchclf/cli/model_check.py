"""`batchclf model check`, and the same at an import: whether a model is fed as it was trained."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf import atomic
from batchclf.cli.options import add_options, location, path
from batchclf.errors import DataError, ExitCode
from batchclf.jobs.config.options import DirectoryOptions

if TYPE_CHECKING:
    from batchclf.cli.console import Console
    from batchclf.core.compare.alternatives import Judged
    from batchclf.data.sample import Sample
    from batchclf.jobs.setup.model_check import ModelCheck
    from batchclf.models.bundle import Bundle


def add_check(actions: Any, common: argparse.ArgumentParser) -> None:
    """Add the parser of `model check`."""
    parser = actions.add_parser(
        "check",
        parents=[common],
        help="try on labelled images whether a model bundle is fed as its model was trained",
        description="Score up to 500 labelled images as the bundle says and in other ways: other scales, orders of "
        "channels, geometries, orders of the class names, readings of the outputs. Say how many are right in each, and "
        f"which ways are better beyond chance. Exit code {ExitCode.ERROR} if one is.",
    )
    parser.add_argument("bundle", type=path, metavar="BUNDLE", help="folder of the model bundle")
    parser.add_argument(
        "directory",
        type=location,
        metavar="DIR",
        help="folder of labelled images, shards, or s3://BUCKET/PREFIX",
    )
    add_options(parser, DirectoryOptions, "labels")
    parser.set_defaults(handle=check_bundle)


def check_bundle(args: argparse.Namespace, console: "Console") -> int:
    """Check a bundle."""
    from batchclf.cli.selection import labels_from
    from batchclf.data.sample import sample_of
    from batchclf.jobs.setup.model_check import as_dict
    from batchclf.models.bundle import load_bundle

    bundle = load_bundle(args.bundle)
    sample = sample_of(args.directory, bundle.info.class_names, labels_from(args.labels))
    if not sample.labelled:
        raise DataError(
            f"no image of {args.directory} has a label, so no way to feed the model can be judged: {sample.sentence}",
            hint="lay images out as CLASS/*.png with the class names of the model, or give --labels FILE.csv",
        )
    found = check_and_say(bundle, sample, console)
    return console.result(as_dict(found), ExitCode.ERROR if found.wrong else ExitCode.OK)


def check_and_say(bundle: "Bundle", sample: "Sample", console: "Console") -> "ModelCheck":
    """Check a bundle on a labelled sample, and say what came of it; what is wrong as a warning."""
    from batchclf.core.compare.fitted_order import CLASS_ORDER_FILE
    from batchclf.core.text import counted
    from batchclf.jobs.setup.model_check import MOST_TRIED, check_model

    tried = min(MOST_TRIED, len(sample.refs))
    console.say(f"trying other ways to feed the model on {counted(tried, 'labelled image')}; {sample.sentence}")
    found = check_model(bundle, sample, progress=console.progress)
    words = _Words(found, bundle.path.with_name(f"{bundle.path.name}.{CLASS_ORDER_FILE}"))
    words.say_ways(console)
    if found.advised:
        words.advise(console)
    else:
        console.say(words.no_other_way())
    words.say_doubts(console)
    return found


class _Words:
    """Says what came of a check; the class names go to `file` if they stand in another order than they should."""

    def __init__(self, found: "ModelCheck", file: Path) -> None:
        from batchclf.core.text import count, counted
        from batchclf.jobs.setup.model_check import AS_IMPORTED

        self.found, self.file, self.given = found, file, AS_IMPORTED
        self.written = found.advised[0].trial.order if found.advised else AS_IMPORTED
        self.images = f"{counted(found.images, 'sample image')} with a label"
        self.counting = f"McNemar's exact test, {count(found.looks)} ways counted"
        self.shown = [each for each in found.judged if each.trial.order == AS_IMPORTED or each.outcome == "better"]

    def say_ways(self, console: "Console") -> None:
        from batchclf.core.text import count, percent, percent_interval

        reference = self.found.reference
        if self.found.as_it_is:
            console.say(
                f"of {self.images} {count(int(reference.trial.right.sum()))} are predicted right: "
                f"{percent(reference.accuracy.value)} (95% interval {percent_interval(reference.accuracy)})"
            )
        _say_table(self.shown + self.found.by_output, self.found, console)
        for geometry, others in self.found.same.items():
            beside = "the bundle's geometry" if geometry == self.given else geometry
            console.say(f"the same pixels as with {beside}, for these images: {', '.join(others)}")

    def advise(self, console: "Console") -> None:
        best, *others = self.found.advised
        if self.written != self.given:
            self._write(self.found.orders[self.written])
        console.warn(f"{self._instead(best)} ({self.counting}); import the model again with {self.options(best)}")
        if others:
            console.say(f"as good within chance: {', '.join(map(self.options, others))}")

    def no_other_way(self) -> str:
        from batchclf.core.text import percent

        reference = self.found.reference
        if self.found.as_it_is:
            return f"no other way is better beyond chance ({self.counting})"
        equal = [self.options(each) for each in self.shown if each.outcome == "within chance"]
        as_good = f"; as good within chance ({self.counting}): {', '.join(equal)}" if equal else f" ({self.counting})"
        return (
            f"most are right with {self.options(reference) or self.given}: {percent(reference.accuracy.value)}{as_good}"
        )

    def say_doubts(self, console: "Console") -> None:
        from batchclf.core.compare.fitted_order import LEAST_IMAGES, fitted_order_sentence
        from batchclf.core.text import decimal

        found = self.found
        if (output := found.advised_output) is not None:
            console.warn(
                f"the model's outputs seem to be {output.trial.output}: the log loss is {decimal(output.log_loss)} if "
                f"they are read so, and {decimal(found.judged[0].log_loss)} otherwise; import the model again with "
                f"{self.options(output)}"
            )
        if found.guessing:
            console.warn(
                f"in no way that was tried are more of the {self.images} right than by naming one class for all; "
                "check that the class names and the labels are those of the model"
            )
        if found.order is not None:
            self._write(found.order.names)
            console.warn(fitted_order_sentence(found.order, str(self.file)))
        elif found.few:
            console.say(f"whether the class names are in the model's order needs {LEAST_IMAGES} images of each class")

    def options(self, judged: "Judged") -> str:
        order = judged.trial.order
        names = self.file if order == self.written else f"with the names {order}"
        return " ".join(filter(None, [judged.trial.options, "" if order == self.given else f"--classes {names}"]))

    def _instead(self, best: "Judged") -> str:
        from batchclf.core.text import percent

        trial, beside = best.trial, percent(self.found.reference.accuracy.value)
        if trial.pixels == trial.geometry == self.given:
            return (
                f"the class names do not seem to be in the order of the model's outputs: {beside} are right as given, "
                f"{percent(best.accuracy.value)} with the names {trial.order}"
            )
        return (
            f"the model seems to want other input than it gets: {beside} are right as imported, and "
            f"{percent(best.accuracy.value)} in another way"
        )

    def _write(self, names: tuple[str, ...]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(self.file, "\n".join(names) + "\n")


def _say_table(ways: "list[Judged]", found: "ModelCheck", console: "Console") -> None:
    from batchclf.cli.tables import say_table
    from batchclf.core.text import count, decimal, p_value, percent

    header = ["pixels", "geometry", "classes", "outputs", "right", "accuracy", "log loss"]
    header.append("beside as imported" if found.as_it_is else "beside the best")
    rows = [
        [
            each.trial.pixels,
            each.trial.geometry,
            each.trial.order,
            each.trial.output,
            count(int(each.trial.right.sum())),
            percent(each.accuracy.value),
            decimal(each.log_loss),
            each.outcome + (f" ({p_value(each.p_value)})" if each.outcome in ("better", "worse") else ""),
        ]
        for each in ways
    ]
    # Columns that say the same of all are left out
    kept = [place for place in range(len(header)) if place not in (2, 3) or len({row[place] for row in rows}) > 1]
    right = [number for number, place in enumerate(kept) if place in (4, 5, 6)]
    say_table(console.say, [header[place] for place in kept], [[row[place] for place in kept] for row in rows], right)
