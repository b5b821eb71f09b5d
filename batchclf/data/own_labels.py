"""Labels that shards hold themselves: which classes they mean."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from batchclf.core.records.run import NO_LABELS_USED
from batchclf.core.text import counted

_NONE: Mapping[str, str] = MappingProxyType({})


def own_labels(
    labels: Collection[str], class_names: tuple[str, ...], meanings: Mapping[str, str] = _NONE
) -> tuple[Mapping[str, str], str, str]:
    """Map each of the labels that a source has to a class: the map, in words what was taken, and a warning or "".

    A label is the name of a class, one of `meanings` (see `read_label_map`) or, if all labels are whole numbers, a
    place in the list of classes from 0. If one is none of it, or is the name of one class and the place of another,
    there are no labels, and the warning says which.
    """
    known = {name: name for name in class_names} | dict(meanings)
    names = {label: known[label] for label in labels if label in known}
    if unclear := sorted(label for label in names if _is_unclear(label, class_names) and label not in meanings):
        what = f"the label '{unclear[0]}' in the shards may be the name of a class or its place in the list of classes"
        return {}, f"no labels ({what})", f"{NO_LABELS_USED}{what}; map it by --label-map FILE"
    if len(names) == len(labels):
        used = {name for name in names.values() if name}
        return {label: name for label, name in names.items() if name}, _sentence(used, "by their names"), ""
    # Numbers are places only if classes are no numbers (decision 179)
    if not names and not any(map(_is_number, class_names)) and all(map(_is_number, labels)):
        places = {label: int(label) for label in labels}
        if max(places.values()) < len(class_names):
            mapping = {label: class_names[place] for label, place in places.items()}
            return mapping, _sentence(set(mapping.values()), "by their places in the model's classes, from 0"), ""
        stranger = max(places, key=places.__getitem__)
    else:
        stranger = min(label for label in labels if label not in names)
    return (
        {},
        f"no labels (the label '{stranger}' in the shards is not a class of the model)",
        f"{NO_LABELS_USED}the label '{stranger}' in the shards is neither a class of the model nor the place of "
        f"one; map it by --label-map FILE, or score with --labels none",
    )


def _sentence(classes: set[str], how: str) -> str:
    return f"labels of {counted(len(classes), 'class', 'classes')} from the shards, {how}"


def _is_unclear(label: str, class_names: tuple[str, ...]) -> bool:
    """Whether a number names one class, and is the place of another."""
    return _is_number(label) and int(label) < len(class_names) and class_names[int(label)] != label


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
