"""Train the tutorial's model with batchclf and as the tutorial does, in turn, each in a process of its own.

    python benchmarks/train_speed.py [--rounds 5] [--data-dir DIR]

Needs ../shared/bench beside the repository (the tutorial's script with its data), and TensorFlow. Round N has the seed
N - 1 with batchclf; the tutorial sets no seed. The time of fit is that of the epochs alone: with batchclf that of
`batchclf.training.epochs.fit`, which includes compiling and measuring the test images after each epoch; of the tutorial
that of `model.fit`, which measures nothing. The whole process with batchclf also writes and checks the bundle; the
tutorial's also evaluates both splits.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, median, stdev

TUTORIAL = Path(__file__).resolve().parents[2] / "shared" / "bench" / "tutorial_train.py"
SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Variables that make numpy slow if they are set."""


def main() -> None:
    """Measure, or train once as the child that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="trainings of each (default: 5)")
    parser.add_argument("--data-dir", type=Path, help="folder of Fashion MNIST's files")
    parser.add_argument("--child", type=int, metavar="SEED", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child is not None:
        _child(args.child, args.data_dir)
        return
    if not TUTORIAL.is_file():
        sys.exit("the tutorial's script is not there: ../shared/bench beside the repository is needed")
    data_dir = ["--data-dir", str(args.data_dir)] if args.data_dir else []
    rounds: dict[str, list[tuple[float, float, float]]] = {"tutorial": [], "batchclf": []}
    for number in range(args.rounds):
        commands = {"tutorial": [str(TUTORIAL)], "batchclf": [__file__, "--child", str(number), *data_dir]}
        for name, command in commands.items():
            rounds[name].append(_measured(command))
            fit, whole, accuracy = rounds[name][-1]
            print(f"round {number + 1}: {name} fit {fit:.2f} s, process {whole:.2f} s, test accuracy {accuracy:.4f}")
            sys.stdout.flush()
    _print(rounds)


def _measured(command: list[str]) -> tuple[float, float, float]:
    """Seconds of fit, seconds of the whole process, test accuracy."""
    environment = {name: value for name, value in os.environ.items() if name not in SLOWING}
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
    whole = time.perf_counter() - began
    found = re.search(r"fit_s=(\S+).* test_accuracy=(\S+)", done.stdout)
    if done.returncode or found is None:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr[-2000:]}")
    return float(found[1]), whole, float(found[2])


def _child(seed: int, data_dir: Path | None) -> None:
    from batchclf.data.catalog import load_dataset
    from batchclf.training import train_bundle as training

    dataset = load_dataset("fashion-mnist", data_dir=data_dir, say=print)
    seconds, fit = [0.0], training.fit

    def timed(*args: object, **options: object) -> object:
        began = time.perf_counter()
        history = fit(*args, **options)
        seconds[0] = time.perf_counter() - began
        return history

    training.fit = timed
    settings = training.TrainSettings("mlp", seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bundle"
        bundle = training.train(dataset, settings, out, say=print, on_epoch=lambda number, metrics: None)
    print(f"fit_s={seconds[0]:.2f} test_accuracy={bundle.info.history['val_accuracy'][-1]:.4f}")


def _print(rounds: dict[str, list[tuple[float, float, float]]]) -> None:
    for name, values in rounds.items():
        fits, wholes, accuracies = zip(*values, strict=True)
        spread = f" +- {stdev(accuracies):.4f}" if len(accuracies) > 1 else ""
        print(
            f"{name}: fit median {median(fits):.2f} s ({min(fits):.2f} to {max(fits):.2f}), process median "
            f"{median(wholes):.2f} s ({min(wholes):.2f} to {max(wholes):.2f}), test accuracy mean "
            f"{mean(accuracies):.4f}{spread}"
        )
    for what, index in (("fit", 0), ("process", 1)):
        tutorial, ours = ([each[index] for each in rounds[name]] for name in ("tutorial", "batchclf"))
        ratios = [one / other for one, other in zip(tutorial, ours, strict=True)]
        print(
            f"{what}: {median(tutorial) / median(ours):.1f} times faster by medians, {min(tutorial) / min(ours):.1f} "
            f"by minima, {min(ratios):.1f} to {max(ratios):.1f} round by round"
        )


if __name__ == "__main__":
    main()
