import threading
from contextlib import closing
from itertools import count

import numpy as np
import pytest
from PIL import Image

from batchclf.core.types import BatchScores, ExcludedFile, ImageRef, SkippedImage
from batchclf.data.decoding.decode import read_image
from batchclf.data.labels import LabelRule, label_rule
from batchclf.data.sources.folder import Folder, discover
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import open_runtime
from batchclf.scoring.decoder import DecodeSetup
from batchclf.scoring.engines.local import BLOCKS_AHEAD, DecodePool, LocalEngine
from batchclf.scoring.model_run import ModelRun
from batchclf.scoring.processes import PROCESSES_FROM
from batchclf.scoring.stream import StreamTimes, blocks_of, score_blocks, score_split

NO_LABELS = LabelRule(None, "no labels")


class Recorder:
    """A runtime whose probabilities are a function of the pixels, and that keeps what it was given."""

    def __init__(self):
        self.batches = []

    def probabilities(self, images):
        self.batches.append(images.copy())
        first = images.reshape(len(images), -1).mean(axis=1, dtype=np.float32) / 255
        return np.stack([first, 1 - first], axis=1)


@pytest.fixture(scope="module")
def onnx(digits_bundle):
    return open_runtime(load_bundle(digits_bundle), "onnx")


@pytest.fixture(scope="module")
def folder(digits, tmp_path_factory):
    """The first 150 test digits in class folders, with files among them that cannot be scored."""
    root = tmp_path_factory.mktemp("digits")
    split = digits.test
    for name in digits.class_names:
        (root / name).mkdir()
    for number in range(150):
        target = root / digits.class_names[split.labels[number]] / f"{number:03d}.png"
        Image.fromarray(split.images[number][..., 0]).save(target)
    (root / "3" / "0 empty.png").write_bytes(b"")
    (root / "5" / "999.png").write_bytes(b"text")
    (root / "5" / ".hidden.png").write_bytes(b"")
    (root / "8" / "notes.txt").write_text("not an image")
    return root


def _blocks(root, runtime, *, batch_size=32, workers=2, rule=NO_LABELS, found=None, shape=(8, 8, 1), mode="grayscale"):
    found = discover(root, rule) if found is None else found
    times = StreamTimes()
    model = ModelRun(lambda: runtime, batch_size, say=lambda line: None)
    with DecodePool(DecodeSetup(Folder(root), shape, mode, "fast"), workers) as pool:
        yield from score_blocks(LocalEngine(pool, model).columns(blocks_of(found, batch_size, times)), times=times)


def _score(root, runtime, **settings):
    """Each block's skipped images, excluded files and scores, one after the other."""
    with closing(_blocks(root, runtime, **settings)) as blocks:
        for block in blocks:
            yield from (*block.skipped, *block.excluded)
            if block.scores is not None:
                yield block.scores


def _split_scores(split, runtime, class_names, batch_size):
    model = ModelRun(lambda: runtime, batch_size, say=lambda line: None)
    for block in score_split(split, model, class_names, batch_size, times=StreamTimes()):
        yield block.scores


def _by_path(outcomes):
    return {
        ref.path: row
        for outcome in outcomes
        if isinstance(outcome, BatchScores)
        for ref, row in zip(outcome.refs, outcome.probabilities, strict=True)
    }


# Files


def test_each_file_has_one_outcome_and_images_keep_their_order(folder, onnx):
    found = list(discover(folder, NO_LABELS))
    outcomes = list(_score(folder, onnx))
    scored = [ref for outcome in outcomes if isinstance(outcome, BatchScores) for ref in outcome.refs]
    skipped = [outcome for outcome in outcomes if isinstance(outcome, SkippedImage)]
    excluded = [outcome for outcome in outcomes if isinstance(outcome, ExcludedFile)]
    assert len(scored) + len(skipped) + len(excluded) == len(found) == 154
    assert [ref.path for ref in scored] == sorted(ref.path for ref in scored)
    assert skipped == [
        SkippedImage(ImageRef("3/0 empty.png", None), "empty file (0 bytes)"),
        SkippedImage(ImageRef("5/999.png", None), "not an image: the content is of no known image format"),
    ]
    assert excluded == [
        ExcludedFile("5/.hidden.png", "hidden"),
        ExcludedFile("8/notes.txt", "not an image by its suffix"),
    ]


def test_the_scores_are_the_runtimes_of_each_file_alone(folder, onnx):
    scores = _by_path(_score(folder, onnx))
    assert len(scores) == 150
    for path, row in scores.items():
        image = read_image(folder / path, (8, 8, 1), "grayscale")
        np.testing.assert_allclose(row, onnx.probabilities(image[None])[0], atol=1e-6)


def test_files_score_as_the_split_they_were_written_from(folder, onnx, digits):
    scores = _by_path(_score(folder, onnx))
    of_split = np.concatenate([b.probabilities for b in _split_scores(digits.test, onnx, digits.class_names, 64)])
    for path, row in scores.items():
        np.testing.assert_allclose(row, of_split[int(path[2:5])], atol=1e-6)


