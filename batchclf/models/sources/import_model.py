"""Make a bundle of a model that was trained elsewhere."""

import shutil
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf import atomic
from batchclf.core.choices import ColorMode
from batchclf.core.geometry import UNKNOWN
from batchclf.core.text import counted, exact, scientific
from batchclf.core.types import Say, unheard
from batchclf.errors import BatchclfError, ModelError, UsageError
from batchclf.libraries import versions_of
from batchclf.models.bundle import (
    BUNDLE_FORMAT,
    IMPORTED,
    ONE_IMAGE,
    ONNX_FILE,
    OUTPUT_NAME,
    ROW_SUMS,
    SAME_ANSWER,
    Bundle,
    BundleInfo,
    check_replaceable,
    file_digests,
    is_bundle,
    load_bundle,
    write_info,
)
from batchclf.models.onnx_graph import read as onnx_graph
from batchclf.models.onnx_graph.batch import one_image_at_a_time, takes_one_image
from batchclf.models.onnx_graph.export import TOLERANCE, write_graph
from batchclf.models.onnx_graph.first_steps import FirstSteps, first_steps
from batchclf.models.onnx_graph.last_step import last_step
from batchclf.models.onnx_session import DYNAMIC_BATCH
from batchclf.models.preprocessing import Layout, Preprocessing, prepare
from batchclf.models.sources.answers import are_the_same, batch_limit, class_scores, run_original
from batchclf.models.sources.class_names import check_order
from batchclf.models.sources.infer_output import Output, settle_output
from batchclf.models.sources.infer_preprocessing import ImportOptions, settle_input, settle_scale
from batchclf.models.sources.interface import Original
from batchclf.models.sources.missing import Missing, MissingOptionsError, Needed
from batchclf.models.sources.open import open_original

NOISE_IMAGES = 24
# Wider than for recipes: deep networks differ by rounding alone (decision 053)
IMPORT_TOLERANCE = 1e-4
"""Of a probability. Deep networks come near it by rounding alone: EfficientNetB0 differed by 1.1e-5 from its graph."""

HALF_TOLERANCE = 5e-3
"""For models that compute with 16 bits, which differ from themselves where ONNX Runtime rounds in another order."""

_SOME_SIZE = (96, 96)

ReadSample = Callable[[tuple[int, int, int], ColorMode], NDArray[np.uint8]]
"""Reads a few real images at an input shape: (n, height, width, channels) uint8."""


def import_model(
    path: Path,
    options: ImportOptions,
    out: Path,
    *,
    say: Say,
    warn: Say | None = None,
    read_sample: ReadSample | None = None,
) -> Bundle:
    """Write the bundle of a Keras, TFLite or ONNX file or a SavedModel folder to `out`, replacing a bundle there.

    `warn` gets what must not go unseen, `say` if it is not given.

    The bundle's graph is checked against the model itself on made images and on those of `read_sample`. Raises
    UsageError for options that are missing or do not fit the model, ModelError where the model cannot be loaded or
    is no image classifier, or the graph gives other outputs; then nothing is written.
    """
    check_replaceable(out)
    if is_bundle(path):
        raise UsageError(f"{path} is a model bundle already", hint="score with it: batchclf score DIR --model BUNDLE")
    with closing(open_original(path, options.output_name)) as original:
        if original.class_names and options.class_names and not options.names_from:
            check_order(original.class_names, f"{path} itself", options.class_names, say)
        steps, graph = _steps(path, original, options, say, warn or say)
        half = graph is not None and onnx_graph.computes_in_half(graph.graph)
        tolerance = HALF_TOLERANCE if half else IMPORT_TOLERANCE
        parameters = original.parameters()
        images = sample_images(steps.input_shape)
        if read_sample is not None:
            images = np.concatenate([images, read_sample(steps.input_shape, steps.color_mode)])
        outputs = run_original(original, prepare(images, steps), tolerance)
        last = original.last_step or last_step(graph.graph)
    given = settle_output(class_scores(outputs), last, options, say)
    steps = replace(steps, output=given.kind, renormalize=given.renormalize)
    with atomic.new_folder(out) as folder:
        difference, reason, names = 0.0, "", options.class_names
        if graph is not None:
            dynamic = onnx_graph.quantises_dynamically(graph.graph)
            difference = _write_graph(graph, steps, folder / ONNX_FILE, images, outputs, tolerance, names, say)
            reason = batch_limit(folder / ONNX_FILE, images) if dynamic else ""
        if original.kept is not None:
            _copy(path, folder / original.kept)
        info = BundleInfo(
            format=BUNDLE_FORMAT,
            class_names=names,
            preprocessing=steps,
            recipe=IMPORTED,
            settings=_settings(path, original, options.output_name, given, outputs, reason),
            parameters=parameters,
            history={},
            training_data=None,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=versions_of("batchclf", "numpy", *original.libraries),
            onnx_difference=difference,
            original=original.kept,
            files=file_digests(folder),
            batch_size=1 if reason else None,
        )
        write_info(folder, info)
    if reason:
        say(f"the model will be given one image at a time, whatever the batch size: {reason}")
    _say_check(info, graph is not None, len(images), say, warn or say)
    classes = counted(len(info.class_names), "class", "classes")
    say(f"wrote the model bundle {out} ({info.parameters:,} parameters, {classes})")
    return load_bundle(out)


