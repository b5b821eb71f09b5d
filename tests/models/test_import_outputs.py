"""Import one of several outputs, as PyTorch, scikit-learn and Custom Vision write them; ONNX Runtime is the judge."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, load_model, numpy_helper, save_model

from batchclf.core.geometry import OWN
from batchclf.errors import BatchclfError
from batchclf.models.runtime.registry import open_runtime
from batchclf.models.sources.import_model import import_model
from batchclf.models.sources.infer_preprocessing import ImportOptions

NAMES = ("cat", "dog", "eel")
WEIGHTS = np.random.default_rng(1).normal(size=(48, 3)).astype(np.float32)
SEVERAL = (("x", (3, None, None)), ("age", (3,)), ("place", (3,)))
PIXELS = np.random.default_rng(2).integers(0, 256, (9, 4, 4, 3), np.uint8)


def model(path, outputs, labels=(0, 1, 2)):
    """A label, probabilities as maps and as a tensor, logits and features, as skl2onnx and Custom Vision name them."""
    texts = isinstance(labels[0], str)
    kind = TensorProto.STRING if texts else TensorProto.INT64
    maps = helper.make_map_type_proto(kind, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    every = {
        "label": helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
        "loss": helper.make_value_info("loss", helper.make_sequence_type_proto(maps)),
        "p": helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 3]),
        "raw": helper.make_tensor_value_info("raw", TensorProto.FLOAT, ["n", 3]),
        "features": helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 48]),
    }
    attribute = {"classlabels_strings" if texts else "classlabels_int64s": labels}
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Mul", ["flat", "two"], ["features"]),
        helper.make_node("MatMul", ["flat", "w"], ["raw"]),
        helper.make_node("Softmax", ["raw"], ["p"]),
        helper.make_node("ArgMax", ["p"], ["label"], axis=1, keepdims=0),
        helper.make_node("ZipMap", ["p"], ["loss"], domain="ai.onnx.ml", **attribute),
    ]
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 4])
    constants = [numpy_helper.from_array(WEIGHTS, "w"), numpy_helper.from_array(np.array([2], np.float32), "two")]
    graph = helper.make_graph(nodes, "graph", [source], [every[name] for name in outputs], constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    save_model(helper.make_model(graph, ir_version=8, opset_imports=opsets), path)
    return path


def import_(path, out, say=lambda line: None, **options):
    options = {"class_names": NAMES, "scale": "0..1", "geometry": lambda to: OWN, **options}
    return import_model(path, ImportOptions(**options), out, say=say)


def judged(path, name):
    """Run the file as it came; gives the probabilities, of maps by their labels in ascending order."""
    inputs = np.moveaxis(PIXELS / np.float32(255), 3, 1)
    (found,) = onnxruntime.InferenceSession(path).run([name], {"x": inputs})
    if isinstance(found, list):
        found = np.array([[value for _, value in sorted(row.items())] for row in found])
    if name == "raw":
        found = np.exp(found - found.max(axis=1, keepdims=True))
        found /= found.sum(axis=1, keepdims=True)
    return found


@pytest.mark.parametrize(
    ("outputs", "name", "labels"),
    [
        (["label", "loss"], "loss", (0, 1, 2)),
        (["label", "loss"], "loss", NAMES),
        (["loss"], None, NAMES),
        (["label", "p"], "p", (0, 1, 2)),
        (["raw", "p", "features"], "p", (0, 1, 2)),
        (["raw", "p", "features"], "raw", (0, 1, 2)),
    ],
)
def test_one_output_of_several_is_imported_and_the_others_are_cut_away(tmp_path, outputs, name, labels):
    path = model(tmp_path / "a.onnx", outputs, labels)
    bundle = import_(path, tmp_path / "out", output_name=name)
    found = open_runtime(bundle, "onnx").probabilities(PIXELS)
    np.testing.assert_allclose(found, judged(path, name or "loss"), atol=1e-6)
    assert bundle.info.settings.get("output name") == name
    assert bundle.info.parameters == WEIGHTS.size
    graph = load_model(bundle.onnx_path).graph
    assert [each.name for each in graph.output] == ["probabilities"]
    assert not {"ZipMap", "ArgMax"} & {node.op_type for node in graph.node}
    assert not any("two" in node.input for node in graph.node)


@pytest.mark.parametrize(
    ("outputs", "options", "message", "hint"),
    [
        (
            ["label", "loss"],
            {},
            "2 outputs: label (int64, n); loss (a sequence of maps); ",
            "--output-name NAME",
        ),
        (
            ["label", "p"],
            {"output_name": "q"},
            "has no output 'q'; it has: label (int64, n); p (float32, n x 3)",
            "name",
        ),
        (["label", "p"], {"output_name": "label"}, "gives int64 in its output 'label'", "--output-name"),
        (["p", "features"], {"output_name": "features"}, "the model gives 48 values an image", "name each"),
        (["loss"], {"class_names": ("dog", "cat", "eel")}, "another order than the names in", "order of the model"),
    ],
)
def test_what_cannot_be_chosen_is_refused(tmp_path, outputs, options, message, hint):
    with pytest.raises(BatchclfError) as caught:
        import_(model(tmp_path / "a.onnx", outputs, NAMES), tmp_path / "out", **options)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_names_other_than_those_of_the_file_are_noted(tmp_path):
    said = []
    path = model(tmp_path / "a.onnx", ["loss"], NAMES)
    import_(path, tmp_path / "out", said.append, class_names=("Katze", "Hund", "Aal"))
    assert f"classes: {path} itself has the names cat, dog, eel; those of --classes are taken: Katze, Hund, Aal" in said


@pytest.mark.parametrize("kind", ["keras", "saved"])
def test_one_output_of_a_keras_model_and_a_saved_model(tmp_path, kind):
    import keras

    source = keras.Input((4, 4, 3))
    flat = keras.layers.Flatten()(source)
    logits = keras.layers.Dense(3, name="scores")(flat)
    whole = keras.Model(source, {"scores": logits, "other": keras.layers.Dense(5, name="other")(flat)})
    path = tmp_path / ("model.keras" if kind == "keras" else "model")
    whole.save(path) if kind == "keras" else whole.export(path, verbose=False)
    bundle = import_(path, tmp_path / "out", output_name="scores", output="logits")
    expected = keras.ops.softmax(whole(PIXELS / np.float32(255))["scores"])
    for runtime in ("onnx", "tensorflow"):
        found = open_runtime(bundle, runtime).probabilities(PIXELS)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_maps_of_pixels_are_no_classes_even_if_there_are_as_many(tmp_path):
    nodes = [helper.make_node("Softmax", ["x"], ["mask"], axis=1)]
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 2, 2])
    mask = helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n", 3, 2, 2])
    graph = helper.make_graph(nodes, "graph", [source], [mask])
    save_model(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "a.onnx")
    names = tuple(f"class {number}" for number in range(12))
    with pytest.raises(BatchclfError, match="gives 3 x 2 x 2 values an image, as maps of pixels"):
        import_(tmp_path / "a.onnx", tmp_path / "out", class_names=names)


def test_several_inputs_are_listed(tmp_path):
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape]) for name, shape in SEVERAL]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([helper.make_node("Add", ["age", "place"], ["y"])], "graph", inputs, [output])
    save_model(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "a.onnx")
    with pytest.raises(
        BatchclfError, match=r"has 3 inputs: x \(float32, n x 3 x \? x \?\); age \(float32, n x 3\); pl"
    ):
        import_(tmp_path / "a.onnx", tmp_path / "out")
