"""Augmentation, seen on real batches; each kind leaves a trace that can be checked without knowing the draw."""

from importlib.util import find_spec

import numpy as np
import pytest

from batchclf.errors import UsageError
from batchclf.training.augmentation import SHIFT, Augmentation, augment, parse_augmentation

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)


def _batch(height=14, width=28, channels=1, count=200):
    """No pixel is black, so what comes in or is erased can be told."""
    return np.random.default_rng(0).integers(1, 256, (count, height, width, channels), np.uint8)


def _changed(images, *kinds, seed=3, step=0, member=0):
    import tensorflow as tf

    changed = augment(tf.constant(images), Augmentation((kinds,)), seed, tf.constant(step), member).numpy()
    assert changed.dtype == np.uint8
    assert changed.shape == images.shape
    return changed


def test_none_changes_nothing():
    np.testing.assert_array_equal(_changed(_batch()), _batch())


def test_about_half_of_the_images_are_mirrored():
    images = _batch()
    changed = _changed(images, "flip")
    mirrored = (changed == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (changed == images).all(axis=(1, 2, 3))).all()
    assert 60 < mirrored.sum() < 140


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_moved_by_up_to_a_share_of_each_side(channels):
    images, found = _batch(channels=channels), set()
    for image, changed in zip(images, _changed(images, "shift"), strict=True):
        fits = [
            (down, across)
            for down in range(-1, 2)
            for across in range(-2, 3)
            if np.array_equal(changed, _moved(image, down, across))
        ]
        assert len(fits) == 1
        found.update(fits)
    assert round(SHIFT * 14), round(SHIFT * 28) == (1, 2)
    assert len(found) == 3 * 5


def _moved(image, down, across):
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    height, width, _ = image.shape
    return padded[2 - down : 2 - down + height, 2 - across : 2 - across + width]


def test_a_rectangle_of_about_half_of_the_images_is_erased():
    images = _batch()
    changed = _changed(images, "erase")
    erased = (changed == 0).any(axis=(1, 2, 3))
    assert 60 < erased.sum() < 140
    np.testing.assert_array_equal(changed[~erased], images[~erased])
    sizes = []
    for image, other in zip(images[erased], changed[erased], strict=True):
        black = (other == 0).all(axis=2)
        rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
        assert black[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert black.sum() == len(rows) * len(columns)
        np.testing.assert_array_equal(other[~black], image[~black])
        sizes.append((len(rows), len(columns)))
    heights, widths = np.array(sizes).T
    assert 2 <= heights.min() <= heights.max() <= 6
    assert 4 <= widths.min() <= widths.max() <= 12


def test_what_happens_follows_from_seed_step_and_member_alone():
    kinds = ("flip", "shift", "erase")
    first = _changed(_batch(), *kinds)
    np.testing.assert_array_equal(first, _changed(_batch(), *kinds))
    for other in ({"seed": 4}, {"step": 1}, {"member": 1}):
        assert (_changed(_batch(), *kinds, **other) != first).any()


def test_kinds_are_read_in_any_order_and_written_in_one():
    assert str(parse_augmentation("shift, flip")) == "flip,shift"
    assert parse_augmentation("none") == Augmentation()
    assert str(Augmentation()) == "none"


def test_each_member_may_have_kinds_of_its_own():
    two = parse_augmentation("shift,flip / none")
    assert [two.kinds(member) for member in range(3)] == [("flip", "shift"), (), ("flip", "shift")]
    assert (two.all_have("flip"), two.all_have("shift")) == (False, False)
    assert parse_augmentation("flip/shift,flip").all_have("flip")
    assert parse_augmentation(str(two)) == two
    assert str(two) == "flip,shift/none"


@pytest.mark.parametrize("text", ["rotate", "flip;shift", "", "none,flip", "flip/", "flip/turn"])
def test_another_kind_is_met_with_the_known_ones(text):
    with pytest.raises(UsageError, match="there is no augmentation") as caught:
        parse_augmentation(text)
    assert "flip, shift, erase" in caught.value.hint