def _settings(
    path: Path, original: Original, output_name: str | None, given: Output, outputs: NDArray[np.floating], alone: str
) -> dict[str, int | float | str | bool]:
    """Name where the model comes from, and what is to be known of what it gives."""
    settings: dict[str, int | float | str | bool] = {"source": path.name, "kind": original.kind}
    if output_name is not None:
        settings[OUTPUT_NAME] = output_name
    if given.sums:
        settings[ROW_SUMS] = given.sums
    if are_the_same(outputs):
        settings[SAME_ANSWER] = f"for all {counted(len(outputs), 'sample image')}"
    if alone:
        settings[ONE_IMAGE] = alone
    return settings


def _say_check(info: BundleInfo, converted: bool, images: int, say: Say, warn: Say) -> None:
    checked, difference = f"checked on {counted(images, 'image')}", info.onnx_difference
    if SAME_ANSWER in info.settings:
        warn(
            f"{checked}: the model gives the same answer for all of them, so the check shows nothing; give --sample "
            "DIR with real images, and check --scale, --mean and --std"
        )
        return
    if not converted:
        say(f"{checked}: what the model says of one does not depend on the others; it is run as it is")
        return
    more = "" if difference <= TOLERANCE else f"; that is more than {exact(TOLERANCE)}, which most models keep to"
    say(f"{checked}: the graph and the model agree within {scientific(difference)}{more}")