def test_labels_go_along(folder, onnx, digits):
    rule = label_rule(Folder(folder), "folders", digits.class_names)
    for outcome in _score(folder, onnx, rule=rule):
        if isinstance(outcome, BatchScores):
            assert [ref.label for ref in outcome.refs] == [ref.path[0] for ref in outcome.refs]
        elif isinstance(outcome, SkippedImage):
            assert outcome.ref.label == outcome.ref.path[0]


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("batch_size", [1, 7, 64, 500])
def test_workers_and_batch_size_change_nothing(folder, batch_size, workers):
    reference, runtime = Recorder(), Recorder()
    expected = _by_path(_score(folder, reference, batch_size=150, workers=1))
    outcomes = list(_score(folder, runtime, batch_size=batch_size, workers=workers))
    scores = _by_path(outcomes)
    assert list(scores) == list(expected)
    np.testing.assert_array_equal(list(scores.values()), list(expected.values()))
    np.testing.assert_array_equal(np.concatenate(runtime.batches), np.concatenate(reference.batches))
    assert max(map(len, runtime.batches)) <= batch_size
    assert sum(isinstance(outcome, SkippedImage) for outcome in outcomes) == 2
    assert sum(isinstance(outcome, ExcludedFile) for outcome in outcomes) == 2


def test_images_of_any_size_reach_the_runtime_at_the_input_shape(tmp_path):
    for number, size in enumerate([(5, 9), (40, 30), (8, 6)]):
        Image.new("RGB", size, (10, 20, 30)).save(tmp_path / f"{number}.png")
    runtime = Recorder()
    list(_score(tmp_path, runtime, shape=(6, 8, 3), mode="rgb"))
    (batch,) = runtime.batches
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, np.broadcast_to([10, 20, 30], (3, 6, 8, 3)))


def test_a_folder_that_cannot_be_listed_stays_a_skip(tmp_path):
    skip = SkippedImage(ImageRef("b/", None), "the folder cannot be listed: Permission denied")
    assert list(_score(tmp_path, Recorder(), found=[skip])) == [skip]


@pytest.mark.parametrize("paths", [[], ["a.png", "b.png"]], ids=["no files", "no image among them"])
def test_the_runtime_is_not_asked_about_nothing(tmp_path, paths):
    for path in paths:
        (tmp_path / path).write_bytes(b"text")
    runtime = Recorder()
    outcomes = list(_score(tmp_path, runtime))
    assert [type(outcome) for outcome in outcomes] == [SkippedImage] * len(paths)
    assert runtime.batches == []


def test_a_file_that_goes_away_between_discovery_and_reading_is_a_skip(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    found = [ImageRef("a.png", None), ImageRef("gone.png", None)]
    skip, scores = _score(tmp_path, Recorder(), found=found)
    assert skip == SkippedImage(ImageRef("gone.png", None), "cannot be read: No such file or directory")
    assert [ref.path for ref in scores.refs] == ["a.png"]


# Memory, and the end


def test_discovery_is_pulled_no_further_than_a_few_batches_ahead(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    pulled, batch_size = 0, 5

    def endless():
        nonlocal pulled
        for _ in count():
            pulled += 1
            yield ImageRef("a.png", None)

    outcomes = _score(tmp_path, Recorder(), found=endless(), batch_size=batch_size, workers=4)
    assert pulled == 0
    for number, outcome in zip(range(1, 2000), outcomes, strict=False):
        assert len(outcome.refs) == batch_size
        assert pulled <= PROCESSES_FROM + (number + BLOCKS_AHEAD) * batch_size
    outcomes.close()


def test_files_that_are_no_images_are_not_piled_up_either(tmp_path):
    pulled = 0

    def endless():
        nonlocal pulled
        for _ in count():
            pulled += 1
            yield ExcludedFile("a.txt", "not an image by its suffix")

    outcomes = _score(tmp_path, Recorder(), found=endless(), batch_size=5)
    for number, _ in zip(range(1, 20_000), outcomes, strict=False):
        assert pulled <= PROCESSES_FROM + number + (BLOCKS_AHEAD + 1) * 5
    outcomes.close()


def _decoders():
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_the_workers_end_with_the_stream(folder):
    outcomes = _score(folder, Recorder(), batch_size=4, workers=3)
    next(outcomes)
    assert _decoders()
    outcomes.close()
    assert _decoders() == []
    list(_score(folder, Recorder()))
    assert _decoders() == []


@pytest.mark.parametrize("place", ["runtime", "discovery"])
def test_an_error_ends_the_stream_and_its_workers(folder, place):
    class Broken(Recorder):
        def probabilities(self, images):
            raise OSError("the model")

    def broken():
        yield from list(discover(folder, NO_LABELS))[:40]
        raise OSError("the disk")

    if place == "runtime":
        outcomes = _score(folder, Broken(), batch_size=4)
    else:
        outcomes = _score(folder, Recorder(), found=broken(), batch_size=4)
    with pytest.raises(OSError, match="the "):
        list(outcomes)
    assert _decoders() == []


# Splits


@pytest.mark.parametrize("batch_size", [1, 64, 355, 1_000])
def test_a_split_is_scored_in_order(digits, onnx, batch_size):
    split = digits.test
    batches = list(_split_scores(split, onnx, digits.class_names, batch_size))
    refs = [ref for batch in batches for ref in batch.refs]
    assert [ref.path for ref in refs] == list(split.paths)
    assert [ref.label for ref in refs] == [digits.class_names[label] for label in split.labels]
    assert all(len(batch.refs) == batch_size for batch in batches[:-1])
    scores = np.concatenate([batch.probabilities for batch in batches])
    np.testing.assert_allclose(scores, onnx.probabilities(split.images), atol=1e-6)
