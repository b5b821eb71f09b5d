"""Import ONNX files: any preprocessing becomes part of the graph; the oracle is numpy in float64."""

import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.geometry import OWN
from batchclf.errors import BatchclfError, ModelError, UsageError
from batchclf.models.bundle import load_bundle
from batchclf.models.preprocessing import SCALES, Preprocessing, prepare
from batchclf.models.runtime.registry import open_runtime
from batchclf.models.sources.import_model import import_model, sample_images
from batchclf.models.sources.infer_preprocessing import ImportOptions

NAMES = ("cat", "dog", "eel")
TORCH = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def import_(dense, out, *, say=lambda line: None, **options):
    options = {"class_names": NAMES, "scale": "0..1", "geometry": lambda to: OWN, **options}
    return import_model(dense.path, ImportOptions(**options), out, say=say)


def images(shape, count=20):
    return np.random.default_rng(5).integers(0, 256, (count, *shape), np.uint8)


def score(bundle, pixels):
    return open_runtime(bundle, "onnx").probabilities(pixels)


def steps_by_hand(pixels, scale, mean, std, order, layout):
    """What a textbook says, in float64."""
    values = pixels.astype(np.float64)
    values = {"none": values, "0..1": values / 255, "minus1..1": values / 127.5 - 1}[scale]
    values = (values - np.array(mean or 0.0)) / np.array(std or 1.0)
    values = values[..., ::-1] if order == "bgr" else values
    return np.moveaxis(values, 3, 1) if layout == "channels-first" else values


@pytest.mark.parametrize(
    ("scale", "mean_std", "order"),
    [
        ("0..1", {}, "rgb"),
        ("minus1..1", {}, "rgb"),
        ("0..1", TORCH, "rgb"),
        ("0..1", TORCH, "bgr"),
        ("none", {"mean": (123.68, 116.779, 103.939)}, "bgr"),
        ("minus1..1", {"std": (0.5, 0.6, 0.7)}, "bgr"),
    ],
)
@pytest.mark.parametrize("layout", ["channels-first", "channels-last"])
def test_images_go_in_as_they_are(onnx_model, tmp_path, scale, mean_std, order, layout):
    dense = onnx_model((3, 8, 6) if layout == "channels-first" else (8, 6, 3))
    bundle = import_(dense, tmp_path / "out", scale=scale, channel_order=order, **mean_std)
    mean, std = mean_std.get("mean"), mean_std.get("std")
    assert bundle.info.preprocessing == Preprocessing((8, 6, 3), "rgb", order, layout, scale, mean, std, "logits")
    pixels = images((8, 6, 3))
    expected = dense.probabilities(steps_by_hand(pixels, scale, mean, std, order, layout))
    probabilities = score(bundle, pixels)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(score(bundle, pixels[:1]), expected[:1], atol=1e-5)


numbers = st.tuples(*[st.floats(0.125, 2, width=32)] * 3)


@settings(deadline=None)
@given(
    scale=st.sampled_from(sorted(SCALES)),
    mean=st.none() | numbers,
    std=st.none() | numbers,
    order=st.sampled_from(["rgb", "bgr"]),
    layout=st.sampled_from(["channels-last", "channels-first"]),
)
def test_the_reference_is_what_a_textbook_says(scale, mean, std, order, layout):
    pixels = images((3, 2, 3), 4)
    prepared = prepare(pixels, Preprocessing((3, 2, 3), "rgb", order, layout, scale, mean, std))
    np.testing.assert_allclose(prepared, steps_by_hand(pixels, scale, mean, std, order, layout), rtol=1e-5, atol=1e-4)


