"""What can be scored, and how."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.core.choices import Format, ResizeMode
from batchclf.core.geometry import resize_mode
from batchclf.core.options import values_of
from batchclf.core.types import Split
from batchclf.data.labels import LabelMode, LabelRule
from batchclf.data.selection import EVERYTHING, Selection, rule_for
from batchclf.errors import UsageError
from batchclf.jobs.config.options import MOST_COLUMNS, ScoringOptions
from batchclf.models.bundle import Bundle, load_bundle
from batchclf.models.runtime.registry import RuntimeName, default_runtime
from batchclf.scoring.batches import default_batch_size

if TYPE_CHECKING:
    from batchclf.data.sources.addresses import Location
    from batchclf.data.sources.interface import ImageSource


class ScoreSettings(ScoringOptions, frozen=True):
    """The options of a scoring; scores are kept in `cache_folder` if `cache` asks for that."""

    cache_folder: Path | None = None

    @property
    def formats(self) -> tuple[Format, ...]:
        """The forms of the predictions, the CSV first, whether named or not; of parts it is none."""
        if self.partitioned:
            return ("parquet",)
        return ("csv", *sorted({*self.format} - {"csv"}))

    def images_a_batch(self, bundle: Bundle) -> int:
        """Give the batch size: the bundle's own, else the one that was asked for or is chosen for its images."""
        # What a model that is quantised dynamically says of an image depends on its batch (decision 163)
        return bundle.info.batch_size or self.batch_size or default_batch_size(bundle.info.input_shape)

    def runtime_for(self, bundle: Bundle) -> RuntimeName:
        """Name what runs the model: as asked for, else what the bundle's model needs."""
        return self.runtime or default_runtime(bundle)

    def resize_for(self, bundle: Bundle) -> ResizeMode:
        """Say how large images shrink: as asked for, else as the bundle's geometry wants it."""
        return resize_mode(self.resize, bundle.info.geometry)

    def writes_probabilities(self, classes: int) -> bool:
        """Whether each of so many classes has a column for its probability."""
        return classes <= MOST_COLUMNS if self.probabilities is None else self.probabilities


def check_options(options: ScoringOptions) -> None:
    """Raise UsageError if options do not go together, EngineError if Ray is asked for and not installed."""
    if options.partitioned and (others := {*options.format} - {"csv", "parquet"}):
        raise UsageError(
            f"--partitioned and --format {','.join(sorted(others))} do not go together: the parts are Parquet",
            hint="leave --format away; batchclf query and batchclf.load_run read the parts",
        )
    if options.engine == "local":
        if options.ray_address is not None:
            raise UsageError("--ray-address needs --engine ray", hint="add --engine ray, or leave --ray-address out")
        return
    if options.precision != "f32":
        raise UsageError(
            f"--engine ray and --precision {options.precision} do not go together",
            hint="score with --precision f32, or on this machine alone with --engine local",
        )
    from batchclf.scoring.engines.cluster import import_ray

    import_ray()


def score_settings(options: ScoringOptions, cache_folder: Path) -> ScoreSettings:
    """Add to the options of a scoring the folder where scores are kept; raises what `check_options` raises."""
    check_options(options)
    return ScoreSettings(**values_of(options, ScoringOptions), cache_folder=cache_folder)


def open_bundle(place: "Location") -> Bundle:
    """Open a model bundle, see `load_bundle`; one at an address is fetched, see `fetch_bundle`."""
    if isinstance(place, Path):
        return load_bundle(place)
    from batchclf.jobs.config.remote_bundle import fetch_bundle

    return fetch_bundle(place)


@dataclass(frozen=True, eq=False)
class SplitSubset:
    """A split of a data set in memory."""

    dataset: str
    class_names: tuple[str, ...]
    split: Split


@dataclass(frozen=True, slots=True)
class DirectorySubset:
    """Images of a source; `labels` may be the path of a CSV, `label_map` that of one that maps other labels to
    classes, `selection` says which files are scored.
    """

    source: "ImageSource"
    labels: "LabelMode | Location"
    selection: Selection = EVERYTHING
    label_map: "Location | None" = None

    def rule(self, class_names: tuple[str, ...]) -> LabelRule:
        """Decide where labels come from for a model of these classes.

        Raises what `rule_for` does, and PredictionsError if there are labels of more classes than can be evaluated:
        better now than after hours of scoring.
        """
        rule = rule_for(self.source, self.labels, class_names, self.selection, self.label_map)
        if rule.classes():
            from batchclf.core.metrics.confusion import check_class_count

            check_class_count(class_names)
        return rule
