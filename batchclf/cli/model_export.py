"""`batchclf model export`."""

import argparse
from typing import TYPE_CHECKING, Any

from batchclf.cli.options import file_path, keep_output_free, path, shown

if TYPE_CHECKING:
    from batchclf.cli.console import Console


def add_export(actions: Any, common: argparse.ArgumentParser) -> None:
    """Add the parser of `model export`."""
    parser = actions.add_parser(
        "export",
        parents=[common],
        help="write the ONNX graph of a model bundle, for other programs",
        description="Write the ONNX graph of a model bundle, with its class names and geometry in its metadata, as one "
        "file that ONNX Runtime runs, and that `model import` takes without options.",
    )
    parser.add_argument("bundle", type=path, metavar="BUNDLE", help="folder of the model bundle")
    parser.add_argument("--onnx", type=file_path, required=True, metavar="FILE", help="file to write")
    parser.set_defaults(handle=export_model)


def export_model(args: argparse.Namespace, console: "Console") -> int:
    """Export the graph of a bundle, and say how it is run."""
    from batchclf.models.bundle import load_bundle
    from batchclf.models.onnx_graph.export_file import export_graph, interface_of

    keep_output_free([args.onnx], console)
    bundle = load_bundle(args.bundle)
    size = export_graph(bundle, args.onnx)
    of = interface_of(bundle)
    given, result = of["input"], of["output"]
    console.say(f"wrote {shown(args.onnx)} ({size:,} bytes)")
    console.say(f"takes {_words(given)}, 0 to 255, channels: {given['channels']}")
    console.say(f"how files become such images: {of['geometry']}")
    console.say(f"gives {_words(result)}, in the order of batchclf.classes in the metadata")
    if of["batch_size"]:
        console.say(f"one image at a time: n must be {of['batch_size']}")
    return console.result({"onnx": str(args.onnx), "bytes": size, **of})


def _words(tensor: dict[str, Any]) -> str:
    return f"{tensor['name']}: {tensor['dtype']}, {' x '.join(map(str, tensor['shape']))}"
