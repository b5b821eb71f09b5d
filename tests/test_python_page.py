"""docs/python.md: its notebook is run, and so is its code for PyTorch, Keras and Hugging Face."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from doc_pages import ROOT, read, script, section
from PIL import Image

PAGE = read("docs/python.md")
NOTEBOOK = script("docs/notebook.py")


def code(title):
    """The code under a heading."""
    return "".join(re.findall(r"^```python\n(.*?)^```$", section(PAGE, title), re.MULTILINE | re.DOTALL))


def test_the_notebook_is_made_from_the_page():
    assert read("docs/python.ipynb") == NOTEBOOK.notebook(PAGE), "run python docs/notebook.py"
    cells = json.loads(read("docs/python.ipynb"))["cells"]
    run = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert not any(library in run for library in ("torch", "keras", "transformers"))


@pytest.fixture
def photos(digits, tmp_path):
    """The digits' test images in class folders, named as `batchclf data export` names them."""
    for image, label, path in zip(digits.test.images, digits.test.labels, digits.test.paths, strict=True):
        file = tmp_path / "photos" / digits.class_names[label] / f"{path.rpartition('/')[2]}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(file)
    return tmp_path


def test_the_notebook_runs(photos, digits_bundle, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    (photos / "models").mkdir()
    (photos / "models" / "digits").symlink_to(digits_bundle)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(photos / "jupyter"))
    notebook = nbformat.reads(read("docs/python.ipynb"), as_version=4)
    nbformat.validate(notebook)
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(photos)}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    pages = [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    shown = [page for page in pages if "95% interval" in page]
    assert len(shown) == 2, "an evaluation and a run"
    assert "Scored, no gate set" in shown[1]
    said = "".join(output.get("text", "") for output in outputs)
    assert "McNemar" not in said
    assert "beyond chance" in said
    assert "y_true has 3 rows and probabilities has 2" in said
    assert (photos / "report.html").is_file()
    assert (photos / "scored" / "run.json").is_file()


def run(text, cwd):
    """Run code in a process of its own, and give the accuracy and the class names of its evaluation."""
    last = (
        "\nimport json; print('\\n' + json.dumps([evaluation.accuracy, evaluation.labelled, evaluation.class_names]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", text + last],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def ten_lines(title):
    """The code of a section, which is short: a call over several lines counts as one."""
    text = code(title)
    statements = [line for line in text.splitlines() if line and line[0] not in " )"]
    assert len(statements) <= 10, title
    return text


def weights(digits):
    """A linear classifier of the digits, by least squares: (64, 10) and (10,) float32."""
    pixels = digits.train.images.reshape(len(digits.train.images), -1) / 255
    design = np.column_stack([pixels, np.ones(len(pixels))])
    found = np.linalg.lstsq(design, np.eye(10)[digits.train.labels] * 8, rcond=None)[0]
    return found[:-1].astype(np.float32), found[-1].astype(np.float32)


def expected(digits):
    matrix, bias = weights(digits)
    pixels = digits.test.images.reshape(len(digits.test.images), -1) / 255
    return float(((pixels @ matrix + bias).argmax(axis=1) == digits.test.labels).mean())


@pytest.mark.slow
@pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")
def test_ten_lines_of_keras(photos, digits):
    import keras

    layers = keras.layers
    network = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(10, activation="softmax")]
    )
    network.set_weights(weights(digits))
    network.save(photos / "digits.keras")
    accuracy, labelled, names = run(ten_lines("From a Keras model"), photos)
    assert (labelled, names) == (355, list(digits.class_names))
    assert accuracy == pytest.approx(expected(digits), abs=0.01)
    assert "<image id=" in (photos / "keras.html").read_text()


LOADER = """
import pathlib, numpy as np, torch
from PIL import Image

class Photos(torch.utils.data.Dataset):
    def __init__(self):
        self.files = sorted(pathlib.Path("photos").rglob("*.png"))
        self.classes = sorted({file.parent.name for file in self.files})

    def __len__(self):
        return len(self.files)

    def __getitem__(self, number):
        file = self.files[number]
        pixels = np.asarray(Image.open(file), np.float32) / 255
        return torch.from_numpy(pixels), self.classes.index(file.parent.name), str(file)

dataset = Photos()
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
weights = np.load("weights.npz")
parts = {"weight": torch.from_numpy(weights["matrix"].T.copy()), "bias": torch.from_numpy(weights["bias"])}
model[1].load_state_dict(parts)
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_ten_lines_of_pytorch(photos, digits):
    matrix, bias = weights(digits)
    np.savez(photos / "weights.npz", matrix=matrix, bias=bias)
    accuracy, labelled, names = run(LOADER + ten_lines("From a loop of PyTorch"), photos)
    assert (labelled, names) == (355, list(digits.class_names))
    assert accuracy == pytest.approx(expected(digits), abs=1e-6)
    assert "<image id=" in (photos / "torch.html").read_text()


PROCESSOR = """
import json
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor
names = sorted(path.name for path in __import__("pathlib").Path("photos").iterdir())
config = ViTConfig(
    hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=8, patch_size=4,
    num_labels=10, id2label=dict(enumerate(names)), label2id={name: number for number, name in enumerate(names)},
)
ViTForImageClassification(config).save_pretrained("models/vit")
ViTImageProcessor(size={"height": 8, "width": 8}).save_pretrained("models/vit")
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")
def test_ten_lines_of_hugging_face(photos, digits):
    accuracy, labelled, names = run(PROCESSOR + ten_lines("From a pipeline of Hugging Face"), photos)
    assert (labelled, names) == (355, list(digits.class_names))
    assert 0 <= accuracy <= 0.4, "the weights are drawn at random"
    assert "<image id=" in (photos / "transformers.html").read_text()
