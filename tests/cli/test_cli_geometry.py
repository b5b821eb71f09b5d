"""How files are cut and resized for a model: `model import`, `score`, `train`, jobs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

NAMES = ("dark", "light", "green")
SIDE = 12


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A linear classifier of 12x12 RGB images as an ONNX file; and its weights, channels last."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(5).normal(size=(SIDE * SIDE * 3, 3), scale=0.4).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    source = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", SIDE, SIDE, 3])
    result = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(nodes, "linear", [source], [result], [numpy_helper.from_array(weights, "weights")])
    path = tmp_path_factory.mktemp("network") / "linear.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path, weights.astype(np.float64)


def picture(width, height):
    rows, columns = np.mgrid[:height, :width]
    base = np.stack([rows * 7 % 256, columns * 5 % 256, (rows + columns) * 3 % 256], axis=-1)
    return Image.fromarray(base.astype(np.uint8))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Pictures of other sizes than the model's, one of them turned by EXIF."""
    folder = tmp_path_factory.mktemp("photos")
    for name, (width, height) in {"a": (40, 23), "b": (19, 51), "c": (14, 13), "d": (60, 60)}.items():
        picture(width, height).save(folder / f"{name}.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(44, 30).save(folder / "e.png", exif=exif)
    return folder


@pytest.fixture
def bundle(cli, network, tmp_path, monkeypatch):
    """Import the network with options of the geometry, and give the folder of the bundle."""
    monkeypatch.chdir(tmp_path)

    def make(*options, out="bundle"):
        told = ("--classes", ",".join(NAMES), "--scale", "0..1", "--output", "logits")
        code, out_text, err = cli("model", "import", network[0], *told, *options, "--out", out)
        assert code == 0, err
        make.said = out_text
        return tmp_path / out

    return make


def scored(cli, photos, model, *options):
    code, out, err = cli("score", photos, "--model", model, *options, "--json")
    assert code == 0, err
    return json.loads(out)


def probabilities(result):
    table = pd.read_csv(result["files"]["predictions.csv"])
    return table[[f"prob:{name}" for name in NAMES]].to_numpy()


def by_hand(photos, weights, cut):
    pixels = np.stack([np.asarray(cut(Image.open(path)), np.float64) for path in sorted(photos.iterdir())])
    logits = pixels.reshape(len(pixels), -1) / 255 @ weights
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def timms(image):
    """Resize(13), CenterCrop(12): floor(12 / 0.875) is 13."""
    width, height = image.size
    short = 13
    size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    left, top = (round((side - SIDE) / 2) for side in size)
    return image.resize(size, Image.Resampling.BICUBIC).crop((left, top, left + SIDE, top + SIDE))


def test_unknown_stays_unknown(cli, bundle, photos, tmp_path):
    model = bundle()
    assert "geometry: not known; only images of 12x12 are scored" in bundle.said
    code, _, err = cli("score", photos, "--model", model, "--out", tmp_path / "run")
    assert code == 2
    assert f"{photos}/a.png: the image has 23x40 pixels, the model takes 12x12" in err
    for option in ("--like torchvision, timm, keras", "--resize-shorter", "--crop", "--pad", "--like batchclf"):
        assert option in err
    assert not (tmp_path / "run").exists()
    fitting = tmp_path / "fitting"
    fitting.mkdir()
    picture(SIDE, SIDE).save(fitting / "x.png")
    assert scored(cli, fitting, model)["subsets"][str(fitting)]["scored"] == 1


def test_unknown_ends_processes_too(cli, bundle, tmp_path):
    model = bundle()
    many = tmp_path / "many"
    many.mkdir()
    picture(SIDE, SIDE).save(many / "0000.png")
    for number in range(1, 4200):
        (many / f"{number:04}.png").hardlink_to(many / "0000.png")
    picture(9, 9).save(many / "9999.png")
    code, _, err = cli("score", many, "--model", model)
    assert code == 2
    assert "9999.png: the image has 9x9 pixels" in err


def test_a_profiles_pixels_reach_the_model(cli, bundle, network, photos):
    model = bundle("--like", "timm", "--interpolation", "bicubic")
    words = "shorter side to 13 (bicubic, antialiased), centre crop 12x12, not turned by EXIF, colours as Pillow's"
    assert f"geometry: {words}; as timm 1.0" in bundle.said
    result = scored(cli, photos, model)
    np.testing.assert_allclose(probabilities(result), by_hand(photos, network[1], timms), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "cut"),
    [
        (("--like", "keras-load-img"), lambda image: image.resize((SIDE, SIDE), Image.Resampling.NEAREST)),
        (
            ("--like", "huggingface:efficientnet"),
            lambda image: turned(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC),
        ),
        (("--interpolation", "lanczos"), lambda image: turned(image).resize((SIDE, SIDE), Image.Resampling.LANCZOS)),
    ],
)
def test_each_way_gives_the_pixels_of_its_own(cli, bundle, network, photos, options, cut):
    result = scored(cli, photos, bundle(*options))
    # By one level in some pixels: torch resizes the columns first.
    np.testing.assert_allclose(probabilities(result), by_hand(photos, network[1], cut), atol=2e-3)


