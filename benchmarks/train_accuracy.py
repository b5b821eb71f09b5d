"""Train a recipe on Fashion MNIST and print how long it took and how good it is.

    python benchmarks/train_accuracy.py RECIPE [--seeds 0] [--data-dir DIR]

For each seed a line: seconds of training by the clock and by the processor (all cores added up, so on 2 free cores the
clock shows about half), validation and test accuracy. The test images choose nothing: compare recipes by the accuracy
on the validation images. Other work on the machine lengthens the clock's seconds; the processor's change little.
"""

import argparse
import os
import resource
import tempfile
from pathlib import Path

SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Variables that make numpy slow if they are set."""


def main() -> None:
    """Train once for each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a recipe's name, or MODULE:FUNCTION")
    parser.add_argument("--seeds", default="0", metavar="N,…", help="seeds with commas between them (default: 0)")
    parser.add_argument("--data-dir", type=Path, help="folder of Fashion MNIST's files")
    args = parser.parse_args()
    for name in SLOWING:
        os.environ.pop(name, None)
    from batchclf.data.catalog import load_dataset
    from batchclf.training.train_bundle import TrainSettings, train

    dataset = load_dataset("fashion-mnist", data_dir=args.data_dir, say=print)
    for seed in map(int, args.seeds.split(",")):
        before = _processor()
        settings = TrainSettings(args.recipe, seed=seed, recipe_folder=Path.cwd())
        with tempfile.TemporaryDirectory() as folder:
            info = train(dataset, settings, Path(folder) / "bundle", say=print, on_epoch=_print).info
        record = info.training
        assert record is not None
        accuracies = ", ".join(f"{name} accuracy {right.accuracy:.4f}" for name, right in record.final.items())
        print(
            f"{args.recipe}, seed {seed}: {info.parameters:,} parameters, {record.epochs} epochs, "
            f"{record.seconds:.0f} s by the clock, {_processor() - before:.0f} s of the processor; {accuracies}"
        )


def _print(epoch: int, metrics: dict[str, float]) -> None:
    print(f"epoch {epoch}: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()), flush=True)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
