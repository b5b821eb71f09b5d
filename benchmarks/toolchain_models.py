"""Make the model file of a toolchain and its own predictions: run by `toolchains.py` in an environment that has it.

python toolchain_models.py ROW FILES.json FOLDER: FILES are paths of pictures. FOLDER gets the model, and `own.npz` with
`pixels` (files, height, width, 3) float32, levels of 0 to 255 before any scaling, `probabilities` (files, CLASSES) and
`versions`. The weights are random, and scaled so that the predictions differ from picture to picture.
"""

import importlib
import importlib.metadata
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from toolchain_libraries import READERS, huggingface

CLASSES = 10
SPREAD = 3.0
"""Standard deviation of the logits over the pictures."""

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
IMAGENET = "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"
HALF = "--mean 0.5,0.5,0.5 --std 0.5,0.5,0.5"

Make = Callable[[Path, np.ndarray], np.ndarray]
"""Writes the model into a folder and gives the probabilities of (n, height, width, 3) pixels."""


@dataclass(frozen=True)
class Row:
    """A toolchain and a kind of file: how it is made, what its import is given, and the libraries whose versions count.

    `like` names the reader of the pixels, `size` is the side of the model's input.
    """

    name: str
    make: Make
    options: str
    file: str
    read: str
    like: str
    libraries: tuple[str, ...]
    size: int = 224


def softmax(logits: np.ndarray) -> np.ndarray:
    """Give the probabilities of (n, CLASSES) logits."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


# Keras


def keras_model(name: str, pixels: np.ndarray, scaled: Callable[[Any], Any], library: str = "keras") -> Any:
    """A network of keras.applications that ends in a softmax, and takes what `scaled` makes of pixels."""
    keras = importlib.import_module(library)
    keras.utils.set_random_seed(0)
    network = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=pixels.shape[1:])
    features = keras.layers.GlobalAveragePooling2D()(network.output)
    last = keras.layers.Dense(CLASSES, activation="softmax", name="classes")
    model = keras.Model(network.input, last(features))
    values = keras.Model(network.input, features).predict(scaled(pixels), verbose=0)
    kernel = np.random.default_rng(0).normal(size=last.kernel.shape).astype(np.float32)
    last.set_weights(scaled_head(values, kernel.T))
    return model


def scaled_head(features: np.ndarray, weight: np.ndarray) -> list[np.ndarray]:
    """Give the kernel (values, CLASSES) and bias that make logits of mean 0 and SPREAD of (n, values) features."""
    logits = features @ weight.T
    by = SPREAD / logits.std(axis=0)
    return [(weight.T * by).astype(np.float32), (-logits.mean(axis=0) * by).astype(np.float32)]


def of_keras(network: str, write: Callable[[Any, Path], Any], scale: bool, library: str = "keras") -> Make:
    """Build a network, let Keras' `predict` judge it, and write it."""

    def make(folder: Path, pixels: np.ndarray) -> np.ndarray:
        keras = importlib.import_module(library)
        scaled = keras.applications.mobilenet_v2.preprocess_input if scale else lambda values: values
        model = keras_model(network, pixels, lambda values: scaled(values.copy()), library)
        probabilities = model.predict(scaled(pixels.copy()), verbose=0)  # also calls it, without which it has no ONNX
        write(model, folder)
        return probabilities

    return make