def turned(image):
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def test_the_geometry_is_shown_everywhere(cli, bundle, photos):
    model = bundle("--like", "torchvision", "--resize-shorter", "14")
    sentence = "shorter side to 14 (bilinear, antialiased), centre crop 12x12"
    _, out, _ = cli("model", "show", model)
    assert f"geometry       {sentence}" in out
    _, out, _ = cli("model", "show", model, "--json")
    shown = json.loads(out)["preprocessing"]["geometry"]
    assert (shown["fit"], shown["resize_to"], shown["like"]) == ("crop", [14, 14], "torchvision 0.29")
    result = scored(cli, photos, model)
    record = json.loads((Path(result["files"]["run.json"])).read_text())
    assert record["model"]["geometry"] == shown
    assert record["resize"] == "exact"
    page = Path(result["files"]["report.html"]).read_text()
    assert sentence in page
    folder = Path(result["files"]["run.json"]).parent
    assert cli("report", folder, "--format", "json", "--out", folder / "again.json")[0] == 0
    report = json.loads((folder / "again.json").read_text())
    assert report["run"]["model"]["geometry"] == shown


def test_two_geometries_do_not_share_scores(cli, bundle, photos, tmp_path):
    timm, own = bundle("--like", "timm", out="timm"), bundle("--like", "batchclf", out="own")
    reports = ("--reports", tmp_path / "reports")
    first = probabilities(scored(cli, photos, timm, "--cache", *reports))
    second = scored(cli, photos, own, "--cache", *reports)
    assert not np.allclose(first, probabilities(second))
    np.testing.assert_array_equal(probabilities(second), probabilities(scored(cli, photos, own)))
    again = scored(cli, photos, timm, "--cache", *reports)
    np.testing.assert_array_equal(probabilities(again), first)
    # The digest of a model stands for its pixels, too: history and comparisons go by it.
    digests = [json.loads(cli("model", "show", model, "--json")[1])["digest"] for model in (timm, own)]
    assert digests[0] != digests[1]


def test_fast_is_by_choice(cli, bundle, tmp_path):
    folder = tmp_path / "large"
    folder.mkdir()
    picture(960, 720).save(folder / "a.jpg", quality=95)
    model = bundle("--like", "timm")
    exact = scored(cli, folder, model)
    fast = scored(cli, folder, model, "--resize", "fast")
    assert not np.array_equal(probabilities(exact), probabilities(fast))
    np.testing.assert_array_equal(probabilities(scored(cli, folder, model, "--resize", "exact")), probabilities(exact))


def test_a_bundle_of_an_earlier_format_scores_as_before(cli, bundle, photos):
    model = bundle("--like", "batchclf")
    before = probabilities(scored(cli, photos, model))
    info = json.loads((model / "model.json").read_text())
    info["format"] = 3
    del info["preprocessing"]["geometry"]
    (model / "model.json").write_text(json.dumps(info))
    result = scored(cli, photos, model)
    np.testing.assert_array_equal(probabilities(result), before)
    assert json.loads(Path(result["files"]["run.json"]).read_text())["resize"] == "fast"


def test_a_bundles_graph_knows_its_geometry(cli, bundle, tmp_path):
    first = bundle("--pad", "114")
    told = ("--classes", ",".join(NAMES))
    code, out, err = cli("model", "import", first / "model.onnx", *told, "--out", tmp_path / "again")
    assert code == 0, err
    assert "geometry: longer side to 12 (bilinear, antialiased), border 114,114,114" in out


