"""Class folders of images as a data set: train/ and test/ sub-folders, or one set of folders that is split here."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType

from batchclf.core.choices import ColorMode, ResizeMode, Store
from batchclf.core.geometry import OWN, Geometry, resize_mode
from batchclf.core.text import counted
from batchclf.core.types import Dataset, Progress, Say, Split, unseen
from batchclf.data.class_folders import class_map_of
from batchclf.data.class_split import (
    Part,
    grouped,
    list_part,
    split_as_learnt,
    split_by_chance,
    warn_of_files_on_both_sides,
    warn_of_groups_on_both_sides,
)
from batchclf.data.decoding.limits import DEFAULT_LIMITS, Limits
from batchclf.data.input_size import settle_input
from batchclf.data.left_out import LeftOut
from batchclf.data.patterns import ignored_paths, split_folders
from batchclf.data.read_parts import InputFormat, read_parts
from batchclf.data.sources.folder import Folder, check_folder, class_folders
from batchclf.data.sources.found import IGNORE_FILE, Matches, excluded_words, hint_without_image
from batchclf.errors import DataError

TEST_SIZE = 0.2


def load_class_folders(
    root: Path,
    *,
    say: Say,
    test_size: float | None = None,
    group: str | None = None,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    color_mode: ColorMode | None = None,
    class_names: tuple[str, ...] | None = None,
    resize: ResizeMode | None = None,
    limits: Limits = DEFAULT_LIMITS,
    geometry: Geometry | Callable[[tuple[int, int]], Geometry] = OWN,
    store: Store = "auto",
    learnt: Collection[str] | None = None,
    label_map: Mapping[str, str] = MappingProxyType({}),
    follow_symlinks: bool = False,
    progress: Progress = unseen,
) -> Dataset:
    """Load `root/train/CLASS/*` and `root/test/CLASS/*`, or `root/CLASS/*` of which a part of each class is test.

    `test_size`, 0.2 unless given, is the part of each class that is test; which images is drawn by `seed` from their
    paths alone, as `core.holdout.hold_out` tells, so it does not matter which of them can be read. `group` is a regular
    expression searched in the path below the folder with the class folders: images with the same text in its first
    parentheses (of the whole match without any) stay together, see `class_split.grouped`. Where there are train/ and
    test/ `test_size` is not used, and groups with images in both are said in a warning.

    `size` (height, width) and `color_mode` are found out by `input_size.settle_input` unless given; `class_names` fixes
    the classes and their order (those of a loaded model). `geometry`, which may be a function of (height, width), says
    how images are brought to the size, `resize` how large ones shrink (see `resize_mode`) and `limits` which are
    skipped; scoring should do the same. `store` says where the pixels stand, see `pixel_store.choose_store`; on disk
    `Split.images` is a `np.memmap`.

    `learnt` are the paths below `root`, with `/`, of the images that a model was trained on. Where chance would decide,
    these are train and all others test, as `class_split.split_as_learnt` tells; where none of them is there, chance
    decides after all. `progress` shows how many images have been read.

    `label_map` maps folders to classes, before a classes.json does, and "" leaves one out, as from `read_label_map`.

    `follow_symlinks` reads symbolic links to folders and out of `root`; otherwise they are left out. Left out, too, are
    what a .batchclfignore in `root` or its train/ and test/ lists, system folders and other files by their suffix, all
    counted in a line; and unreadable images, the first ones said in a line each. Raises UsageError where `group` is no
    regular expression; DataError where there are no class folders, fewer than two classes, a class that is not in
    `class_names` or has no training image, no test image at all, no path that `group` matches, or too little memory or
    disk for the pixels.
    """
    names, listed, left_out = list_class_folders(
        root, say=say, class_names=class_names, label_map=label_map, follow_symlinks=follow_symlinks
    )
    as_learnt = None
    if len(listed) == 1 and learnt is not None:
        as_learnt = split_as_learnt(listed[0], learnt, group=group, say=say)
    to_learn = names if as_learnt is None else ()
    check_enough(root, to_learn, listed, left_out)
    if as_learnt is not None:
        train, test = as_learnt
        how = "train is what the model was trained on"
    elif len(listed) > 1:
        train, test = _as_they_are(listed, group, test_size, say)
        how = "train/ and test/ as they are"
    else:
        share = TEST_SIZE if test_size is None else test_size
        train, test = split_by_chance(listed[0], names, share=share, seed=seed, group=group, say=say)
        how = _how(share, seed, group)
    _check_test(root, to_learn, test, group)
    warn_of_files_on_both_sides(train, test, say)
    shape, mode = settle_input(listed, size, color_mode, say, limits)
    cut = geometry if isinstance(geometry, Geometry) else geometry(shape[:2])
    to = InputFormat(shape, mode, resize_mode(resize, cut), limits, cut)
    train_split, test_split = read_parts([train, test], to, store, left_out, say, progress)
    left_out.sum_up(len(train.files) + len(test.files))
    _check_readable(root, to_learn, train_split, test_split)
    origin = f"class folders in {root}, {how}"
    return Dataset(root.name, names, train_split, test_split, origin, by_chance=len(listed) == 1, geometry=cut)


def list_class_folders(
    root: Path,
    *,
    say: Say,
    class_names: tuple[str, ...] | None = None,
    label_map: Mapping[str, str] = MappingProxyType({}),
    follow_symlinks: bool = False,
) -> tuple[tuple[str, ...], list[Part], LeftOut]:
    """List the images that `load_class_folders` would read: the classes, the parts, and what is left out.

    The parts are train and test, or without these folders a single one. Raises DataError as `load_class_folders` does.
    """
    check_folder(root)
    ignored = ignored_paths(Folder(root))
    parts = split_folders(Folder(root)) or ("",)
    for part in parts:
        check_folder(root / part)
    folders = {part: _class_of_folder(root, part, label_map, ignored) for part in parts}
    in_folders = {name for of_part in folders.values() for name in of_part.values()}
    names = class_names or tuple(sorted(in_folders))
    _check_names(root, names, in_folders, ignored=ignored is not None)
    left_out = LeftOut(say)
    listed = [
        list_part(root, part, folders[part], names, left_out, ignored, follow_symlinks=follow_symlinks)
        for part in parts
    ]
    left_out.say_excluded(root, sum(len(part.files) for part in listed))
    return names, listed, left_out


def _check_names(root: Path, names: tuple[str, ...], in_folders: set[str], *, ignored: bool) -> None:
    strangers = sorted(in_folders - set(names))
    if strangers:
        raise DataError(
            f"the folder of class '{strangers[0]}' in {root} is not a class of the model ({', '.join(names)})",
            hint="rename it, move it away, map it (--label-map FILE, data.label_map), or train again (retrain = true)",
        )
    unreadable = [name for name in names if any("\ud800" <= character <= "\udfff" for character in name)]
    if unreadable:
        raise DataError(
            f"the name of the class folder {unreadable[0]!a} in {root} is not UTF-8",
            hint="rename it, or map it to a class name in classes.json",
        )
    if len(names) < 2:
        ignore = f"; {root / IGNORE_FILE} leaves some out, correct it if that is why" if ignored else ""
        raise DataError(
            f"{root} has {counted(len(names), 'class folder')}; a classifier needs at least two",
            hint=f"lay the images out as CLASS/*.png, or as train/CLASS/*.png and test/CLASS/*.png{ignore}",
        )


def _as_they_are(listed: list[Part], group: str | None, test_size: float | None, say: Say) -> tuple[Part, Part]:
    """Take train and test as the folders have them, groups numbered across both."""
    if test_size is not None:
        say(f"the test size {test_size:g} is not used, since there are the folders train/ and test/")
    train, test = grouped(listed, group, say)
    warn_of_groups_on_both_sides(train, test, say)
    return train, test


def _how(share: float, seed: int, group: str | None) -> str:
    percent = round(100 * share, 3)
    together = "" if group is None else f", groups by '{group}' kept together"
    return f"split {round(100 - percent, 3):g}:{percent:g} in each class, seed {seed}{together}"


def check_enough(root: Path, names: tuple[str, ...], listed: list[Part], left_out: LeftOut) -> None:
    """Raise DataError where no class folder has an image, or a class of `names` has none to train on.

    That is before hours of decoding. Without names the model is there already, and the images are only scored.
    """
    if not any(part.files for part in listed):
        raise DataError(
            f"there are no images in the class folders of {root}",
            hint=hint_without_image(left_out.excluded, left_out.suffixes)
            or "lay them out as CLASS/*.png, or as train/CLASS/*.png and test/CLASS/*.png",
        )
    train = listed[0]
    for index, name in enumerate(names):
        if not (train.labels == index).any():
            why = left_out.of_class[name]
            raise DataError(
                f"the class '{name}' in {train.folder} has no image" + (f": {excluded_words(why)}" if why else ""),
                hint=f"{hint_without_image(why, {}) or 'put images there'}, or take the class away",
            )


def _check_test(root: Path, names: tuple[str, ...], test: Part, group: str | None) -> None:
    if not test.files:
        alone = "" if group is None else " that are not of one group"
        hint = (
            f"give every class at least two images{alone}" if names else "put images there that it was not trained on"
        )
        raise DataError(f"{root} leaves no test images", hint=hint)


def _check_readable(root: Path, names: tuple[str, ...], train: Split, test: Split) -> None:
    for index, name in enumerate(names):
        if not (train.labels == index).any():
            raise DataError(
                f"the class '{name}' in {root} has no readable training image",
                hint="put images there that can be read, or take the class away",
            )
    if not len(test.images):
        raise DataError(f"none of the test images in {root} can be read", hint="put images there that can be read")


def _class_of_folder(root: Path, part: str, label_map: Mapping[str, str], ignored: Matches | None) -> dict[str, str]:
    """Give the class of each class folder of a part; raises DataError and OSError.

    A link to a folder is one, too, whether it is followed or not: that its class is missing must not go unseen.
    """
    base = root / part
    mapping = {**(class_map_of(Folder(base)) or class_map_of(Folder(base.parent)) or {}), **label_map}
    prefix = f"{part}/" if part else ""
    folders, links = class_folders(base, ignored and (lambda path: ignored(prefix + path)))
    return {folder: name for folder in sorted(folders + links) if (name := mapping.get(folder, folder))}
