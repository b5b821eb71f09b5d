"""Options of how to score, and the account of where the time went."""

import argparse
import os
from typing import TYPE_CHECKING, get_args

from batchclf.cli.options import positive
from batchclf.models.runtime.registry import Device, Precision, RuntimeName

if TYPE_CHECKING:
    from batchclf.core.records.run import RunRecord
    from batchclf.jobs.config.settings import ScoreSettings

FORMATS = ("csv", "jsonl", "parquet")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the options of how to score and what to write."""
    parser.add_argument(
        "--batch-size",
        type=positive,
        metavar="N",
        help="images that the model is given at a time (default: 16 to 128, by the size of its input)",
    )
    parser.add_argument(
        "--workers", type=positive, default=os.cpu_count() or 1, metavar="N", help="decoding workers (default: cores)"
    )
    parser.add_argument("--topk", type=positive, default=3, metavar="K", help="classes a row, best first (default: 3)")
    parser.add_argument("--probabilities", action="store_true", help="write a column for each class's probability")
    parser.add_argument(
        "--format",
        type=formats,
        default="csv",
        metavar="LIST",
        help="files of predictions to write, of csv, jsonl and parquet; csv is always among them (default: csv)",
    )
    parser.add_argument(
        "--runtime", choices=get_args(RuntimeName), default="onnx", help="what runs the model (default: onnx)"
    )
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="f32",
        help="bf16 is faster and less exact; needs the extra openvino (default: f32)",
    )
    parser.add_argument(
        "--device",
        choices=get_args(Device),
        default="cpu",
        help="where the model is run; cuda is a GPU of NVIDIA (default: cpu)",
    )
    parser.add_argument(
        "--resize",
        choices=("fast", "exact"),
        default="fast",
        help="how large images shrink: fast may decode them at a reduced size, exact never does (default: fast)",
    )
    parser.add_argument(
        "--cache", action="store_true", help="keep scores in REPORTS/cache, and do not score the same image again"
    )
    parser.add_argument("--explain-time", action="store_true", help="say where the time went")


def formats(text: str) -> tuple[str, ...]:
    """Read a list of formats; csv comes first, whether named or not."""
    named = [name.strip() for name in text.split(",")]
    unknown = [name for name in named if name not in FORMATS]
    if unknown:
        raise argparse.ArgumentTypeError(f"'{unknown[0]}' is no format; choose of: {', '.join(FORMATS)}")
    return tuple(name for name in FORMATS if name == "csv" or name in named)


def score_settings(args: argparse.Namespace) -> "ScoreSettings":
    """Gather what `add_engine` has read."""
    from batchclf.jobs.config.settings import ScoreSettings
    from batchclf.storage.run.published import CACHE

    return ScoreSettings(
        runtime=args.runtime,
        batch_size=args.batch_size,
        workers=args.workers,
        topk=args.topk,
        probabilities=args.probabilities,
        formats=args.format,
        precision=args.precision,
        device=args.device,
        resize=args.resize,
        cache=args.reports / CACHE if args.cache else None,
    )


def explain_time(record: "RunRecord") -> list[str]:
    """Say where the time of a run went, a line a step; the steps of scoring go on side by side."""
    lines = ["where the time went, in seconds:"]
    for step, seconds in record.timings.items():
        lines.append(f"{step:<12}{seconds:9.2f}")
        if step == "score":
            lines += [_explained(name, record) for name in record.subsets[0].timings]
    whole = record.seconds + record.timings.get("report", 0.0)
    other = max(0.0, whole - sum(record.timings.values()))
    return [*lines, f"{'other':<12}{other:9.2f}", f"{'whole run':<12}{whole:9.2f}"]


def _explained(name: str, record: "RunRecord") -> str:
    seconds = sum(subset.timings[name] for subset in record.subsets)
    images = sum(subset.scored + subset.skipped for subset in record.subsets)
    notes = {
        "list": f"walking through {sum(subset.found for subset in record.subsets):,} files",
        "read": "reading files, added up over the workers",
        "decode": f"decoding and resizing {images:,} images, added up over the workers",
        "model": f"{sum(subset.scored - subset.cached for subset in record.subsets):,} images",
        "write": "writing the predictions",
    }
    return f"  {name:<10}{seconds:9.2f}  {notes[name]}"