def test_the_bundle_tells_what_is_known(onnx_model, tmp_path):
    said = []
    bundle = import_(onnx_model(end="Softmax"), tmp_path / "out", say=said.append)
    info = bundle.info
    assert sorted(path.name for path in bundle.path.iterdir()) == ["model.json", "model.onnx"]
    assert (info.recipe, info.history, info.training_data, info.original) == ("imported", {}, None, None)
    assert info.settings == {"source": "model.onnx", "kind": "ONNX graph, opset 17"}
    assert info.origin == "imported from model.onnx"
    assert info.parameters == 8 * 6 * 3 * 3 + 3
    assert info.class_names == NAMES
    assert 0 <= info.onnx_difference <= 1e-5
    assert "tensorflow" not in info.versions
    assert load_bundle(bundle.path) == bundle
    text = "\n".join(said)
    assert "output: probabilities (the model ends in a softmax)" in text
    assert "8x6 rgb, channels-first" in text
    with pytest.raises(ModelError, match="no model in it that --runtime tensorflow runs") as caught:
        open_runtime(bundle, "tensorflow")
    assert "--runtime onnx" in caught.value.hint


@pytest.mark.parametrize("end", ["", "Softmax"])
@pytest.mark.parametrize("asked", ["auto", "right"])
def test_logits_and_probabilities_are_told_apart(onnx_model, tmp_path, end, asked):
    dense = onnx_model(end=end)
    kind = "probabilities" if end else "logits"
    bundle = import_(dense, tmp_path / "out", output=kind if asked == "right" else "auto")
    assert bundle.info.preprocessing.output == kind
    pixels = images((8, 6, 3))
    np.testing.assert_allclose(score(bundle, pixels), dense.probabilities(np.moveaxis(pixels / 255, 3, 1)), atol=1e-5)


@pytest.mark.parametrize("end", ["", "Sigmoid"])
def test_one_output_is_the_second_of_two_classes(onnx_model, tmp_path, end):
    dense = onnx_model(classes=1, end=end)
    names = ("no", "yes")
    with pytest.raises(UsageError, match="the model gives 1 value an image; --classes names 3 classes"):
        import_(dense, tmp_path / "out")
    output = "auto" if end else "logits"
    bundle = import_(dense, tmp_path / "out", class_names=names, output=output)
    assert bundle.info.preprocessing.output == ("binary-probability" if end else "binary-logit")
    pixels = images((8, 6, 3))
    yes = 1 / (1 + np.exp(-dense.logits(np.moveaxis(pixels / 255, 3, 1))))
    np.testing.assert_allclose(score(bundle, pixels), np.concatenate([1 - yes, yes], axis=1), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"names": ("image", "probabilities")},
        {"names": ("probabilities", "image"), "end": "Softmax"},
        {"initializers_as_inputs": True, "ir": 3},
        {"opset": 9, "ir": 4, "end": "Softmax"},
        {"opset": 11, "end": "Softmax"},
        {"batch": 1},
        {"batch": 1, "flatten": "Reshape", "end": "Softmax"},
        {"kind": 10},
        {"kind": 11},
        {"save_as_external_data": True, "size_threshold": 0, "location": "weights.bin"},
    ],
    ids=str,
)
def test_graphs_of_all_kinds(onnx_model, tmp_path, options):
    """Names that are the bundle's own, old files, batches of one, float16 and float64, external data."""
    dense = onnx_model(**options)
    bundle = import_(dense, tmp_path / "out")
    pixels = images((8, 6, 3))
    expected = dense.probabilities(np.moveaxis(pixels / 255, 3, 1))
    np.testing.assert_allclose(score(bundle, pixels), expected, atol=1e-3 if options.get("kind") == 10 else 1e-5)
    assert sorted(path.name for path in bundle.path.iterdir()) == ["model.json", "model.onnx"]