def tf_saved_model(model: Any, folder: Path) -> None:
    """`tf.saved_model.save` with a signature."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)])
    def serve(images: Any) -> dict[str, Any]:
        return {"classes": model(images, training=False)}

    tf.saved_model.save(model, str(folder / "saved"), signatures={"serving_default": serve})


def tf2onnx_convert(model: Any, folder: Path) -> None:
    """`python -m tf2onnx.convert` of a SavedModel."""
    import subprocess

    model.export(folder / "saved", verbose=False)
    command = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", folder / "saved", "--opset", "18"]
    subprocess.run([*command, "--output", folder / "model.onnx"], check=True, capture_output=True)


def tflite(folder: Path, pixels: np.ndarray, quantised: bool = False) -> np.ndarray:
    """A network of keras.applications converted by TensorFlow, judged by LiteRT itself, picture by picture."""
    import keras
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    scaled = keras.applications.mobilenet_v2.preprocess_input
    inputs = scaled(pixels.copy()).astype(np.float32)
    network = "ResNet50V2" if quantised else "MobileNetV2"  # LiteRT fails on the latter with random weights
    converter = tf.lite.TFLiteConverter.from_keras_model(keras_model(network, pixels, lambda v: scaled(v.copy())))
    if quantised:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in inputs[::4])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    path = folder / "model.tflite"
    path.write_bytes(converter.convert())
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    if quantised:
        scale, zero = source["quantization"]
        inputs = np.clip(np.rint(inputs / np.float32(scale)) + zero, 0, 255).astype(np.uint8)
    found = []
    for image in inputs:
        interpreter.set_tensor(source["index"], image[None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(result["index"])[0].astype(np.float32))
    answers = np.stack(found)
    scale, zero = result["quantization"]
    if not quantised:
        return answers
    shares = (answers - zero) * np.float32(scale)
    return shares / shares.sum(axis=1, keepdims=True)  # rounded to 1/256, they seldom add up to 1


# PyTorch


def of_torch(build: Callable[[], Any], mean: np.ndarray, std: np.ndarray, head: str) -> Make:
    """Build a network, let PyTorch judge it, and export it as its documentation says; `head` is its last layer."""

    def make(folder: Path, pixels: np.ndarray) -> np.ndarray:
        import torch

        torch.manual_seed(0)
        model = build().eval()
        last = model.get_submodule(head)
        images = torch.from_numpy(((pixels / 255 - mean) / std).astype(np.float32).transpose(0, 3, 1, 2).copy())
        seen: list[Any] = []
        hook = last.register_forward_pre_hook(lambda layer, given: seen.append(given[0].flatten(1)))
        with torch.no_grad():
            for part in images.split(20):
                model(part)
            hook.remove()
            kernel, bias = scaled_head(torch.cat(seen).numpy(), last.weight.numpy().reshape(CLASSES, -1))
            last.weight.copy_(torch.from_numpy(kernel.T).reshape(last.weight.shape))
            last.bias.copy_(torch.from_numpy(bias))
            outputs = [model(part) for part in images.split(20)]
        logits = torch.cat([getattr(output, "logits", output) for output in outputs]).numpy()
        path = str(folder / "model.onnx")
        torch.onnx.export(model, (images[:2],), path, dynamic_shapes=({0: torch.export.Dim("batch")},))
        return softmax(logits)

    return make


def small_network() -> Any:
    """A network of one's own."""
    from torch import nn

    convolutions = (nn.Conv2d(3, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(4))
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(512, CLASSES))


def resnet() -> Any:
    """A network of torchvision."""
    import torchvision

    return torchvision.models.resnet18(num_classes=CLASSES)


def timm_network() -> Any:
    """A network of timm."""
    import timm

    return timm.create_model("mobilenetv3_small_100", num_classes=CLASSES)


def vit() -> Any:
    """A small ViT of transformers."""
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 192}
    return ViTForImageClassification(ViTConfig(num_labels=CLASSES, patch_size=32, **sizes))


def ultralytics(folder: Path, pixels: np.ndarray) -> np.ndarray:
    """A YOLO for classification, exported by its own `export`, judged by its network in PyTorch."""
    import torch
    from ultralytics import YOLO
    from ultralytics.nn.tasks import ClassificationModel

    torch.manual_seed(0)
    network = ClassificationModel("yolov8n-cls.yaml", nc=CLASSES, verbose=False)
    images = torch.from_numpy((pixels / 255).astype(np.float32).transpose(0, 3, 1, 2).copy())
    last = network.model[-1].linear
    seen: list[Any] = []
    hook = last.register_forward_pre_hook(lambda layer, given: seen.append(given[0].flatten(1)))
    network.eval()
    with torch.no_grad():
        for part in images.split(20):
            network(part)
        hook.remove()
        kernel, bias = scaled_head(torch.cat(seen).numpy(), last.weight.numpy())
        last.weight.copy_(torch.from_numpy(kernel.T))
        last.bias.copy_(torch.from_numpy(bias))
        outputs = [network(part) for part in images.split(20)]
        probabilities = torch.cat([each[0] if isinstance(each, tuple) else each for each in outputs]).numpy()
    model = YOLO("yolov8n-cls.yaml")
    network.args, network.task, model.model = model.model.args, model.task, network
    network.names = {number: f"class {number}" for number in range(CLASSES)}
    exported = model.export(format="onnx", imgsz=pixels.shape[1], dynamic=True, simplify=False)
    Path(exported).rename(folder / "model.onnx")
    return probabilities


# ONNX alone


