"""batchclf.load_model: what it predicts for files and pixels, against the scored run and Keras itself."""

import gc
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from onnx_cases import import_rows
from PIL import Image

import batchclf
from batchclf.api.model import _IMPORT, ImportKeywords
from batchclf.core.geometry import OF_GEOMETRY
from batchclf.errors import ModelError, NothingToScoreError, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("model")
    import_rows(folder, 1, size=8)
    for number, image in enumerate(pixels()):
        Image.fromarray(image).save(folder / f"{number:02d}.png")
    return folder


def pixels(n=20, size=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size), np.uint8)


@pytest.fixture(scope="module")
def model(folder):
    return batchclf.load_model(folder / "rows")


@pytest.fixture(scope="module")
def expected(model, folder):
    return model.predict_proba(sorted(folder.glob("*.png")))


def test_it_predicts_what_a_run_writes(model, folder, tmp_path):
    run = batchclf.score(folder, model, tmp_path / "run", glob=["*.png"], pictures=False)
    found = model.predict([str(folder / path) for path in run.predictions["path"]])
    same = [name for name in run.predictions if name not in ("path", "split", "label", "correct")]
    pd.testing.assert_frame_equal(found[same], run.predictions[same], rtol=1e-6)
    assert list(found) == ["path", *same, "skipped"]
    assert found["path"].tolist() == [str(folder / path) for path in run.predictions["path"]]
    assert (found["skipped"] == "").all()
    assert (model.class_names, model.input_shape) == (tuple(map(str, range(10))), (8, 8, 1))


@pytest.mark.parametrize(
    "form",
    [
        lambda images: images,
        lambda images: images[..., None],
        list,
        lambda images: [Image.fromarray(image) for image in images],
        lambda images: [np.repeat(image[..., None], 3, axis=2) for image in images],
        lambda images: iter(images),
    ],
    ids=["gray", "one channel", "list", "pillow", "as colour", "iterator"],
)
def test_pixels_are_as_good_as_files(model, expected, form):
    np.testing.assert_array_equal(model.predict_proba(form(pixels())), expected)


def test_pixels_of_tensorflow(model, expected):
    tensorflow = pytest.importorskip("tensorflow")
    np.testing.assert_array_equal(model.predict_proba(tensorflow.constant(pixels())), expected)


def test_one_image_is_one_row(model, folder, expected):
    for image in (folder / "00.png", str(folder / "00.png"), pixels()[0], Image.open(folder / "00.png")):
        np.testing.assert_array_equal(model.predict_proba(image), expected[:1])
    assert model.predict([]).shape == (0, len(model.predict(folder / "00.png").columns))


def test_other_sizes_are_brought_to_the_models_as_files_are(model, tmp_path):
    large = np.random.default_rng(3).integers(0, 256, (4, 21, 33, 3), np.uint8)
    for number, image in enumerate(large):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    of_files = model.predict_proba(sorted(tmp_path.glob("*.png")))
    np.testing.assert_array_equal(model.predict_proba(large), of_files)
    with_alpha = [Image.fromarray(image).convert("RGBA") for image in large]
    np.testing.assert_array_equal(model.predict_proba(with_alpha), of_files)
    np.testing.assert_array_equal(model.predict_proba([np.asarray(image) for image in with_alpha]), of_files)
    assert not np.array_equal(model.predict_proba(large[..., ::-1]), of_files), "the order of the channels counts"


def test_pillows_images_are_turned_as_their_files_are(model, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 3).save(
        tmp_path / "turned.jpg", exif=exif, quality=100
    )
    of_file = model.predict_proba(tmp_path / "turned.jpg")
    np.testing.assert_allclose(model.predict_proba(Image.open(tmp_path / "turned.jpg")), of_file, atol=1e-5)


