"""Trees of empty files for the tests of which files are found, chosen and labelled."""

from batchclf.core.types import SkippedImage


def make_tree(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    return root


def path_of(found):
    return found.ref.path if isinstance(found, SkippedImage) else found.path