def quantised(static: bool) -> Make:
    """A network of torchvision, exported and quantised by ONNX Runtime, which also judges it, picture by picture."""

    def make(folder: Path, pixels: np.ndarray) -> np.ndarray:
        import onnxruntime
        from onnxruntime import quantization

        of_torch(resnet, MEAN, STD, "fc")(folder, pixels)
        plain, path = folder / "model.onnx", folder / "quantised.onnx"
        images = ((pixels / 255 - MEAN) / STD).astype(np.float32).transpose(0, 3, 1, 2)
        name = onnxruntime.InferenceSession(plain).get_inputs()[0].name
        if static:
            given = iter([{name: images[at : at + 1]} for at in range(0, len(images), 4)])

            class Reader(quantization.CalibrationDataReader):
                def get_next(self) -> Any:
                    return next(given, None)

            quantization.quantize_static(plain, path, Reader())
        else:
            quantization.quantize_dynamic(plain, path)
        session = onnxruntime.InferenceSession(path)
        return softmax(np.concatenate([session.run(None, {name: image[None]})[0] for image in images]))

    return make


def skl2onnx(folder: Path, pixels: np.ndarray) -> np.ndarray:
    """A pipeline of scikit-learn on flat pixels, with a label and probabilities as maps, as skl2onnx writes it."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = pixels.reshape(len(pixels), -1).astype(np.float32)
    labels = np.argsort(np.argsort(rows.mean(axis=1))) * CLASSES // len(rows)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(rows, labels)
    (folder / "model.onnx").write_bytes(to_onnx(model, rows[:1]).SerializeToString())
    return model.predict_proba(rows)


def custom_vision(folder: Path, pixels: np.ndarray) -> np.ndarray:
    """The layout that Custom Vision exports: BGR pixels of 0 to 255, a label, and maps with the names."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    of_torch(small_network, np.float32(0), np.float32(1 / 255), "6")(folder, pixels[..., ::-1])
    model = onnx.load(folder / "model.onnx")
    graph, names = model.graph, [f"class {number}" for number in range(CLASSES)]
    logits = graph.output[0].name
    graph.node.extend(
        [
            helper.make_node("Softmax", [logits], ["shares"], axis=1),
            helper.make_node("ArgMax", ["shares"], ["classLabel"], axis=1, keepdims=0),
            helper.make_node("ZipMap", ["shares"], ["loss"], domain="ai.onnx.ml", classlabels_strings=names),
        ]
    )
    maps = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("classLabel", TensorProto.INT64, ["batch"]))
    graph.output.append(helper.make_value_info("loss", helper.make_sequence_type_proto(maps)))
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    onnx.save(model, folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    images = np.ascontiguousarray(pixels[..., ::-1].transpose(0, 3, 1, 2), np.float32)
    found = session.run(["loss"], {session.get_inputs()[0].name: images})[0]
    return np.array([[row[name] for name in names] for row in found])


KERAS, TORCH = ("keras", "tensorflow"), ("torch", "torchvision")
SCALE = "scale, size, softmax"
SIZE = "size, softmax"
ROWS = {
    "keras": Row(
        "Keras 3, `model.save(\"m.keras\")`",
        of_keras("MobileNetV2", lambda model, folder: model.save(folder / "model.keras"), scale=True),
        "--like keras --scale minus1..1", "model.keras", SIZE, "keras", KERAS,
    ),
    "keras-h5": Row(
        "Keras 3, `model.save(\"m.h5\")`",
        of_keras("EfficientNetV2B0", lambda model, folder: model.save(folder / "model.h5"), scale=False),
        "--like keras-load-img", "model.h5", SCALE, "keras-load-img", KERAS,
    ),
    "keras-export": Row(
        "Keras 3, `model.export(FOLDER)`",
        of_keras("ResNet50V2", lambda model, folder: model.export(folder / "saved", verbose=False), scale=True),
        "--like keras --scale minus1..1", "saved", SIZE, "keras", KERAS,
    ),
    "keras2-h5": Row(
        "Keras 2, `model.save(\"m.h5\")`",
        of_keras("MobileNetV2", lambda model, folder: model.save(folder / "model.h5"), True, "tf_keras"),
        "--like keras-load-img --scale minus1..1", "model.h5", SIZE, "keras-load-img", ("tf_keras", "tensorflow"),
    ),
    "tflite": Row(
        "TFLite, float32", tflite,
        "--like keras-load-img --scale minus1..1", "model.tflite", SIZE, "keras-load-img",
        ("ai-edge-litert", "tensorflow"),
    ),
    "tflite-uint8": Row(
        "TFLite, quantised to uint8", partial(tflite, quantised=True),
        "--like keras-load-img --output probabilities --renormalize", "model.tflite", "scale, size, softmax",
        "keras-load-img", ("ai-edge-litert", "tensorflow"),
    ),
    "tf-saved": Row(
        "`tf.saved_model.save`", of_keras("MobileNetV2", tf_saved_model, scale=True),
        "--like keras --scale minus1..1", "saved", SIZE, "keras", KERAS,
    ),
    "keras-onnx": Row(
        "Keras 3, `model.export(\"m.onnx\", format=\"onnx\")`",
        of_keras("MobileNetV2", lambda m, folder: m.export(folder / "model.onnx", format="onnx", verbose=False), True),
        "--like keras --scale minus1..1", "model.onnx", SIZE, "keras", (*KERAS, "tf2onnx"),
    ),
    "tf2onnx": Row(
        "`python -m tf2onnx.convert --saved-model`", of_keras("MobileNetV2", tf2onnx_convert, scale=True),
        "--like keras --scale minus1..1", "model.onnx", SIZE, "keras", (*KERAS, "tf2onnx"),
    ),
    "pytorch": Row(
        "PyTorch, `torch.onnx.export`", of_torch(small_network, MEAN, STD, "6"),
        f"--like torchvision {IMAGENET}", "model.onnx", "size", "torchvision", TORCH,
    ),
    "torchvision": Row(
        "torchvision, ResNet-18", of_torch(resnet, MEAN, STD, "fc"),
        f"--like torchvision {IMAGENET}", "model.onnx", "size", "torchvision", TORCH,
    ),
    "timm": Row(
        "timm, MobileNetV3", of_torch(timm_network, MEAN, STD, "classifier"),
        f"--like timm {IMAGENET}", "model.onnx", "size", "timm", ("torch", "timm"),
    ),
    "huggingface": Row(
        "Hugging Face, ViT, `torch.onnx.export`", of_torch(vit, np.float32(0.5), np.float32(0.5), "classifier"),
        f"--like huggingface:vit {HALF}", "model.onnx", "size", "huggingface:vit", ("torch", "transformers"),
    ),
    "ultralytics": Row(
        "Ultralytics, `yolo export format=onnx`", ultralytics,
        "", "model.onnx", "class names, size, scale, geometry, softmax", "ultralytics",
        ("torch", "ultralytics"),
    ),
    "skl2onnx": Row(
        "scikit-learn by skl2onnx, with ZipMap", skl2onnx,
        "--like torchvision --resize-shorter 16 --input-size 16x16 --scale none "
        "--output-name output_probability",
        "model.onnx", "the classes of the maps", "torchvision", ("scikit-learn", "skl2onnx"), 16,
    ),
    "custom-vision": Row(
        "layout of Custom Vision: BGR, label and maps", custom_vision,
        "--like torchvision --scale none --channel-order bgr --output-name loss",
        "model.onnx", "size, class names", "torchvision", ("onnxruntime",),
    ),
    "static": Row(
        "ONNX Runtime, `quantize_static`", quantised(static=True),
        f"--like torchvision {IMAGENET}", "quantised.onnx", "size", "torchvision", ("onnxruntime",),
    ),
    "dynamic": Row(
        "ONNX Runtime, `quantize_dynamic`", quantised(static=False),
        f"--like torchvision {IMAGENET}", "quantised.onnx", "size, one image at a time", "torchvision",
        ("onnxruntime",),
    ),
}  # fmt: skip
NAMED = {"ultralytics", "custom-vision"}
"""Rows whose file has the class names; the others are given them."""


def main(name: str, files: Path, folder: Path) -> None:
    """Make one row."""
    row = ROWS[name]
    library, _, processor = row.like.partition(":")
    size = (row.size, row.size)
    shorter = {"shorter": row.size} if "--resize-shorter" in row.options else {}
    read = huggingface(processor, size) if processor else READERS[library](size, **shorter)
    pixels = np.stack([read(path) for path in json.loads(files.read_text())]).astype(np.float32)
    if library in ("torchvision", "timm", "ultralytics", "huggingface"):
        pixels = pixels.round()  # a tensor of uint8, divided by 255
    folder.mkdir(parents=True, exist_ok=True)
    probabilities = row.make(folder, pixels)
    versions = json.dumps({each: importlib.metadata.version(each) for each in row.libraries})
    np.savez(folder / "own.npz", pixels=pixels, probabilities=probabilities, versions=versions)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
