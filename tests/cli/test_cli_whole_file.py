"""A bundle's model.onnx says all that it takes: imported again without options, exported, run by ONNX Runtime alone."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from PIL import Image
from quantised_cases import CLASSES, network

from batchclf.models.bundle import file_digest

KEYS = ["batchclf.classes", "batchclf.geometry", "batchclf.input"]


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    random = np.random.default_rng(3)
    for number, size in enumerate([(8, 8), (30, 20), (17, 40), (9, 8)]):
        Image.fromarray(random.integers(0, 256, size, np.uint8)).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


def predictions(cli, photos, model):
    code, values, err = cli.json("score", photos, "--model", model)
    assert code == 0, err
    return Path(values["files"]["predictions.csv"]).read_bytes()


def notes(path):
    return {each.key: each.value for each in onnx.load(path).metadata_props}


def imported(cli, *options, out="bundle", path=None):
    path = path or network(Path("a.onnx"))
    code, _, err = cli("model", "import", path, *options, "--out", out)
    assert code == 0, err
    return Path(out)


LOGITS = ("--classes", ",".join(CLASSES), "--scale", "0..1")


@pytest.mark.parametrize(
    "options",
    [(*LOGITS, "--like", "torchvision", "--resize-shorter", "12"), (*LOGITS, "--like", "batchclf")],
    ids=["cut", "own"],
)
def test_the_file_alone_gives_the_same_predictions(cli, photos, options):
    bundle = imported(cli, *options)
    assert sorted(notes(bundle / "model.onnx")) == KEYS
    again = imported(cli, path=bundle / "model.onnx", out="again")
    assert predictions(cli, photos, again) == predictions(cli, photos, bundle)
    first, second = (json.loads((each / "model.json").read_text()) for each in (bundle, again))
    assert second["class_names"] == first["class_names"]
    assert second["preprocessing"]["geometry"] == first["preprocessing"]["geometry"]
    # Options win here, too
    third = imported(cli, "--classes", "k,l,m,n,o,p,q,r,s,t", "--pad", "0", path=bundle / "model.onnx", out="third")
    assert json.loads((third / "model.json").read_text())["preprocessing"]["geometry"]["fit"] == "pad"


def test_a_trained_file_too(cli, photos):
    code, _, err = cli("train", "--dataset", "digits", "--recipe", "mlp", "--epochs", "1", "--out", "trained")
    assert code == 0, err
    again = imported(cli, path=Path("trained/model.onnx"), out="again")
    assert predictions(cli, photos, again) == predictions(cli, photos, Path("trained"))


def test_what_a_file_said_of_other_pixels_is_gone(cli):
    path = network(Path("a.onnx"), [("Softmax", (), {})])
    model = onnx.load(path)
    for key, value in {"task": "classify", "names": str(dict(enumerate(CLASSES))), "author": "Ultralytics"}.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    bundle = imported(cli, path=path)
    assert sorted(notes(bundle / "model.onnx")) == ["author", *KEYS]


def test_an_export_of_an_older_bundle_is_whole(cli, photos):
    bundle = imported(cli, *LOGITS, "--crop")
    code, out, err = cli("model", "export", bundle, "--onnx", "whole.onnx")
    assert (code, err) == (0, "")
    assert Path("whole.onnx").read_bytes() == (bundle / "model.onnx").read_bytes()
    assert "takes image: uint8, n x 8 x 8 x 1, 0 to 255, channels: gray" in out
    assert "how files become such images: shorter side to 8 (bilinear, antialiased), centre crop 8x8" in out
    assert "gives probabilities: float32, n x 10, in the order of batchclf.classes in the metadata" in out
    # As batchclf 0.1 wrote it: nothing in the metadata, and no geometry in model.json
    old, info = Path("old"), json.loads((bundle / "model.json").read_text())
    shutil.copytree(bundle, old)
    model = onnx.load(old / "model.onnx")
    del model.metadata_props[:]
    onnx.save(model, old / "model.onnx")
    del info["preprocessing"]["geometry"], info["preprocessing"]["renormalize"], info["batch_size"]
    digest = file_digest(old / "model.onnx")
    (old / "model.json").write_text(json.dumps({**info, "format": 3, "files": {"model.onnx": digest}}))
    before = predictions(cli, photos, old)
    code, values, _ = cli.json("model", "export", old, "--onnx", "old.onnx")
    assert code == 0
    assert values["geometry"] == "stretched to 8x8 (area)"
    assert values["input"] == {
        **{"name": "image", "dtype": "uint8", "shape": ["n", 8, 8, 1], "range": [0, 255], "channels": "gray"}
    }
    assert predictions(cli, photos, imported(cli, path=Path("old.onnx"), out="again")) == before


def test_an_export_leaves_bundles_alone(cli):
    bundle = imported(cli, *LOGITS)
    before = (bundle / "model.onnx").read_bytes()
    code, _, err = cli("model", "export", bundle, "--onnx", bundle / "model.onnx")
    assert code == 2
    assert "lies in a model bundle" in err
    assert (bundle / "model.onnx").read_bytes() == before


def test_the_lines_in_the_docs_give_what_score_gives(cli, tmp_path, repo_root):
    page = (repo_root / "docs" / "models.md").read_text()
    code = re.search(r"```python\n(import json\n.*?onnxruntime.*?)```", page, re.DOTALL)[1]
    bundle = imported(cli, *LOGITS, "--like", "batchclf")
    assert cli("model", "export", bundle, "--onnx", "digits.onnx")[0] == 0
    (tmp_path / "one").mkdir()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (8, 8), np.uint8)).save(tmp_path / "one" / "seven.png")
    shutil.copy("one/seven.png", "seven.png")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    name, share = done.stdout.split()
    assert not {"batchclf", "onnx"} & set(re.findall(r"import (\w+)", code))
    predictions(cli, tmp_path / "one", bundle)
    row = pd.read_csv(next(Path("reports").glob("*/*/predictions.csv"))).iloc[0]
    assert name == row["prediction"]
    assert float(share) == pytest.approx(row["confidence"], abs=1e-6)
    assert onnxruntime.InferenceSession("digits.onnx").get_inputs()[0].name == "image"