@pytest.mark.parametrize(
    ("shape", "input_shape", "options"),
    [
        ((8, 6), (8, 6, 1), {}),
        ((1, 8, 6), (8, 6, 1), {}),
        ((8, 6, 1), (8, 6, 1), {}),
        ((48,), (8, 6, 1), {"input_size": (8, 6)}),
        ((48,), (4, 4, 3), {"input_size": (4, 4)}),
        ((3, 8, 3), (8, 3, 3), {"layout": "channels-first"}),
        ((3, 8, 3), (3, 8, 3), {"layout": "channels-last"}),
    ],
)
def test_inputs_of_all_shapes(onnx_model, tmp_path, shape, input_shape, options):
    dense = onnx_model(shape)
    bundle = import_(dense, tmp_path / "out", **options)
    assert bundle.info.input_shape == input_shape
    assert bundle.info.color_mode == ("grayscale" if input_shape[2] == 1 else "rgb")
    pixels = images(input_shape)
    first = bundle.info.preprocessing.layout == "channels-first"
    expected = dense.probabilities(np.moveaxis(pixels / 255, 3, 1) if first else pixels / 255)
    np.testing.assert_allclose(score(bundle, pixels), expected, atol=1e-5)


def test_open_sizes_are_asked_for(onnx_model, tmp_path):
    dense = onnx_model((3, 8, 6), dims=("c", "h", "w"))
    steps = [{}, {"layout": "channels-first"}, {"color": "rgb"}, {"input_size": (8, 6)}]
    asked = ["--layout", "--color", "--input-size"]
    options = {}
    for step, option in zip(steps, asked, strict=False):
        options |= step
        with pytest.raises(UsageError) as caught:
            import_(dense, tmp_path / "out", **options)
        assert option in caught.value.hint
    bundle = import_(dense, tmp_path / "out", **options, **steps[-1])
    assert bundle.info.input_shape == (8, 6, 3)


def test_how_pixels_are_scaled_is_asked_for_unless_the_model_tells(onnx_model, tmp_path):
    from onnx import helper

    with pytest.raises(UsageError, match="does not tell how the pixels") as caught:
        import_(onnx_model(), tmp_path / "out", scale=None)
    assert "--scale 0..1" in caught.value.hint
    assert import_(onnx_model(), tmp_path / "out", scale=None, **TORCH).info.preprocessing.scale == "0..1"
    constant = [
        helper.make_node("Constant", [], ["by"], value_float=127.5),
        helper.make_node("Constant", [], ["one"], value_float=1.0),
    ]
    divide = helper.make_node("Div", ["pixels", "by"], ["divided"])
    subtract = helper.make_node("Sub", ["divided", "one"], ["scaled"])
    said = []
    bundle = import_(onnx_model(before=[*constant, divide, subtract]), tmp_path / "out", scale=None, say=said.append)
    assert bundle.info.preprocessing.scale == "none"
    assert "pixels: not scaled before the model, which itself takes 0..255 to -1..1 (divided by 127.5, minus 1)" in said
    # A model that normalises values of 0 to 1 by itself still wants them scaled.
    with pytest.raises(UsageError, match="does not tell how the pixels"):
        import_(
            onnx_model(before=[constant[1], helper.make_node("Sub", ["pixels", "one"], ["moved"])]),
            tmp_path / "out",
            scale=None,
        )


def test_mean_and_std_of_0_to_255_are_not_taken_for_0_to_1(onnx_model, tmp_path):
    dense = onnx_model()
    whole = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
    with pytest.raises(UsageError, match=r"123\.675 in --mean or --std") as caught:
        import_(dense, tmp_path / "out", scale=None, **whole)
    assert "--scale none" in caught.value.hint
    pixels = images((8, 6, 3))
    expected = score(import_(dense, tmp_path / "torch", scale=None, **TORCH), pixels)
    probabilities = score(import_(dense, tmp_path / "out", scale="none", **whole), pixels)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_pixels_as_bytes(onnx_model, tmp_path):
    dense = onnx_model(kind=2)
    bundle = import_(dense, tmp_path / "out", scale=None)
    pixels = images((8, 6, 3))
    np.testing.assert_allclose(score(bundle, pixels), dense.probabilities(np.moveaxis(pixels, 3, 1)), atol=1e-5)
    for options in ({"scale": "0..1"}, {"scale": "none", **TORCH}):
        with pytest.raises(UsageError, match="takes uint8 pixels"):
            import_(dense, tmp_path / "out", **options)


