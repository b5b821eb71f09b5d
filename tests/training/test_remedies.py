"""What is done against overfitting: each remedy by itself against Keras or scikit-learn, and all compared."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from batchclf.core.types import Dataset, Split
from batchclf.errors import DataError, ModelError, UsageError
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import open_runtime
from batchclf.training.recipes.builtin import RECIPES, Recipe
from batchclf.training.train_bundle import TrainSettings, train

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)


def _few(digits, images=180, tests=60, classes=3):
    def cut(split, count):
        chosen = np.flatnonzero(split.labels < classes)[:count]
        return Split(split.name, split.images[chosen], split.labels[chosen], tuple(split.paths[i] for i in chosen))

    names = tuple(str(each) for each in range(classes))
    return Dataset("few digits", names, cut(digits.train, images), cut(digits.test, tests), "made in a test")


def _train(dataset, out, said=None, **settings):
    settings = TrainSettings(**{"epochs": 2, "batch_size": 16, "seed": 3, **settings})
    say = (said if said is not None else []).append
    return train(dataset, settings, out, say=say, on_epoch=lambda number, metrics: None)


def _weights(bundle):
    import keras

    return keras.models.load_model(bundle.original_path).get_weights()


def _by_keras(dataset, epochs, batch_size, optimizer, loss, *, one_hot=False, sample_weight=None):
    """Train the recipe `mlp` on the same batches with Keras' `train_on_batch`."""
    import keras

    keras.utils.set_random_seed(3)
    model = RECIPES["mlp"].build(dataset.train.images.shape[1:], len(dataset.class_names))
    model.compile(optimizer, loss)
    labels = dataset.train.labels
    subsets = np.eye(len(dataset.class_names), dtype=np.float32)[labels] if one_hot else labels
    orders = np.random.default_rng(3)
    for _ in range(epochs):
        order = orders.permutation(len(labels))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            weights = None if sample_weight is None else sample_weight[labels[batch]]
            model.train_on_batch(dataset.train.images[batch], subsets[batch], sample_weight=weights)
    return model.get_weights()


def _agree(bundle, weights):
    for ours, theirs in zip(_weights(bundle), weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["adam", pytest.param("sgd", marks=pytest.mark.slow)])
def test_optimizer_weight_decay_and_schedule_are_those_of_keras(digits, tmp_path, monkeypatch, name):
    import keras

    monkeypatch.setitem(RECIPES, "mlp", replace(RECIPES["mlp"], optimizer=name))
    dataset = _few(digits)
    bundle = _train(dataset, tmp_path / "out", weight_decay=0.5, learning_rate_schedule="cosine", learning_rate=0.01)
    steps = 2 * 12  # of 180 images in batches of 16
    rate = keras.optimizers.schedules.CosineDecay(0.01 / 25, steps - 4, warmup_target=0.01, warmup_steps=4)
    if name == "adam":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=0.5)
    else:
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    _agree(bundle, _by_keras(dataset, 2, 16, optimizer, loss))
    assert bundle.info.settings["optimizer"] == name


def test_label_smoothing_is_that_of_keras(digits, tmp_path):
    import keras

    dataset = _few(digits)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    _agree(
        _train(dataset, tmp_path / "out", label_smoothing=0.2),
        _by_keras(dataset, 2, 16, keras.optimizers.Adam(0.001), loss, one_hot=True),
    )


def test_class_weights_are_those_of_scikit_learn(digits, tmp_path):
    import keras
    from sklearn.utils.class_weight import compute_class_weight

    whole = _few(digits)
    labels = whole.train.labels
    kept = np.sort(np.concatenate([np.flatnonzero(labels == c)[:count] for c, count in enumerate((60, 20, 5))]))
    train = Split("train", whole.train.images[kept], labels[kept], tuple(whole.train.paths[i] for i in kept))
    dataset = replace(whole, train=train)
    weights = compute_class_weight("balanced", classes=np.arange(3), y=train.labels)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    _agree(
        _train(dataset, tmp_path / "out", class_weights="balanced"),
        _by_keras(dataset, 2, 16, keras.optimizers.Adam(0.001), loss, sample_weight=weights.astype(np.float32)),
    )


def test_dropout_goes_before_the_last_layer_and_is_off_when_scoring(digits, tmp_path):
    import keras

    dataset = _few(digits)
    bundle = _train(dataset, tmp_path / "out", dropout=0.4)
    model = keras.models.load_model(bundle.original_path)
    assert [type(layer).__name__ for layer in model.layers[-2:]] == ["Dropout", "Dense"]
    assert model.layers[-2].rate == 0.4
    assert bundle.info.settings["dropout"] == 0.4
    scores = open_runtime(bundle, "onnx").probabilities(dataset.test.images)
    again = open_runtime(bundle, "tensorflow").probabilities(dataset.test.images)
    np.testing.assert_allclose(scores, again, atol=1e-5)
    assert any(
        np.abs(a - b).max() > 1e-4
        for a, b in zip(_weights(bundle), _weights(_train(dataset, tmp_path / "0")), strict=True)
    )


def test_dropout_is_refused_where_there_is_no_place_for_it(digits, tmp_path, monkeypatch):
    def without_dense(input_shape, classes):
        import keras

        layers = keras.layers
        first = [keras.Input(input_shape, dtype="uint8"), layers.Rescaling(1 / 255)]
        return keras.Sequential([*first, layers.Conv2D(classes, 3), layers.GlobalAveragePooling2D()])

    monkeypatch.setitem(RECIPES, "convolutions", Recipe(without_dense, 1, 16, ""))
    with pytest.raises(ModelError, match="does not end in a keras") as caught:
        _train(_few(digits), tmp_path / "out", recipe="convolutions", dropout=0.1)
    assert "leave dropout at 0" in caught.value.hint


