"""The base of a fine-tuning: a Keras file, a model bundle, or a network of keras.applications with local weights."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from batchclf.core.choices import ChannelOrder, Scale
from batchclf.core.types import Say
from batchclf.errors import ModelError, UsageError
from batchclf.models.bundle import OUTPUT_NAME, file_digest, is_bundle, load_bundle
from batchclf.models.preprocessing import Preprocessing
from batchclf.models.sources.infer_preprocessing import ImportOptions, settle_input, settle_scale
from batchclf.models.sources.interface import H5_SUFFIXES
from batchclf.models.sources.keras import holds_only_weights, keras_model, read_keras
from batchclf.training.finetune.applications import application_steps, check_application, load_application
from batchclf.training.finetune.backbone import Features, find_features, first_range, rebuild

OPEN_SIZE = (96, 96)
"""What a base takes that leaves height and width open: large enough for every network of keras.applications."""

KERAS_SUFFIXES = (".keras", *H5_SUFFIXES)
_GIVE = "give a .keras or .h5 file, the folder of a model bundle, or --application with a file of its weights"


@dataclass(frozen=True)
class BaseOptions:
    """What a fine-tuning begins with.

    `path` is a `.keras` or `.h5` file or a model bundle; with `application`, a name of keras.applications, the file
    of its weights. `input_size`, (height, width), is taken where the base leaves its own open. `scale`, `mean`,
    `std` and `channel_order` mean the same as for `model import`, and are for a base that does not tell.
    """

    path: Path
    application: str | None = None
    input_size: tuple[int, int] | None = None
    scale: Scale | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channel_order: ChannelOrder | None = None

    @property
    def scaling_options(self) -> list[str]:
        """The options on scaling that were given."""
        given = {"--scale": self.scale, "--mean": self.mean, "--std": self.std, "--channel-order": self.channel_order}
        return [name for name, value in given.items() if value is not None]


@dataclass(frozen=True)
class Base:
    """A base that has been opened.

    `input_shape` is (height, width, channels) of the images that it takes, as they are before `steps`. `digest` is
    the SHA-256 of the file. `backbone` is the Keras model from float32 images after the steps, (n,
    *steps.model_shape), to features, (n, values) or (n, height, width, channels).
    """

    name: str
    digest: str
    steps: Preprocessing
    backbone: Any = field(repr=False, compare=False)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images that the base takes."""
        return self.steps.input_shape


def open_base(options: BaseOptions, *, say: Say) -> Base:
    """Open a base and settle what comes before it; says what was found.

    Raises UsageError for an unknown application and for options that are needed or do not fit, ModelError where
    there is no such file, TensorFlow is missing, the file cannot be loaded or is no base.
    """
    path = options.path
    _check_path(path, options)
    if options.application is not None:
        base, features = _application(options, say)
    elif is_bundle(path):
        base, features = _bundle(options)
    else:
        base, features = _keras_file(options, say)
    height, width, _ = base.input_shape
    say(f"base: {base.name}, {height}x{width} {base.steps.color_mode}; {base.steps.sentence}")
    say(f"features: {features.sentence}")
    return base


def _check_path(path: Path, options: BaseOptions) -> None:
    if not path.exists():
        raise ModelError(f"there is no base at {path}", hint=_GIVE)
    suffix = path.suffix.lower()
    if options.application is not None:
        check_application(options.application)
        if path.is_dir() or suffix not in KERAS_SUFFIXES:
            raise ModelError(
                f"{path} is no file of the weights of {options.application}",
                hint="give an .h5 or .keras file; a folder or another model is given without --application",
            )
        return
    if path.is_dir() and not is_bundle(path):
        saved = "; a SavedModel cannot be trained on" if (path / "saved_model.pb").is_file() else ""
        raise ModelError(f"{path} is no model bundle{saved}", hint=_GIVE)
    if path.is_file() and suffix not in KERAS_SUFFIXES:
        why = "; an ONNX graph cannot be trained on" if suffix == ".onnx" else ""
        raise ModelError(f"{path} is no Keras file by its suffix{why}", hint=_GIVE)