# What cannot be imported


@pytest.mark.parametrize(
    ("model", "options", "message", "hint"),
    [
        ({"outputs": 2}, {}, "has 2 outputs: scores (float32, n x 3); flat (float32, n x 144)", "--output-name NAME"),
        ({"classes": 4}, {}, "gives 4 values an image; --classes names 3 classes", "in the order of its outputs"),
        ({"batch": 8}, {}, "takes batches of exactly 8 images", "dynamic batch axis"),
        ({"end": "Sigmoid"}, {}, "is multi-label: it ends in a sigmoid for each class", "without the sigmoid"),
        ({}, {"output": "probabilities"}, "are no probabilities (as asked for)", "--output logits"),
        (
            {"shape": (4, 8, 6)},
            {"layout": "channels-first"},
            "4 channels, such as RGBA; batchclf reads grayscale",
            "--layout",
        ),
        ({"shape": (4, 8, 6)}, {}, "has 4 channels, such as RGBA", "takes rgb and adds the fourth channel"),
        ({"shape": (2, 3, 8, 6)}, {}, "has the shape n x 2 x 3 x 8 x 6", "takes images"),
        ({"kind": 7}, {}, "takes int64", "float32"),
        ({}, {"input_size": (9, 6)}, "--input-size asks for a height of 9; the model takes 8", "leave out"),
        ({}, {"color": "grayscale"}, "--color asks for a number of channels of 1; the model takes 3", "leave out"),
        ({}, {"layout": "channels-last"}, "has 6 channels", "--layout"),
        ({"shape": (8, 6)}, {"layout": "channels-last"}, "has no channel axis", "leave out --layout"),
        ({"shape": (8, 6)}, {"channel_order": "bgr"}, "bgr needs 3 channels", "--channel-order"),
        ({"shape": (8, 6)}, {"mean": (0.1, 0.2, 0.3)}, "mean needs 1 numbers", "--mean"),
        ({}, {"std": (1.0, 0.0, 1.0)}, "std needs numbers above 0", "--std"),
        ({"shape": (50,)}, {"input_size": (8, 6)}, "takes 50 values an image", "--input-size"),
        ({"shape": (48,)}, {}, "leaves the height of its images open", "--input-size"),
        ({"shape": (3, 8, 3)}, {}, "does not tell where the channels are", "--layout channels-last"),
        ({}, {"scale": "none", "mean": (1e39,) * 3}, "no finite numbers", "--scale"),
    ],
)
def test_what_does_not_fit_is_told(onnx_model, tmp_path, model, options, message, hint):
    dense = onnx_model(**model)
    with np.errstate(all="ignore"), pytest.raises(BatchclfError) as caught:
        import_(dense, tmp_path / "out", **options)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_old_opsets_damaged_files_and_missing_data(onnx_model, tmp_path):
    dense = onnx_model(opset=6, ir=3)
    with pytest.raises(ModelError, match="opset 6; at least 7 is needed"):
        import_(dense, tmp_path / "out")
    dense.path.write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"model\.onnx cannot be read as an ONNX model"):
        import_(dense, tmp_path / "out")
    dense.path.write_bytes(b"")
    with pytest.raises(ModelError, match="holds no ONNX graph"):
        import_(dense, tmp_path / "out")
    dense = onnx_model(save_as_external_data=True, size_threshold=0, location="weights.bin")
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelError, match=r"weights\.bin") as caught:
        import_(dense, tmp_path / "out")
    assert "external data" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("missing.onnx", "give a .keras"),
        ("notes.txt", "give a .keras"),
        ("folder", "give a .keras"),
        ("bundle", "batchclf score"),
        ("model.pt", "torch.onnx.export(model.eval(), "),
        ("pytorch_model.bin", "torch.onnx.export(model.eval(), "),
        ("script.pt", 'torch.onnx.export(torch.jit.load("script.pt").eval(), '),
        ("exported.pt2", 'torch.onnx.export(torch.export.load("exported.pt2"), '),
        ("old.bin", "torch.onnx.export(model.eval(), "),
        ("checkpoint/ckpt.index", 'model.save("model.keras")'),
        ("checkpoint/ckpt.data-00000-of-00001", 'model.save("model.keras")'),
        ("checkpoint", 'model.save("model.keras")'),
        ("half", "copy the whole folder"),
        ("saved/variables", "give "),
        ("notes.zip", "give a .keras"),
        ("model.onnx.data", "the .onnx file that lies beside it"),
    ],
)
def test_paths_that_are_no_model(onnx_model, tmp_path, name, hint):
    import_(onnx_model(), tmp_path / "bundle")
    for folder in ("folder", "checkpoint", "half/variables", "saved/variables"):
        (tmp_path / folder).mkdir(parents=True)
    checkpoint = ("checkpoint/ckpt.index", "checkpoint/ckpt.data-00000-of-00001")
    for other in ("notes.txt", "model.pt", "model.onnx.data", "saved/saved_model.pb", *checkpoint):
        (tmp_path / other).write_text("no model")
    # As PyTorch 2.14 writes them
    (tmp_path / "old.bin").write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.")
    for other, *entries in (
        ("pytorch_model.bin", "pytorch_model/data.pkl"),
        ("script.pt", "script/data.pkl", "script/constants.pkl"),
        ("exported.pt2", "exported/models/model.json"),
        ("notes.zip", "data.pkl"),
    ):
        with zipfile.ZipFile(tmp_path / other, "w") as archive:
            for entry in entries:
                archive.writestr(entry, b"no model")
    with pytest.raises(
        BatchclfError, match=r"no model at|is not a model that can be imported|bundle already"
    ) as caught:
        import_model(tmp_path / name, ImportOptions(NAMES), tmp_path / "out", say=lambda line: None)
    assert str(tmp_path / name) in caught.value.message
    assert hint in caught.value.hint


