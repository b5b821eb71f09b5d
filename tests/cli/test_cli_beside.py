"""`model import` reads the files of other toolchains, written here as these write them; Pillow and numpy judge."""

import json
from math import floor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import batchclf

SIDE = 24
NAMES = ("tench", "crane", "maillot")
HALF = [0.5, 0.5, 0.5]
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
BICUBIC, BILINEAR = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR

# As save_pretrained of transformers 5.24 writes it, and save_config_for_hf of timm 1.0.31
VIT = {
    **{"do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": HALF, "image_std": HALF},
    **{"image_processor_type": "ViTImageProcessor", "resample": 2, "rescale_factor": 0.00392156862745098},
    "size": {"height": SIDE, "width": SIDE},
}
CONFIG = {
    **{"architectures": ["ViTForImageClassification"], "model_type": "vit", "transformers_version": "5.24.0"},
    "id2label": {str(place): name for place, name in enumerate(NAMES)},
    "label2id": {name: place for place, name in enumerate(NAMES)},
}
TIMM = {
    **{"architecture": "resnet18", "num_classes": 3, "num_features": 512, "global_pool": "avg"},
    "label_names": list(NAMES),
    "label_descriptions": {name: f"a {name}" for name in NAMES},
    "pretrained_cfg": {
        **{"tag": "a1_in1k", "custom_load": False, "input_size": [3, SIDE, SIDE], "fixed_input_size": False},
        **{"interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center", **IMAGENET, "num_classes": 3},
        **{"pool_size": [7, 7], "first_conv": "conv1", "classifier": "fc", "license": "apache-2.0"},
    },
}
ULTRALYTICS = {
    **{"description": "Ultralytics YOLO11n-cls model", "author": "Ultralytics", "version": "8.4.190", "stride": "1"},
    **{"task": "classify", "head": "Classify", "batch": "1", "imgsz": str([SIDE, SIDE]), "channels": "3"},
    **{"names": str(dict(enumerate(NAMES))), "args": "{'batch': 1, 'dynamic': True}", "end2end": "False"},
}


def network(path, *, side=SIDE, notes=(), end=(), dtype=TensorProto.FLOAT):
    """Write a linear classifier of n x 3 x side x side numbers."""
    weights = np.random.default_rng(5).normal(size=(SIDE * SIDE * 3, len(NAMES)), scale=0.05).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["pixel_values"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["floats"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["product"]),
        helper.make_node(*(end or ["Identity"]), ["product"], ["logits"]),
    ]
    source = helper.make_tensor_value_info("pixel_values", dtype, ["n", 3, side, side])
    result = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(NAMES)])
    graph = helper.make_graph(nodes, "linear", [source], [result], [numpy_helper.from_array(weights, "weights")])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    for key, value in dict(notes).items():
        model.metadata_props.add(key=key, value=value)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def folder(*, config=None, processor=None, model="model.onnx", **how):
    """Write a folder as an exporter does; gives its path."""
    path = Path("exported")
    network(path / model, **how)
    for name, document in (("config.json", config), ("preprocessor_config.json", processor)):
        if document is not None:
            (path / name).write_text(json.dumps(document, indent=2, sort_keys=True))
    return path