def _application(options: BaseOptions, say: Say) -> tuple[Base, Features]:
    name = options.application or ""
    size = options.input_size or OPEN_SIZE
    steps = application_steps(name, size)
    if options.scaling_options:
        say(f"note: {name} is trained with: {steps.sentence}; {', '.join(options.scaling_options)} says otherwise")
        scale: Scale = options.scale or ("0..1" if options.mean or options.std else steps.scale)
        steps = _with_options(Preprocessing(steps.input_shape, "rgb", scale=scale), options)
    digest = file_digest(options.path)
    network = load_application(name, options.path, size)
    features = Features(network.outputs[0], None)
    return Base(name, digest, steps, rebuild(options.path, network, features, steps.model_shape)), features


def _bundle(options: BaseOptions) -> tuple[Base, Features]:
    bundle = load_bundle(options.path)
    original = bundle.original_path
    if original is None or original.suffix.lower() not in KERAS_SUFFIXES:
        raise ModelError(
            f"the model bundle {options.path} holds no Keras model that could be trained on: it was made of "
            + ("an ONNX graph" if original is None else "a SavedModel" if bundle.has_graph else "a TFLite file"),
            hint="give a bundle that was trained here, or imported from a .keras or .h5 file",
        )
    if options.scaling_options:
        raise UsageError(
            f"the model bundle {options.path} says itself how pixels are scaled",
            hint=f"leave out {', '.join(options.scaling_options)}",
        )
    if OUTPUT_NAME in bundle.info.settings:
        raise ModelError(
            f"the model bundle {options.path} was imported with one of several outputs of its Keras model; a base has "
            "one output",
            hint="save the model with that output alone, keras.Model(model.input, model.get_layer(NAME).output), and "
            "give that file",
        )
    steps = bundle.info.preprocessing
    model = read_keras(original)
    keras_model(original, model)
    features = find_features(original, model)
    backbone = rebuild(original, model, features, steps.model_shape)
    return Base(bundle.path.resolve().name, bundle.info.files[original.name], steps, backbone), features


def _keras_file(options: BaseOptions, say: Say) -> tuple[Base, Features]:
    path = options.path
    if holds_only_weights(path):
        raise ModelError(
            f"{path} holds weights only, and not the model that they belong to",
            hint="name its network with --application, such as MobileNetV2, or save the whole model: model.save(FILE)",
        )
    model = read_keras(path)
    source = keras_model(path, model).input
    if len(source.dims) == 1:
        raise ModelError(
            f"{path} takes rows of {source.dims[0]} values, which do not tell the height and width of an image",
            hint="import it with batchclf model import … --input-size HxW, and give that bundle as base",
        )
    asked = _import_options(source.dims, options)
    shape, color, layout = settle_input(source, asked, usual_layout="channels-last")
    steps = _with_options(Preprocessing(shape, color, layout=layout), options)
    features = find_features(path, model)
    backbone = rebuild(path, model, features, steps.model_shape)
    known = None if source.dtype == "uint8" else first_range(path, backbone)
    steps = replace(steps, scale=settle_scale(source, asked, known, say))
    return Base(path.name, file_digest(path), steps, backbone), features


def _import_options(dims: tuple[int | None, ...], options: BaseOptions) -> ImportOptions:
    """Say what is asked for as to `model import`, with a size and colours where the file leaves them open."""
    is_open = len(dims) != 3 or None in dims
    size = options.input_size or OPEN_SIZE
    height_at = 1 if len(dims) == 3 and dims[0] in (1, 3) and dims[2] not in (1, 3) else 0
    of_model = (*dims, None, None)[height_at : height_at + 2]
    return ImportOptions(
        class_names=(),
        input_size=(of_model[0] or size[0], of_model[1] or size[1]) if is_open else None,
        color="rgb" if len(dims) == 3 and height_at == 0 and dims[2] is None else None,
        scale=options.scale,
        mean=options.mean,
        std=options.std,
    )


def _with_options(steps: Preprocessing, options: BaseOptions) -> Preprocessing:
    try:
        return replace(steps, mean=options.mean, std=options.std, channel_order=options.channel_order or "rgb")
    except ValueError as error:
        raise UsageError(str(error), hint="check --channel-order, --mean and --std") from error
