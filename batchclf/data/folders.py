"""Class folders of images as a data set: train/ and test/ sub-folders, or one set of folders that is split here."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from batchclf.core.types import ColorMode, Dataset, ImageRef, ResizeMode, Say, SkippedImage, Split
from batchclf.data.class_folders import read_class_map
from batchclf.data.decoding import decode, read_image
from batchclf.data.discovery import check_folder, discover
from batchclf.data.labels import LabelRule
from batchclf.errors import DataError, UnreadableImageError

TEST_SHARE = 0.2
LONGEST_SIDE = 96
"""Images larger than this are scaled down, the shape of the first one kept, unless a size is asked for."""


def load_class_folders(
    root: Path,
    *,
    say: Say,
    input_shape: tuple[int, int, int] | None = None,
    color_mode: ColorMode | None = None,
    class_names: tuple[str, ...] | None = None,
    seed: int = 0,
    resize: ResizeMode = "fast",
) -> Dataset:
    """Load `root/train/CLASS/*` and `root/test/CLASS/*`, or `root/CLASS/*` split 80:20 in each class by `seed`.

    Without an input shape the first image's is taken, scaled down to 96 pixels on its longer side; without a
    color mode `grayscale` where the first image has no colour. `class_names` fixes the classes and their order
    (those of a loaded model). `resize` says how large images shrink; scoring should do the same. Unreadable images
    are left out, each said in a line. Raises DataError where there are no class folders, fewer than two classes, a
    class that is not in `class_names` or without images.
    """
    check_folder(root)
    has_splits = (root / "train").is_dir() and (root / "test").is_dir()
    bases = {"train": root / "train", "test": root / "test"} if has_splits else {"": root}
    for path in bases.values():
        check_folder(path)
    folders = {base: _class_of_folder(path) for base, path in bases.items()}
    names = class_names or tuple(sorted({name for of_base in folders.values() for name in of_base.values()}))
    strangers = sorted({n for of_base in folders.values() for n in of_base.values()} - set(names))
    if strangers:
        raise DataError(
            f"the folder of class '{strangers[0]}' in {root} is not a class of the model ({', '.join(names)})",
            hint="rename it, move it away, or train again (retrain = true)",
        )
    unreadable = [name for name in names if any("\ud800" <= character <= "\udfff" for character in name)]
    if unreadable:
        raise DataError(
            f"the name of the class folder {unreadable[0]!a} in {root} is not UTF-8",
            hint="rename it, or map it to a class name in classes.json",
        )
    if len(names) < 2:
        raise DataError(
            f"{root} has {len(names)} class folder(s); a classifier needs at least two",
            hint="lay the images out as CLASS/*.png, or as train/CLASS/*.png and test/CLASS/*.png",
        )
    shape, mode = _shape_and_mode(bases, folders, input_shape, color_mode, say)
    loaded = {
        base: _load(base, path, LabelRule(folders[base], ""), names, shape, mode, resize, say)
        for base, path in bases.items()
    }
    train, test = (loaded["train"], loaded["test"]) if has_splits else _split(loaded[""], len(names), seed)
    missing = [name for index, name in enumerate(names) if not np.any(train.labels == index)]
    if missing:
        raise DataError(f"the class '{missing[0]}' in {root} has no readable training image")
    if not len(test.images):
        raise DataError(f"{root} leaves no test images", hint="give every class at least two images")
    how = "train/ and test/ as they are" if has_splits else f"split 80:20 in each class, seed {seed}"
    return Dataset(root.name, names, train, test, f"class folders in {root}, {how}")


def _class_of_folder(base: Path) -> dict[str, str]:
    mapping = read_class_map(base) or read_class_map(base.parent) or {}
    folders = sorted(entry.name for entry in base.iterdir() if entry.is_dir() and entry.name[0] != ".")
    return {folder: mapping.get(folder, folder) for folder in folders}


def _refs(base: Path, rule: LabelRule, say: Say) -> Iterator[ImageRef]:
    for found in discover(base, rule):
        if isinstance(found, SkippedImage):
            say(f"left out {base / found.ref.path}: {found.reason}")
        elif isinstance(found, ImageRef) and found.label is not None:
            yield found


def _shape_and_mode(
    bases: dict[str, Path],
    folders: dict[str, dict[str, str]],
    input_shape: tuple[int, int, int] | None,
    color_mode: ColorMode | None,
    say: Say,
) -> tuple[tuple[int, int, int], ColorMode]:
    if input_shape is not None:
        return input_shape, color_mode or ("grayscale" if input_shape[2] == 1 else "rgb")
    for base, path in bases.items():
        for ref in _refs(path, LabelRule(folders[base], ""), lambda _: None):
            try:
                pixels = decode((path / ref.path).read_bytes(), "rgb")
            except (UnreadableImageError, OSError):
                continue
            gray = np.array_equal(pixels[:, :, 0], pixels[:, :, 1]) and np.array_equal(pixels[:, :, 1], pixels[:, :, 2])
            mode: ColorMode = color_mode or ("grayscale" if gray else "rgb")
            scale = min(1.0, LONGEST_SIDE / max(pixels.shape[:2]))
            height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
            say(f"input size {height}x{width} {mode}, after the first image, {path / ref.path}")
            return (height, width, 1 if mode == "grayscale" else 3), mode
    raise DataError(
        f"there are no readable images in class folders under {next(iter(bases.values()))}",
        hint="lay the images out as CLASS/*.png, or as train/CLASS/*.png and test/CLASS/*.png",
    )


def _load(
    base: str,
    path: Path,
    rule: LabelRule,
    names: tuple[str, ...],
    shape: tuple[int, int, int],
    mode: ColorMode,
    resize: ResizeMode,
    say: Say,
) -> Split:
    images, labels, paths = [], [], []
    index = {name: number for number, name in enumerate(names)}
    for ref in _refs(path, rule, say):
        try:
            images.append(read_image(path / ref.path, shape, mode, resize))
        except UnreadableImageError as error:
            say(f"left out {path / ref.path}: {error.message}")
            continue
        labels.append(index[ref.label or ""])
        paths.append(f"{base}/{ref.path}" if base else ref.path)
    stacked = np.stack(images) if images else np.empty((0, *shape), np.uint8)
    return Split(base, stacked, np.array(labels, np.int64), tuple(paths))


def _split(whole: Split, classes: int, seed: int) -> tuple[Split, Split]:
    """Put a random fifth of each class (at least one image where it has two) into test."""
    rng = np.random.default_rng(seed)
    in_test = np.zeros(len(whole.labels), bool)
    for label in range(classes):
        members = np.flatnonzero(whole.labels == label)
        count = round(TEST_SHARE * len(members)) or int(len(members) > 1)
        in_test[rng.permutation(members)[:count]] = True
    parts = []
    for name, chosen in (("train", ~in_test), ("test", in_test)):
        indices = np.flatnonzero(chosen)
        paths = tuple(f"{name}/{whole.paths[i]}" for i in indices)
        parts.append(Split(name, whole.images[indices], whole.labels[indices], paths))
    return parts[0], parts[1]