def test_a_graph_that_mixes_up_a_batch_makes_no_bundle(onnx_model, tmp_path):
    """An open batch whose mean is taken: one output for all images."""
    from onnx import helper

    old = import_(onnx_model(), tmp_path / "out")
    before = [helper.make_node("ReduceMean", ["pixels"], ["moved"], axes=[0], keepdims=1)]
    dense = onnx_model(before=before)
    with pytest.raises(ModelError, match=r"does not give the model's outputs|outputs of shape") as caught:
        import_(dense, tmp_path / "out")
    assert caught.value.hint
    assert load_bundle(tmp_path / "out") == old
    assert not list(tmp_path.glob(".*.partial"))


def test_what_is_no_bundle_is_not_replaced(onnx_model, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="is there already and is not a model bundle"):
        import_(onnx_model(), tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "precious"


def test_without_the_package_onnx_the_way_to_get_it_is_told(onnx_model, tmp_path, monkeypatch):
    dense = onnx_model()
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match="the package onnx is needed") as caught:
        import_(dense, tmp_path / "out")
    assert "batchclf[import]" in caught.value.hint


def test_the_bundles_graph_is_valid_and_may_be_imported_again(onnx_model, tmp_path):
    import onnx

    dense = onnx_model(end="Softmax")
    first = import_(dense, tmp_path / "first")
    onnx.checker.check_model(onnx.load(first.onnx_path), full_check=True)
    dense.path = first.onnx_path
    again = import_(dense, tmp_path / "again", scale=None)
    assert again.info.preprocessing == Preprocessing((8, 6, 3), "rgb", output="probabilities")
    pixels = images((8, 6, 3))
    np.testing.assert_array_equal(score(first, pixels), score(again, pixels))


def test_the_sample_is_dark_bright_and_noisy():
    sample = sample_images((9, 5, 3))
    assert sample.shape[1:] == (9, 5, 3)
    means = sample.mean(axis=(1, 2, 3))
    assert means.min() == 0
    assert means.max() == 255
    np.testing.assert_array_equal(sample, sample_images((9, 5, 3)))