def test_efficientnet_of_huggingface_divides_twice(cli, network, tmp_path):
    told = ("--classes", ",".join(NAMES), "--mean", "0.5", "--std", "0.2", "--output", "logits")
    options = ("--like", "huggingface:efficientnet", "--out", tmp_path / "bundle", "--quiet")
    mean_std = ("0.5,0.5,0.5", "0.2,0.2,0.2")
    told = (*told[:3], mean_std[0], told[4], mean_std[1], *told[6:])
    code, _, err = cli("model", "import", network[0], *told, *options)
    assert code == 0, err
    _, out, _ = cli("model", "show", tmp_path / "bundle", "--json")
    np.testing.assert_allclose(json.loads(out)["preprocessing"]["std"], [0.04] * 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--like", "huggingface:levit"), "give one of: huggingface:vit"),
        (("--pad", "0", "--crop"), "--pad does not go with --crop"),
        (("--like", "torchvision", "--crop"), "--crop does not go with --like"),
        (("--like", "keras", "--interpolation", "bicubic"), "no pixels for --interpolation bicubic"),
    ],
)
def test_what_does_not_go_together_is_refused(cli, network, tmp_path, options, message):
    told = ("--classes", ",".join(NAMES), "--scale", "0..1")
    code, _, err = cli("model", "import", network[0], *told, *options, "--out", tmp_path / "bundle")
    assert code == 2
    assert message in err
    assert not (tmp_path / "bundle").exists()


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """Class folders of pictures of several sizes."""
    folder = tmp_path_factory.mktemp("classes")
    random = np.random.default_rng(1)
    for label, level in (("dark", 40), ("light", 200)):
        (folder / label).mkdir()
        for number in range(10):
            size = (30 + number, 44 - number, 3)
            pixels = random.integers(level - 30, level + 30, size, np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


def test_training_with_a_profile_and_scoring_see_the_same_pixels(cli, classes, tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    monkeypatch.chdir(tmp_path)
    how = ("--like", "torchvision", "--resize-shorter", "14", "--input-size", "12x12", "--color", "rgb")
    code, _, err = cli("train", "--data", classes, *how, "--recipe", "mlp", "--epochs", "1", "--out", "model")
    assert code == 0, err
    _, out, _ = cli("model", "show", "model", "--json")
    assert json.loads(out)["preprocessing"]["geometry"]["resize_to"] == [14, 14]
    (tmp_path / "job.toml").write_text(
        f'[publish]\nreports = "reports"\n[data]\ndirectory = "{classes}"\n[model]\nbundle = "model"\n'
        '[scoring]\nsplits = ["test", "train"]\n'
        f'[scoring.directories.all]\npath = "{classes}"\nlabels = "folders"\n'
    )
    code, out, err = cli("run", "job.toml", "--json")
    assert code == 0, err
    table = pd.read_csv(json.loads(out)["files"]["predictions.csv"])
    table["file"] = table.path.str.split("/").str[-2:].str.join("/")
    of_split = table[table.split != "all"].set_index("file").sort_index()
    of_folder = table[table.split == "all"].set_index("file").sort_index()
    assert len(of_split) == len(of_folder) == 20
    np.testing.assert_array_equal(of_split[["prob:dark", "prob:light"]], of_folder[["prob:dark", "prob:light"]])


def test_a_job_says_that_a_loaded_model_keeps_its_geometry(cli, bundle, classes, tmp_path):
    bundle("--like", "batchclf", out="model")
    folders = tmp_path / "folders"
    shutil.copytree(classes, folders)
    job = f'[data]\ndirectory = "{folders}"\nlike = "timm"\n[model]\nbundle = "model"\n'
    (tmp_path / "job.toml").write_text(job)
    _, out, _ = cli("job", "check", "job.toml")
    assert "[data] asks for another geometry than the model's" in out
    (tmp_path / "job.toml").write_text(job.replace("timm", "tim"))
    code, out, _ = cli("job", "check", "job.toml")
    assert code == 1
    assert "data.like: --like tim: there is no such profile" in out
    assert "line 3" in out


def test_job_check_warns_of_an_unknown_geometry(cli, bundle, photos, tmp_path):
    bundle(out="model")
    (tmp_path / "job.toml").write_text(
        f'[publish]\nreports = "reports"\n[model]\nbundle = "model"\n[scoring.directories.new]\npath = "{photos}"\n'
    )
    _, out, _ = cli("job", "check", "job.toml")
    assert "the first one that has not 12x12 pixels ends the run" in out
    code, _, err = cli("run", "job.toml")
    assert code == 2
    assert "the model takes 12x12" in err
