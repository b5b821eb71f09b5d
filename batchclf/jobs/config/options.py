"""The options that job files and the command line share; those of a training are in `training/options.py`."""

import os
from typing import Annotated

import msgspec

from batchclf.core.choices import ColorMode, DatasetName, EngineName, Format, ReportFormat, ResizeMode, Store
from batchclf.core.geometry import OF_GEOMETRY, GeometryOptions
from batchclf.core.options import InnerShare, NotNegative, PathText, Positive, Seconds, Share, SizeText, Text, option
from batchclf.data.decoding.limits import IMAGE_TIMEOUT, MAX_PIXELS, Limits
from batchclf.errors import ExitCode
from batchclf.models.runtime.registry import Device, Precision, RuntimeName

MOST_COLUMNS = 100
"""Up to so many classes have a column each for their probabilities by default (decision 137)."""


LabelMap = Annotated[
    PathText | None,
    option(
        "a CSV that maps other labels to classes: label,class, or ignore for class",
        example="labels-to-classes.csv",
        unset="labels are classes",
        metavar="FILE",
        more="see [Labels that are no classes](scoring.md#labels-that-are-no-classes)",
    ),
]

DeadlineText = Annotated[
    Text | None,
    option(
        "score nothing more after this time, as 2h or 45m, and publish a partial result",
        example="2h",
        unset="no limit",
        metavar="TIME",
        more="see [Runs, deadlines and run dates](jobs.md#runs-deadlines-and-run-dates)",
    ),
]

FollowSymlinks = Annotated[
    bool,
    option(
        "follow symbolic links to folders and out of the folder",
        more="see [Choosing files and labels](scoring.md#choosing-files-and-labels)",
    ),
]

OF_FOLDERS = ("label_map", "test_size", "group_by", "input_size", "color", *OF_GEOMETRY, "store", "follow_symlinks")
"""Keys of [data] that are about class folders."""

OF_IMAGES = ("image_timeout", "max_pixels")
"""Keys of [scoring] that are about image files: class folders are read within the same limits."""


class DataSpec(GeometryOptions, frozen=True, forbid_unknown_fields=True):
    """[data]: a data set by name or a folder of class folders; `data_dir` is where a named one's files lie."""

    dataset: Annotated[
        DatasetName | None, option("a data set by name", example="fashion-mnist", unset="this or class folders")
    ] = None
    directory: Annotated[
        PathText | None,
        option(
            "class folders: DIR/CLASS/*, or DIR/train/CLASS/* and DIR/test/CLASS/*",
            example="../photos",
            unset="this or a data set by name",
            metavar="DIR",
            more="see [Images to train on](models.md#images-to-train-on)",
        ),
    ] = None
    label_map: LabelMap = None
    data_dir: Annotated[
        PathText | None,
        option(
            "folder that holds the files of a data set by name",
            example="../data",
            unset="$BATCHCLF_DATA_DIR, the cache, or a download",
            metavar="DIR",
        ),
    ] = None
    test_size: Annotated[
        InnerShare | None,
        option(
            "part of each class that is test, chosen by the seed; not used if there are train/ and test/",
            example=0.2,
            unset="0.2",
            metavar="SHARE",
            more="for a model that is loaded [every image that it was not trained on is "
            "test](models.md#images-to-train-on)",
        ),
    ] = None
    group_by: Annotated[
        Text | None,
        option(
            "images of the same text in the path, found by this regular expression, are all train or all test",
            example="(patient[0-9]+)_",
            unset="no groups",
            metavar="REGEX",
            more="the text in its parentheses, or the whole match without any; numbers in braces are no placeholders",
        ),
    ] = None
    input_size: Annotated[
        SizeText | None,
        option(
            "height and width in pixels that a new model takes",
            example="96x96",
            unset="the first image's, at most 96 on the longer side",
            metavar="HxW",
            more="a loaded model keeps its own, and a line says so",
        ),
    ] = None
    color: Annotated[
        ColorMode | None,
        option(
            "what a new model takes",
            example="rgb",
            unset="rgb if an image has colour",
            more="a loaded model keeps its own, and a line says so",
        ),
    ] = None
    store: Annotated[
        Store,
        option("where the pixels are kept; auto: on disk if they would take more than half of the memory"),
    ] = "auto"
    follow_symlinks: FollowSymlinks = False


class ScoringOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How images are scored, as a job file and the command line have it."""

    batch_size: Annotated[
        Positive | None,
        option(
            "images that the model is given at a time",
            example=64,
            unset="16 to 128, by the size of its input",
            metavar="N",
        ),
    ] = None
    workers: Annotated[
        Positive | None, option("how many decode side by side", example=2, unset="the number of cores", metavar="N")
    ] = None
    engine: Annotated[
        EngineName,
        option(
            "what scores folders: this machine, or workers of Ray, which needs the extra ray",
            more="see [Past one machine](engines.md)",
        ),
    ] = "local"
    ray_address: Annotated[
        Text | None,
        option(
            "the cluster of Ray: auto for one on this machine, HOST:PORT or ray://HOST:PORT",
            example="auto",
            unset="$RAY_ADDRESS, or a cluster that is started for the run and ended",
            metavar="ADDRESS",
            more="see [Past one machine](engines.md)",
        ),
    ] = None
    topk: Annotated[Positive, option("classes a row of predictions.csv, best first", metavar="K")] = 3
    probabilities: Annotated[
        bool | None,
        option(
            "a column for each class's probability, which log loss, Brier score and ROC need",
            example=True,
            unset=f"if there are at most {MOST_COLUMNS} classes",
        ),
    ] = None
    runtime: Annotated[
        RuntimeName | None,
        option("what runs the model", example="onnx", unset="onnx, but litert for a model that came as a TFLite file"),
    ] = None
    precision: Annotated[
        Precision,
        option(
            "arithmetic of the model; bf16 is faster and less exact, and needs the extra openvino",
            more="see [Long runs and speed](scoring.md#long-runs-and-speed)",
        ),
    ] = "f32"
    device: Annotated[
        Device,
        option(
            "where the model is run; cuda is a GPU of NVIDIA",
            more="see [GPUs and other builds](commands.md#gpus-and-other-builds)",
        ),
    ] = "cpu"
    resize: Annotated[
        ResizeMode | None,
        option(
            "how large images shrink: fast may decode them at a reduced size, exact never does",
            example="exact",
            unset="fast; exact for a model whose geometry is another library's",
            more="see [Fast and exact](scoring.md#fast-and-exact)",
        ),
    ] = None
    image_timeout: Annotated[
        Seconds,
        option(
            "seconds after which an image that is still being decoded is skipped",
            metavar="SECONDS",
            more="see [Long runs and speed](scoring.md#long-runs-and-speed)",
        ),
    ] = IMAGE_TIMEOUT
    max_pixels: Annotated[Positive, option("an image of more pixels is skipped", metavar="N")] = MAX_PIXELS
    format: Annotated[
        list[Format], option("files of predictions to write; csv is always among them", metavar="LIST")
    ] = msgspec.field(default_factory=lambda: ["csv"])
    partitioned: Annotated[
        bool,
        option(
            "write predictions as Parquet files of some thousand rows each, in place of predictions.csv; needs the "
            "extra parquet",
            more="see [Predictions in parts](run-directory.md#predictions-in-parts)",
        ),
    ] = False
    cache: Annotated[bool, option("keep scores in REPORTS/cache, and do not score the same image again")] = False

    @property
    def limits(self) -> Limits:
        """What a single image may take."""
        return Limits(self.max_pixels, self.image_timeout)

    @property
    def worker_count(self) -> int:
        """How many decode side by side."""
        return self.workers or os.cpu_count() or 1


class DirectoryOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files of a folder are scored, and with which labels, as a job file and the command line have it."""

    labels: Annotated[
        PathText,
        option(
            "where labels come from: auto, folders (the class folders), none, or a CSV file",
            metavar="{auto,folders,none,FILE}",
            more="see [Choosing files and labels](scoring.md#choosing-files-and-labels)",
        ),
    ] = "auto"
    label_map: LabelMap = None
    glob: Annotated[
        list[Text], option("only files that match, as in a gitignore file", example=["*.jpg"], metavar="PATTERN")
    ] = []
    follow_symlinks: FollowSymlinks = False
    max_skipped: Annotated[
        str | None,
        option(
            f"the run is partial (exit code {ExitCode.PARTIAL}) if more images cannot be read, N or P%",
            example="1%",
            unset="any number",
            metavar="LIMIT",
        ),
    ] = None


class SliceOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By what the labelled images are sliced, as a job file and the command line have it."""

    metadata: Annotated[
        PathText | None,
        option(
            "a CSV of what is known of the images, with the column path; accuracy is shown by each other column",
            example="metadata.csv",
            unset="none",
            metavar="FILE",
            more="see [Slices](slices.md)",
        ),
    ] = None
    path_pattern: Annotated[
        Text | None,
        option(
            "a regular expression that is looked for in each path; accuracy is shown by each of its named groups",
            example="camera(?P<camera>[0-9]+)_",
            unset="none",
            metavar="REGEX",
            more="see [Slices](slices.md)",
        ),
    ] = None
    min_slice: Annotated[
        Positive, option("the weakest slices are searched for among those of so many labelled images", metavar="N")
    ] = 50


class ThresholdOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which probability on an image is positive, and what errors cost, as `SliceOptions`."""

    positive_class: Annotated[
        Text | None,
        option(
            "of two classes the one that is looked for",
            example="defect",
            unset="the second one, and the report says so",
            metavar="CLASS",
            more="see [Thresholds](slices.md#thresholds)",
        ),
    ] = None
    threshold: Annotated[
        Share, option("probability of the positive class from which on an image is positive", metavar="T")
    ] = 0.5
    at_recall: Annotated[
        Share, option("recall of the positive class that the best threshold is to keep", metavar="SHARE")
    ] = 0.9
    at_precision: Annotated[
        Share, option("precision of the positive class that the best threshold is to keep", metavar="SHARE")
    ] = 0.9
    error_cost: Annotated[
        NotNegative | None,
        option(
            "what an error costs, to find the confidence below which a person should look",
            example=10.0,
            unset="no costs",
            metavar="COST",
            more="see [Refusing unsure images](slices.md#refusing-unsure-images)",
        ),
    ] = None
    review_cost: Annotated[
        NotNegative | None,
        option(
            "what a look by a person costs, in the unit of the cost of an error",
            example=1.0,
            unset="no costs",
            metavar="COST",
        ),
    ] = None


class DeadlineOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a run may score."""

    deadline: DeadlineText = None


class ReportOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The report's forms, templates and pictures, as a job file and the command line have them."""

    format: Annotated[list[ReportFormat], option("forms of the report", metavar="LIST")] = msgspec.field(
        default_factory=lambda: ["html"]
    )
    templates: Annotated[
        PathText | None,
        option(
            "a folder whose templates replace the built-in ones of the same name",
            example="../templates",
            unset="the built-in ones",
            metavar="DIR",
        ),
    ] = None
    pictures: Annotated[
        bool,
        option(
            "show some of the images in the HTML report; without it there is nothing of any image's pixels in it",
            more="see [Reports without pictures](reports.md#reports-without-pictures)",
        ),
    ] = True


class RetentionSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[retention]: which runs stay; None keeps all. Baselines, the last good run and the latest one always stay."""

    keep_runs: Annotated[
        Positive | None,
        option(
            "the newest N runs stay", example=30, unset="all", metavar="N", more="see [Retention](history.md#retention)"
        ),
    ] = None
    keep_days: Annotated[
        Positive | None, option("the runs of the last D days stay", example=90, unset="all", metavar="D")
    ] = None