# Validation and early stopping


def test_early_stopping_keeps_the_weights_of_the_lowest_validation_loss(digits, tmp_path):
    """The same training, ended by hand after that epoch, is the oracle."""
    dataset = _few(digits)
    settings = {"validation_split": 0.2, "learning_rate": 0.1}
    bundle = _train(dataset, tmp_path / "early", epochs=30, patience=2, **settings)
    record, losses = bundle.info.training, bundle.info.history["val_loss"]
    assert record.epochs == len(losses) < record.planned_epochs == 30
    assert record.kept_epoch == 1 + int(np.argmin(losses)) == record.epochs - 2
    by_hand = _train(dataset, tmp_path / "by hand", epochs=record.kept_epoch, **settings)
    for early, other in zip(_weights(bundle), _weights(by_hand), strict=True):
        np.testing.assert_array_equal(early, other)


def test_validation_images_come_from_train_and_the_test_images_choose_nothing(digits, tmp_path):
    dataset = _few(digits)
    settings = {"validation_split": 0.25, "patience": 1, "epochs": 4, "learning_rate": 0.02}
    bundle = _train(dataset, tmp_path / "one", **settings)
    dark = replace(dataset, test=replace(dataset.test, images=np.zeros_like(dataset.test.images)))
    other = _train(dark, tmp_path / "other", **settings)
    record = bundle.info.training
    assert (record.train_images, record.validation_images, record.measured_on) == (135, 45, "validation")
    assert bundle.info.history == other.info.history
    assert record.temperature == other.info.training.temperature
    assert record.final["test"] != other.info.training.final["test"]
    for one, two in zip(_weights(bundle), _weights(other), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_numbers_at_the_end_are_those_of_the_model(digits, tmp_path):
    dataset = _few(digits)
    bundle = _train(dataset, tmp_path / "out", validation_split=0.25)
    final = bundle.info.training.final
    predictions = open_runtime(bundle, "onnx").probabilities
    for name, split in dataset.splits.items():
        right = int((predictions(split.images).argmax(axis=1) == split.labels).sum())
        if name == "test":
            assert (final[name].correct, final[name].images) == (right, len(split.labels))
        else:
            assert final["train"].correct + final["validation"].correct == right
            assert (final["train"].images, final["validation"].images) == (135, 45)
    assert bundle.info.history["val_accuracy"][-1] == pytest.approx(final["validation"].accuracy)


def test_groups_are_not_divided_between_train_and_validation(digits, tmp_path):
    dataset = _few(digits)
    one_group = replace(dataset, train=replace(dataset.train, groups=np.zeros(180, np.int64)))
    with pytest.raises(DataError, match="the 180 training images of few digits leave none for validation"):
        _train(one_group, tmp_path / "out", validation_split=0.25)
    bundle = _train(
        replace(dataset, train=replace(dataset.train, groups=np.arange(180) // 30)),
        tmp_path / "out",
        validation_split=0.3,
    )
    assert bundle.info.training.validation_images % 30 == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": 2}, "early stopping needs validation images"),
        ({"validation_split": 1.0}, "validation_split is 1.0"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"label_smoothing": 2}, "label_smoothing is 2"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"weight_decay": float("nan")}, "weight_decay is nan"),
        ({"augment": "rotate"}, "there is no augmentation 'rotate'"),
    ],
)
def test_settings_that_no_training_can_have(digits, tmp_path, settings, message):
    with pytest.raises(UsageError, match=message) as caught:
        _train(_few(digits), tmp_path / "out", **settings)
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


# All compared


@pytest.mark.slow
def test_each_remedy_is_compared_and_can_be_trained_by_its_options(digits, tmp_path):
    dataset, said = _few(digits), []
    bundle = _train(dataset, tmp_path / "out", said, compare_regularisation=True)
    variants = load_bundle(bundle.path).info.training.variants
    assert [each.name for each in variants] == ["as it is", "dropout", "weight decay", "early stopping", "augmentation"]
    assert {each.validation.images for each in variants} == {18}
    assert {(each.train.images, each.test.images) for each in variants} == {(162, 60)}
    assert len({(each.train.correct, each.validation.correct, each.test.correct) for each in variants}) > 1
    as_it_is = _train(dataset, tmp_path / "plain", validation_split=0.1)
    for one, other in zip(_weights(bundle), _weights(as_it_is), strict=True):
        np.testing.assert_array_equal(one, other)
    augmented = _train(dataset, tmp_path / "augmented", validation_split=0.1, augment="flip,shift")
    assert variants[-1].options == "--augment flip,shift --validation-split 0.1"
    assert augmented.info.training.final["test"] == variants[-1].test
    assert augmented.info.training.final["train"] == variants[-1].train
    assert [line for line in said if "training mlp with" in line]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["augmented", "out", "plain"]


@pytest.mark.slow
def test_a_killed_comparison_does_not_train_again_what_is_through(digits, tmp_path):
    dataset, epochs = _few(digits), []

    def stop(epoch, metrics):
        epochs.append(epoch)
        if len(epochs) == 3:
            raise KeyboardInterrupt

    settings = TrainSettings(epochs=1, batch_size=16, compare_regularisation=True)
    with pytest.raises(KeyboardInterrupt):
        train(dataset, settings, tmp_path / "out", say=lambda line: None, on_epoch=stop)
    train(dataset, settings, tmp_path / "out", say=lambda line: None, on_epoch=stop)
    assert len(epochs) == 3 + 3  # as it is and dropout were through
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
