"""`batchclf model import|show|check|export`."""

import argparse
from typing import TYPE_CHECKING, Any, get_args

from batchclf.cli.model_check import add_check, check_and_say
from batchclf.cli.model_export import add_export
from batchclf.cli.options import add_option, add_options, describe, folder_path, location, options_from, path
from batchclf.core.choices import AskedLayout, AskedOutput
from batchclf.core.geometry import GeometryOptions
from batchclf.jobs.config.options import DataSpec
from batchclf.training.options import SCALING, TrainingOptions

if TYPE_CHECKING:
    from batchclf.cli.console import Console

EXAMPLES = """\
examples:
  batchclf model import shoes.keras --classes boot,sandal,sneaker --scale 0..1 --out models/shoes
  batchclf model import exported/ --classes class_indices.json --out models/shoes
  batchclf model import resnet.onnx --classes labels.txt --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 \\
      --like torchvision --sample photos/ --out models/resnet
  batchclf model import vit-folder/ --out models/vit
  batchclf model show models/shoes
  batchclf model check models/shoes photos/
  batchclf model export models/shoes --onnx shoes.onnx
"""

_IMPORT = (
    *("input_size", "color", "channel_order", "layout", "scale", "mean", "std", "output", "output_name", "renormalize"),
)
_OPEN = {"unset": "from the model", "more": ""}


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parsers."""
    parser = verbs.add_parser(
        "model",
        help="import a model that was trained elsewhere; show, check or export a model bundle",
        description="Make a model bundle of a Keras, SavedModel or ONNX model, show what a bundle holds, check on "
        "labelled images whether it is fed as its model was trained, or write its ONNX graph for other programs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_import(actions, common)
    show = actions.add_parser(
        "show", parents=[common], help="classes, input, preprocessing, origin and files of a model bundle"
    )
    show.add_argument("bundle", type=path, metavar="BUNDLE", help="folder of the model bundle")
    show.set_defaults(handle=show_model)
    add_check(actions, common)
    add_export(actions, common)


def _add_import(actions: Any, common: argparse.ArgumentParser) -> None:
    parser = actions.add_parser(
        "import",
        parents=[common],
        help="make a model bundle of a Keras, SavedModel, TFLite or ONNX model",
        description="Make a model bundle of a .keras, .h5, .tflite or .onnx file, a SavedModel folder, or a folder of "
        "Hugging Face with an .onnx file. What the model, config.json or preprocessor_config.json says need not be "
        "given.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "path",
        type=path,
        metavar="PATH",
        help=".keras, .h5, .tflite or .onnx file, SavedModel folder, or folder with one .onnx file",
    )
    parser.add_argument(
        "-o", "--out", type=folder_path, required=True, metavar="BUNDLE", help="folder of the model bundle"
    )
    classes = parser.add_argument(
        "--classes",
        metavar="FILE|A,B,C",
        help="class names in the order of the model's outputs: a file (lines, CSV, JSON, YAML) or a list with commas",
    )
    describe(classes, unset="from an ONNX file or the config.json beside it, if they name them")
    parser.add_argument(
        "--unique-names",
        action="store_true",
        help="add the WordNet id or the index to class names that occur more than once",
    )
    add_option(parser, DataSpec, "input_size", about="height and width, if the model leaves them open", **_OPEN)
    add_option(parser, DataSpec, "color", about="what the model takes, if it leaves its channels open", **_OPEN)
    layout = parser.add_argument(
        "--layout", choices=get_args(AskedLayout), help="order of the axes, if the model's input shape leaves it open"
    )
    describe(layout, unset="from the model")
    add_options(parser, TrainingOptions, *SCALING)
    add_options(parser.add_argument_group("geometry", "how files are cut and resized"), GeometryOptions)
    output = parser.add_argument(
        "--output",
        choices=get_args(AskedOutput),
        default="auto",
        help="what the model gives; auto: found from its last operation, else from its outputs for sample images",
    )
    describe(output)
    output_name = parser.add_argument(
        "--output-name", metavar="NAME", help="which of several outputs of the model holds the probabilities or logits"
    )
    describe(output_name, unset="the only one")
    parser.add_argument(
        "--renormalize",
        action="store_true",
        help="divide the probabilities of each image by their sum, if the model's do not add up to 1",
    )
    sample = parser.add_argument(
        "--sample",
        type=location,
        metavar="DIR",
        help="also check on images of this folder, shards or s3://BUCKET/PREFIX; with class folders other ways to feed "
        "the model are tried, too",
    )
    describe(sample, unset="made images only")
    parser.set_defaults(handle=import_model)


def import_model(args: argparse.Namespace, console: "Console") -> int:
    """Import a model."""
    from batchclf.jobs.setup.import_bundle import import_bundle
    from batchclf.jobs.setup.model_check import as_dict as check_as_dict
    from batchclf.models.describe import as_dict

    imported = import_bundle(
        args.path,
        args.classes,
        options_from(args, GeometryOptions),
        args.out,
        unique_names=args.unique_names,
        sample=args.sample,
        say=console.say,
        warn=console.warn,
        **{name: getattr(args, name) for name in _IMPORT},
    )
    bundle, sample = imported.bundle, imported.sample
    check = None
    if sample is not None and sample.labelled:
        check = check_and_say(bundle, sample, console)
    elif sample is not None:
        console.say(f"no other way to feed the model was tried, which needs labels: {sample.sentence}")
    console.say(f"score with it: batchclf score DIR --model {args.out}")
    return console.result(as_dict(bundle) | ({} if check is None else {"check": check_as_dict(check)}))


def show_model(args: argparse.Namespace, console: "Console") -> int:
    """Show a bundle."""
    from batchclf.models.bundle import load_bundle
    from batchclf.models.describe import as_dict, as_lines
    from batchclf.models.runtime.registry import runtimes_of

    bundle = load_bundle(args.bundle)
    for line in as_lines(bundle, runtimes_of(bundle)):
        console.say(line)
    return console.result(as_dict(bundle))