def sample_images(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Make images to compare outputs on: (n, *shape) uint8; black, gray, white, ramps of brightness, and noise."""
    height, width, _ = shape
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (NOISE_IMAGES, *shape), np.uint8)
    # Noise alone keeps every mean at gray; darker and brighter noise reaches other values.
    noise[::3] //= 4
    noise[1::3] = 255 - noise[1::3] // 4
    plain = [np.full(shape, value) for value in (0, 128, 255)]
    across = np.linspace(0, 255, width)[None, :, None]
    down = np.linspace(255, 0, height)[:, None, None]
    ramps = [np.broadcast_to(ramp, shape) for ramp in (across, down)]
    return np.concatenate([np.array([*plain, *ramps]).astype(np.uint8), noise])


def _steps(path: Path, original: Original, options: ImportOptions, say: Say, warn: Say) -> tuple[Preprocessing, Any]:
    """Settle what goes in; also gives the model's own graph, None for one that is scored with as it is.

    Raises MissingOptionsError that names all options that are missing, so far as they can be known without the others.
    """
    needed = Needed()
    if not options.class_names:
        what = "--classes FILE or A,B,C, the names in the order of the model's outputs"
        needed.missing.append(Missing("--classes", f"{path} gives no class names", what))
    steps: Preprocessing | None = None
    with needed:
        steps = _shape_and_geometry(original, options, say)
    if steps is None:
        with suppress(BatchclfError), needed:
            graph = _graph_of_any_size(original, options)
            settle_scale(original.input, options, _first_steps(graph), unheard)
        raise MissingOptionsError(needed.missing)
    graph = original.graph(steps.model_shape)
    with needed:
        scale = settle_scale(original.input, options, _first_steps(graph), say, warn)
    if needed.missing:
        with needed:
            _look_at_output(original, steps, graph, options)
    needed.ask()
    return replace(steps, scale=scale), graph


def _first_steps(graph: Any) -> FirstSteps | None:
    return None if graph is None else first_steps(graph.graph)


def _graph_of_any_size(original: Original, options: ImportOptions) -> Any:
    """Give the model's graph although its shape is not settled: that of a Keras model is made for some size."""
    if original.kept is None:
        return original.graph(())
    some = replace(options, input_size=_SOME_SIZE, color=options.color or "rgb")
    shape, color, layout = settle_input(original.input, some, usual_layout="channels-last")
    return original.graph(Preprocessing(shape, color, layout=layout).model_shape)


def _shape_and_geometry(original: Original, options: ImportOptions, say: Say) -> Preprocessing:
    # Keras keeps the channels last unless told otherwise; ONNX graphs come from everywhere.
    usual: Layout | None = None if original.kept is None else "channels-last"
    shape, color, layout = settle_input(original.input, options, usual_layout=usual)
    height, width, _ = shape
    say(f"model: {original.kind}, {height}x{width} {color}, {layout}")
    geometry = (original.geometry or UNKNOWN) if options.geometry is None else options.geometry((height, width))
    say(f"geometry: {geometry.sentence((height, width))}")
    std = options.std
    if options.std_twice and std is not None:
        std = tuple(value * value for value in std)
    try:
        return Preprocessing(shape, color, options.channel_order, layout, mean=options.mean, std=std, geometry=geometry)
    except ValueError as error:
        raise UsageError(str(error), hint="check --channel-order, --mean and --std") from error


def _look_at_output(original: Original, steps: Preprocessing, graph: Any, options: ImportOptions) -> None:
    """Raise MissingOptionsError if it will have to be said what the model gives, once the other options are there.

    The pixels that it is shown are scaled in the most usual way if nobody has said how.
    """
    inputs = prepare(sample_images(steps.input_shape), replace(steps, scale=options.scale or "0..1"))
    try:
        outputs = run_original(original, inputs, IMPORT_TOLERANCE)
        last = original.last_step or last_step(graph.graph)
        settle_output(class_scores(outputs), last, options, unheard)
    except MissingOptionsError:
        raise
    except BatchclfError:
        return  # what is wrong is said once all options are there


def _write_graph(
    graph: Any,
    steps: Preprocessing,
    path: Path,
    images: NDArray[np.uint8],
    outputs: NDArray[np.floating],
    tolerance: float,
    class_names: tuple[str, ...],
    say: Say,
) -> float:
    """Write the graph; one for a single image that cannot be opened for a batch is run on each image in turn."""
    alone = onnx_graph.quantises_dynamically(graph.graph)
    single = one_image_at_a_time(graph) if takes_one_image(graph) else None
    try:
        return write_graph(
            graph, steps, path, images, outputs, class_names=class_names, tolerance=tolerance, alone=alone
        )
    except ModelError:
        if single is None:
            raise
    rows = outputs.reshape(len(outputs), -1)
    difference = write_graph(single, steps, path, images, rows, class_names=class_names, tolerance=tolerance)
    say(f"note: the model takes one image at a time, which is slower; {DYNAMIC_BATCH}")
    return difference


def _copy(source: Path, copied: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, copied)
    else:
        shutil.copyfile(source, copied)