def cut(box, kernel, *, rounded=False):
    """Resize the shorter side to `box`, or to (width, height), and cut the centre."""

    def prepared(image):
        width, height = image.size
        short = min(width, height)
        size = box if isinstance(box, tuple) else (width * box // short, height * box // short)
        resized = image.resize(size, kernel)
        left, top = (round((each - SIDE) / 2) if rounded else (each - SIDE) // 2 for each in size)
        return np.asarray(resized.crop((left, top, left + SIDE, top + SIDE)), np.float64) / 255

    return prepared


def by_hand(model, photos, prepare, mean=0.0, std=1.0):
    pixels = np.stack([(prepare(Image.open(each)) - mean) / std for each in sorted(photos.iterdir())])
    session = onnxruntime.InferenceSession(model)
    logits = session.run(None, {"pixel_values": pixels.transpose(0, 3, 1, 2).astype(np.float32)})[0]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.fixture
def photos(tmp_path):
    """Smooth pictures, wider than high: there Pillow and torch resize in the same order."""
    (tmp_path / "photos").mkdir()
    for number, (width, height) in enumerate([(40, 30), (61, 50), (33, 32)]):
        rows, columns = np.mgrid[:height, :width]
        picture = np.stack([rows * 4, columns * 3, 255 - rows - columns], axis=-1)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


def of(processor, **more):
    return {**VIT, "image_processor_type": processor, **more}


CASES = {
    "vit": (CONFIG, VIT, cut((SIDE, SIDE), BILINEAR), HALF, HALF),
    # As transformers 4 wrote it, and a model of Swin
    "old vit": (
        CONFIG,
        {"feature_extractor_type": "ViTFeatureExtractor", "size": SIDE, "resample": 3, "image_mean": IMAGENET["mean"]},
        cut((SIDE, SIDE), BICUBIC),
        IMAGENET["mean"],
        HALF,
    ),
    "deit": (
        CONFIG,
        of("DeiTImageProcessorFast", size={"height": 28, "width": 28}, do_center_crop=True, crop_size=SIDE, resample=3),
        cut((28, 28), BICUBIC),
        HALF,
        HALF,
    ),
    "convnext": (
        CONFIG,
        of("ConvNextImageProcessor", size={"shortest_edge": SIDE}, crop_pct=0.8, resample=3, device=None),
        cut(floor(SIDE / 0.8), BICUBIC),
        HALF,
        HALF,
    ),
    "efficientnet": (
        CONFIG,
        of("EfficientNetImageProcessor", do_center_crop=False, include_top=True, rescale_offset=False),
        cut((SIDE, SIDE), BILINEAR),
        HALF,
        np.square(HALF),
    ),
    "efficientnet without include_top": (
        CONFIG,
        of("EfficientNetImageProcessor", include_top=False, rescale_offset=True, rescale_factor=1 / 127.5),
        lambda image: cut((SIDE, SIDE), BILINEAR)(image) * 2 - 1,
        HALF,
        HALF,
    ),
    "timm": (TIMM, None, cut(floor(SIDE / 0.9), BICUBIC, rounded=True), *IMAGENET.values()),
    "old timm": (
        {"architecture": "x", "labels": list(NAMES), **TIMM["pretrained_cfg"], "interpolation": "bilinear"},
        None,
        cut(floor(SIDE / 0.9), BILINEAR, rounded=True),
        *IMAGENET.values(),
    ),
    "ultralytics": (None, None, cut(SIDE, BILINEAR, rounded=True), 0.0, 1.0),
}


@pytest.mark.parametrize("case", CASES)
def test_an_import_needs_no_option(cli, photos, case):
    config, processor, prepare, mean, std = CASES[case]
    notes = ULTRALYTICS if case == "ultralytics" else {}
    path = folder(config=config, processor=processor, notes=notes, model="onnx/model.onnx")
    code, out, err = cli("model", "import", path, "--out", "bundle")
    assert code == 0, err
    code, values, err = cli.json("score", photos, "--model", "bundle")
    assert code == 0, err
    table = pd.read_csv(values["files"]["predictions.csv"])
    rows = table[[f"prob:{name}" for name in NAMES]].to_numpy()
    expected = by_hand(path / "onnx" / "model.onnx", photos, prepare, mean, std)
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    source = path / (
        "onnx/model.onnx itself" if notes else "config.json" if processor is None else "preprocessor_config.json"
    )
    assert f"from {source}" in out
    assert f"classes: 3 names from {path / 'onnx/model.onnx' if notes else path / 'config.json'}" in out


def test_python_takes_the_folder_too(cli, photos):
    model = batchclf.load_model(folder(config=CONFIG, processor=VIT, side="side"))
    assert (model.class_names, model.input_shape) == (NAMES, (SIDE, SIDE, 3))
    expected = by_hand(Path("exported/model.onnx"), photos, cut((SIDE, SIDE), BILINEAR), HALF, HALF)
    np.testing.assert_allclose(model.predict_proba(sorted(photos.iterdir())), expected, atol=1e-6)


def test_options_win(cli):
    path = folder(config=CONFIG, processor=of("CLIPImageProcessor"))
    code, _, err = cli("model", "import", path, "--out", "bundle")
    assert code == 2
    assert f"{path}/preprocessor_config.json: image_processor_type is CLIPImageProcessor" in err
    assert "one of ViTImageProcessor, DeiTImageProcessor" in err
    given = ("--scale", "minus1..1", "--resize-shorter", "30", "--classes", "a,b,c")
    code, out, err = cli("model", "import", path, *given, "--out", "bundle")
    assert code == 0, err
    assert "has the names tench, crane, maillot; those of --classes are taken: a, b, c" in out
    assert f"pixels: as --scale and the other options say, not from {path}/preprocessor_config.json" in out
    steps = json.loads(Path("bundle/model.json").read_text())["preprocessing"]
    assert (steps["scale"], steps["mean"], steps["geometry"]["resize_to"]) == ("minus1..1", None, [30, 30])
    # One setting of several
    folder(processor=VIT)
    code, out, err = cli(
        "model", "import", path, "--std", "0.25,0.25,0.25", "--interpolation", "bicubic", "--out", "bundle"
    )
    assert code == 0, err
    steps = json.loads(Path("bundle/model.json").read_text())["preprocessing"]
    assert (steps["scale"], steps["mean"], steps["std"]) == ("0..1", HALF, [0.25] * 3)
    assert (steps["geometry"]["interpolation"], steps["geometry"]["like"]) == ("bicubic", "transformers 5.24")


def timm(**more):
    return {**TIMM, "pretrained_cfg": {**TIMM["pretrained_cfg"], **more}}


@pytest.mark.parametrize(
    ("config", "processor", "message"),
    [
        (timm(crop_mode="squash"), None, "config.json: crop_mode is squash"),
        (timm(interpolation="random"), None, "config.json: interpolation is random"),
        (timm(input_size=[3, 28, 28]), None, "config.json prepares images of 28x28; the model takes 24x24"),
        (timm(mean="imagenet"), None, "config.json: mean is imagenet"),
        (CONFIG, of("ViTImageProcessor", do_pad=True), "do_pad is True"),
        (CONFIG, of("ViTImageProcessor", do_thumbnail=True), "do_thumbnail is True"),
        (CONFIG, of("ViTImageProcessor", resample=4), "resample is 4"),
        (CONFIG, of("ViTImageProcessor", size={"shortest_edge": SIDE}), "size is {'shortest_edge': 24}"),
        (CONFIG, of("ViTImageProcessor", rescale_factor=1 / 127), "rescale_factor is 0.007874"),
        (
            CONFIG,
            of("ViTImageProcessor", size=28),
            "preprocessor_config.json prepares images of 28x28; the model takes",
        ),
        (CONFIG, of("ConvNextImageProcessor"), "size is {'height': 24, 'width': 24}"),
        (
            {**CONFIG, "id2label": {"0": "a", "1": "b"}},
            VIT,
            "the model gives 3 values an image; exported/config.json names 2",
        ),
        ({**CONFIG, "id2label": {"0": "a", "2": "b"}}, VIT, "the indices must be 0 to 1"),
        ({**CONFIG, "problem_type": "multi_label_classification"}, VIT, "an image may have several classes"),
        (CONFIG, {"size": SIDE, "image_processor_type": None, "do_resize": False}, "do_resize is False"),
    ],
    ids=str,
)
def test_what_cannot_be_followed_exactly_is_refused_by_its_key(cli, config, processor, message):
    code, _, err = cli("model", "import", folder(config=config, processor=processor), "--out", "bundle")
    assert code != 0
    assert message in err
    assert "hint" in err
    assert not Path("bundle").exists()


def test_a_file_for_testing_at_another_size(cli):
    """timm's test_input_size and test_crop_pct, if the model takes that size."""
    tested = timm(input_size=[3, 20, 20], test_input_size=[3, SIDE, SIDE], test_crop_pct=1.0)
    code, out, err = cli("model", "import", folder(config=tested), "--out", "bundle")
    assert code == 0, err
    assert "--like timm --resize-shorter 24 --interpolation bicubic from exported/config.json" in out


def test_a_model_that_scales_pixels_itself_is_not_fed_scaled_ones(cli):
    path = folder(config=CONFIG, processor=VIT, dtype=TensorProto.UINT8)
    code, _, err = cli("model", "import", path, "--out", "bundle")
    assert code == 2
    assert f"takes uint8 pixels, so they cannot be scaled before it, as {path}/preprocessor_config.json says" in err
    code, _, err = cli("model", "import", path, "--scale", "none", "--out", "bundle")
    assert code == 0, err
    geometry = json.loads(Path("bundle/model.json").read_text())["preprocessing"]["geometry"]
    assert geometry["like"] == "transformers 5.24"


def test_a_config_of_another_program_says_nothing(cli):
    path = folder(config={"architecture": "resnet18", "num_classes": 3, "classes": ["x"]}, processor=[])
    code, _, err = cli("model", "import", path, "--out", "bundle")
    assert code == 2
    assert "the import needs 2 more options: --classes (" in err


def test_several_files_and_none_are_asked_about(cli):
    path = folder(config=CONFIG, processor=VIT)
    network(path / "onnx" / "model_fp16.onnx")
    code, _, err = cli("model", "import", path, "--out", "bundle")
    assert code == 2
    assert "exported holds 2 ONNX files: model.onnx, onnx/model_fp16.onnx" in err
    assert "give one of them" in err
    (path / "onnx" / "model_fp16.onnx").unlink()
    (path / "model.onnx").rename(path / "model.safetensors")
    code, _, err = cli("model", "import", path, "--out", "bundle")
    assert code == 1
    assert "has a config.json and no .onnx file" in err
    (path / "config.json").write_text("{")
    code, _, err = cli("model", "import", network(path / "model.onnx"), "--out", "bundle")
    assert code == 2
    assert "exported/config.json, which lies beside the model, cannot be read" in err


def test_all_that_is_missing_is_named_at_once(cli):
    open_one = network(Path("open.onnx"), side="side", end=["Sigmoid"])
    code, _, err = cli("model", "import", open_one, "--out", "bundle")
    assert code == 2
    assert "the import needs 3 more options: --classes (open.onnx gives no class names); --input-size (" in err
    assert "give --classes FILE or A,B,C, the names in the order of the model's outputs; --input-size, for" in err
    assert "; --scale 0..1 (pixels / 255), --scale minus1..1" in err
    half = network(Path("half.onnx"), end=["HardSigmoid"])
    code, _, err = cli("model", "import", half, "--out", "bundle")
    assert code == 2
    assert "3 more options: --classes (half.onnx gives no class names); --scale (" in err
    assert "--output (it is not plain whether the model gives logits or probabilities" in err
    assert "--output probabilities if they are, with --renormalize" in err