def test_an_image_that_cannot_be_read_costs_nothing_else(model, folder, expected, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    images = [folder / "00.png", tmp_path / "broken.png", folder / "01.png", "nowhere.png"]
    with pytest.warns(UserWarning, match=r"2 images could not be read: .*broken\.png: not an image") as caught:
        found = model.predict(images)
    assert caught[0].filename == __file__
    assert found["prediction"].isna().tolist() == [False, True, False, True]
    assert found.loc[[1, 3], ["confidence", "margin", "prob:0"]].isna().all().all()
    assert [bool(reason) for reason in found["skipped"]] == [False, True, False, True]
    np.testing.assert_allclose(found.filter(like="prob:").loc[[0, 2]], expected[:2], rtol=1e-6)
    with pytest.warns(UserWarning, match="2 images"):
        shares = model.predict_proba(images)
    assert np.isnan(shares[[1, 3]]).all()
    # So that it cannot be evaluated unseen.
    with pytest.raises(batchclf.BatchclfError, match=r"probabilities\[1\] has a value that is no finite number"):
        batchclf.evaluate([0, 1, 2, 3], probabilities=shares)
    with pytest.raises(NothingToScoreError, match=r"no image could be read: nowhere\.png"):
        model.predict("nowhere.png")


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (pixels().astype(float) / 255, "float64 numbers, and pixels are uint8"),
        (pixels().astype(np.int64), "int64 numbers"),
        (np.zeros((3, 8, 9), np.uint8).transpose(0, 2, 1)[:, None], "the channels, 1, 3 or 4, come last"),
        (np.zeros((2, 2, 2, 2, 1), np.uint8), "has the shape"),
        ([None], r"images\[0\] is a NoneType, not an image"),
        (5, "a int is no image"),
        (b"content", "a bytes is no image"),
        (".", "is a folder"),
    ],
)
def test_what_is_no_image_is_refused(model, images, said):
    with pytest.raises(UsageError, match=said) as caught:
        model.predict(images)
    assert caught.value.hint


def test_a_model_file_is_imported_with_the_options_of_the_command_line(folder, expected, tmp_path):
    how = {"classes": list("abcdefghij"), "scale": "0..1", "like": "batchclf"}
    found = batchclf.load_model(folder / "rows.onnx", **how)
    assert found.class_names == tuple("abcdefghij")
    np.testing.assert_array_equal(found.predict_proba(pixels()), expected)
    place = found.path
    del found
    gc.collect()
    assert not place.exists()
    kept = batchclf.load_model(folder / "rows.onnx", out=tmp_path / "kept", **how)
    assert batchclf.load_model(tmp_path / "kept").class_names == kept.class_names
    with pytest.raises(UsageError, match="is a model bundle already, and scale is for an import"):
        batchclf.load_model(tmp_path / "kept", scale="0..1")
    for options, said in (
        ({}, r"--classes \(.*rows.onnx gives no class names\); --scale"),
        ({"classes": list("abcdefghij")}, "does not tell how the pixels it takes are scaled"),
        ({**how, "classes": ["a"]}, "names 1 class"),
        ({**how, "scal": "0..1"}, "there is no option scal"),
        ({**how, "like": "tim"}, "there is no such profile"),
        ({**how, "resize_shorter": "big"}, "resize_shorter: a whole number is expected"),
    ):
        with pytest.raises(UsageError, match=said):
            batchclf.load_model(folder / "rows.onnx", **options)
    with pytest.raises(ModelError, match="no model bundle at nowhere"):
        batchclf.load_model("nowhere")
    with pytest.raises(ModelError, match="there is no model at nowhere"):
        batchclf.load_model("nowhere.keras", classes=["a", "b"])


def test_a_keras_file_predicts_what_keras_predicts(tmp_path):
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    import keras

    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4, activation="softmax")]
    )
    network.save(tmp_path / "net.keras")
    images = pixels(12)
    found = batchclf.load_model(tmp_path / "net.keras", classes=list("abcd"), scale="0..1", like="batchclf")
    of_keras = network.predict(images[..., None] / np.float32(255), verbose=0)
    np.testing.assert_allclose(found.predict_proba(images), of_keras, atol=1e-5)
    with_keras = batchclf.load_model(found.path, runtime="tensorflow")
    np.testing.assert_allclose(with_keras.predict_proba(images), of_keras, atol=1e-5)


def test_the_options_of_an_import_are_those_of_the_command_line():
    from batchclf.cli.model import _IMPORT as OF_THE_COMMAND_LINE

    assert set(ImportKeywords.__annotations__) == {*OF_THE_COMMAND_LINE, "sample", "unique_names", *OF_GEOMETRY}
    assert set(_IMPORT) == {*OF_THE_COMMAND_LINE, "sample", "unique_names"}
    assert Path(batchclf.__file__).with_name("py.typed").is_file()
