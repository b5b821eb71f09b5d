import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from file_cases import make_tree, path_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchclf.core.types import ExcludedFile, ImageRef, SkippedImage
from batchclf.data.file_list import parse_file_list
from batchclf.data.labels import LabelRule
from batchclf.data.patterns import glob_paths, ignored_paths
from batchclf.data.selection import Selection, select
from batchclf.data.sources.folder import Folder
from batchclf.errors import DataError, UsageError

NO_LABELS = LabelRule(None, "no labels")
PATHS = st.lists(
    st.lists(st.text("ab-.é~\udce9", min_size=1, max_size=3), min_size=1, max_size=3).map(
        lambda names: "/".join(f"n{name}" for name in names) + ".png"
    ),
    min_size=1,
    max_size=25,
)


def _grow(root, paths):
    """Make what can be made of the paths: a file may stand where another one needs a folder."""
    for path in paths:
        try:
            make_tree(root, path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
    return root


def _images(root, **chosen):
    return [found.path for found in select(Folder(root), NO_LABELS, Selection(**chosen)) if isinstance(found, ImageRef)]


def _reasons(root, **chosen):
    found = select(Folder(root), NO_LABELS, Selection(**chosen))
    return {each.path: each.reason for each in found if isinstance(each, ExcludedFile)}


# Order


@settings(max_examples=40, deadline=None)
@given(PATHS, st.randoms())
def test_walk_and_list_come_in_pythons_order(paths, random):
    with tempfile.TemporaryDirectory() as folder:
        root = _grow(Path(folder), paths)
        expected = sorted(
            os.path.relpath(Path(parent) / name, root) for parent, _, names in os.walk(root) for name in names
        )
        assert [path_of(found) for found in select(Folder(root), NO_LABELS)] == expected
        shuffled = [os.fsencode(path) for path in expected * 2]
        random.shuffle(shuffled)
        listed = parse_file_list(b"\n".join(shuffled), Folder(root), "list")
        assert _images(root, files=listed) == expected


# Samples and shards


@settings(max_examples=40, deadline=None)
@given(PATHS, st.integers(1, 30), st.integers(0, 5), PATHS)
def test_a_sample_has_its_size_and_adding_files_only_puts_new_ones_in(paths, size, seed, more):
    with tempfile.TemporaryDirectory() as folder:
        root = _grow(Path(folder), paths)
        everything = _images(root)
        sample = _images(root, sample=size, seed=seed)
        assert len(sample) == min(size, len(everything))
        assert sample == sorted(sample)
        assert set(_reasons(root, sample=size, seed=seed)) == set(everything) - set(sample)
        assert set(_reasons(root, sample=size, seed=seed).values()) <= {"not in the sample"}
        assert _images(root, sample=size, seed=seed, files=tuple(everything)) == sample
        _grow(root, more)
        added = set(_images(root)) - set(everything)
        later = set(_images(root, sample=size, seed=seed))
        assert later - added <= set(sample)
        assert len(set(sample) - later) <= len(added & later)


@settings(max_examples=40, deadline=None)
@given(PATHS, st.integers(1, 6), st.none() | st.integers(1, 20), PATHS)
def test_shards_part_everything_and_keep_their_files_when_some_are_added(paths, shards, sample, more):
    with tempfile.TemporaryDirectory() as folder:
        root = _grow(Path(folder), paths)
        parts = [_images(root, shard=(number, shards), sample=sample) for number in range(1, shards + 1)]
        assert sorted(path for part in parts for path in part) == _images(root, sample=sample)
        reasons = {reason for n in range(1, shards + 1) for reason in _reasons(root, shard=(n, shards)).values()}
        assert reasons <= {"in another shard"}
        before = set(_images(root))
        _grow(root, more)
        if sample is None:
            for number, part in enumerate(parts, 1):
                assert set(_images(root, shard=(number, shards))) & before == set(part)


def test_seeds_draw_different_samples_and_shards_are_about_even(tmp_path):
    root = make_tree(tmp_path, *(f"{number:03}.png" for number in range(400)))
    samples = {tuple(_images(root, sample=100, seed=seed)) for seed in range(5)}
    assert len(samples) == 5
    # 100 expected in each, with a standard deviation of 9.
    assert all(60 < len(_images(root, shard=(number, 4))) < 140 for number in range(1, 5))
    # Drawn independently of each other: about 25 of the sample are in each shard.
    assert all(8 < len(_images(root, sample=100, shard=(number, 4))) < 45 for number in range(1, 5))


def test_the_sample_and_the_shard_of_a_path_never_change(tmp_path):
    """Fixed here, so that a sample drawn today can be drawn again with a later version."""
    root = make_tree(tmp_path, *(f"{number}.png" for number in range(8)))
    assert _images(root, sample=3) == ["3.png", "5.png", "7.png"]
    assert _images(root, shard=(1, 2)) == ["0.png", "2.png", "3.png", "5.png"]


def test_what_could_not_be_found_is_in_one_shard_only(tmp_path):
    root = make_tree(tmp_path, "a.png")
    files = tuple(f"gone{number}.png" for number in range(20))
    parts = [
        {
            path_of(each)
            for each in select(Folder(root), NO_LABELS, Selection(files, shard=(number, 3)))
            if _is_skip(each)
        }
        for number in (1, 2, 3)
    ]
    assert set.union(*parts) == set(files)
    assert sum(map(len, parts)) == len(files)


def _is_skip(found):
    return isinstance(found, SkippedImage)


# Globs


def test_globs_are_read_as_in_a_gitignore_file(tmp_path):
    root = make_tree(tmp_path, "a.jpg", "b.png", "photos/2026-01/c.jpg", "photos/2026-02/d/e.png", "photos/2025/f.jpg")
    assert _images(root, globs=("*.jpg",)) == ["a.jpg", "photos/2025/f.jpg", "photos/2026-01/c.jpg"]
    assert _images(root, globs=("photos/2026-*/**",)) == ["photos/2026-01/c.jpg", "photos/2026-02/d/e.png"]
    assert _images(root, globs=("/a.jpg", "d/")) == ["a.jpg", "photos/2026-02/d/e.png"]
    assert _reasons(root, globs=("*.jpg", "b.png")) == {"photos/2026-02/d/e.png": "not matched by --glob"}


@pytest.mark.parametrize("glob", ["", "#x", "!a.png", "[abc", "[z-a]", "a\\", "/", "[[:alpha:]].png", " "])
def test_a_glob_that_is_none_is_told(glob):
    with pytest.raises(UsageError) as caught:
        glob_paths(["*.png", glob])
    assert f"--glob '{glob}'" in caught.value.message
    assert ".batchclfignore" in caught.value.hint


# .batchclfignore


IGNORE = """\
# what is not to be scored
thumbs/
*_small.*
!keep_small.png

/top.png
deep/**/x.png
\\!odd.png
"""
IGNORE_TREE = [
    *("a.png", "a_small.png", "keep_small.png", "top.png", "sub/top.png", "thumbs/1.png", "sub/thumbs/2.png"),
    *("thumbs.png", "deep/x.png", "deep/er/x.png", "!odd.png", "sub/notes_small.txt"),
]


def test_ignored_files_are_those_that_git_ignores(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = make_tree(tmp_path, *IGNORE_TREE)
    (root / ".gitignore").write_text(IGNORE)
    git = ["git", "-C", str(root), "-c", "core.excludesFile="]
    subprocess.run([*git, "init", "-q"], check=True, capture_output=True)
    listed = subprocess.run(
        [*git, "ls-files", "-o", "-i", "--exclude-standard"], check=True, capture_output=True, text=True
    )
    shutil.rmtree(root / ".git")
    (root / ".gitignore").rename(root / ".batchclfignore")
    ignored = {path for path, reason in _reasons(root).items() if reason == "ignored by .batchclfignore"}
    assert ignored == set(listed.stdout.splitlines())
    assert len(ignored) == 8


PARTS = st.sampled_from(["a", "b", "cat", "sub", "*", "**", "c*", "?", "[ab]", "a.png", "*.png", "s**"])
PATTERNS = st.builds(
    lambda sign, first, parts, last: sign + first + "/".join(parts) + last,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "/", "", "/**"]),
)
FOLDERS = ("", "a/", "cat/", "cat/sub/", "train/", "train/cat/", "train/cat/sub/", "train/a/a/", "test/a/")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A git repository of images, without an ignore file."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = make_tree(
        tmp_path_factory.mktemp("git"), *(f + name for f in FOLDERS for name in ("a.png", "b.png", "sub.png"))
    )
    subprocess.run(["git", "-C", str(root), "init", "-q"], check=True, capture_output=True)
    return root


@settings(max_examples=60, deadline=None)
@given(
    lines=st.fixed_dictionaries(
        {"": st.lists(PATTERNS, min_size=1, max_size=4)},
        optional={"train": st.lists(PATTERNS, max_size=4), "test": st.lists(PATTERNS, max_size=4)},
    )
)
@example(lines={"": ["s**/*", "!/sub/a**/*.png"]})
@example(lines={"": ["cat/", "!cat/a.png"]})
@example(lines={"": ["sub/", "!cat/"]})
@example(lines={"": ["cat/*", "!cat/sub/"], "train": ["/a/", "!a.png"]})
@example(lines={"": ["b.png"], "train": ["!b.png", "cat/**", "!cat/sub"]})
@example(lines={"": ["a/**/"]})
@example(lines={"": ["a", "!**/a"]})
def test_any_ignore_files_leave_out_what_git_leaves_out(checkout, lines):
    files = [checkout / folder / ".batchclfignore" for folder in lines]
    for file, patterns in zip(files, lines.values(), strict=True):
        file.write_text("".join(f"{pattern}\n" for pattern in patterns))
    listed = subprocess.run(
        ["git", "-C", str(checkout), "ls-files", "-o", "-i", "--exclude-per-directory=.batchclfignore"],
        check=True,
        capture_output=True,
        text=True,
    )
    ignored = {path for path, reason in _reasons(checkout).items() if reason == "ignored by .batchclfignore"}
    for file in files:
        file.unlink()
    assert ignored == {path for path in listed.stdout.splitlines() if path.endswith(".png")}


def test_every_file_is_counted_whatever_is_ignored(tmp_path):
    root = make_tree(tmp_path, *IGNORE_TREE, ".hidden.png", "thumbs/.hidden/3.png")
    (root / ".batchclfignore").write_text("thumbs/\n*.png\n!keep_small.png\n")
    assert len(list(select(Folder(root), NO_LABELS))) == len(IGNORE_TREE) + 3
    assert _images(root) == ["keep_small.png"]
    reasons = _reasons(root)
    assert reasons["thumbs/1.png"] == "ignored by .batchclfignore"
    assert reasons["sub/notes_small.txt"] == "not an image by its suffix"
    assert {path for path, reason in reasons.items() if reason == "hidden"} == {
        *(".batchclfignore", ".hidden.png", "thumbs/.hidden/3.png")
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"ok\r\n\r\n[z-a]\r\n", "line 3 of"),
        (b"[abc", "line 1 of"),
        (b"a\n\\", "line 2 of"),
        (b"a\ncaf\xe9\n", "is not UTF-8 (line 2)"),
    ],
)
def test_a_line_that_is_no_pattern_is_told(tmp_path, content, told):
    (tmp_path / ".batchclfignore").write_bytes(content)
    with pytest.raises(DataError) as caught:
        select(Folder(tmp_path), NO_LABELS)
    assert told in caught.value.message
    assert str(tmp_path / ".batchclfignore") in caught.value.message


def test_an_ignore_file_of_another_system_is_read(tmp_path):
    (tmp_path / ".batchclfignore").write_bytes(b"\xef\xbb\xbfa.png\r\n\r\nb/\r\n")
    ignored = ignored_paths(Folder(tmp_path))
    assert [ignored(path) for path in ("a.png", "b/c.png", "c.png")] == [True, True, False]


def test_an_ignore_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / ".batchclfignore").mkdir()
    with pytest.raises(DataError, match=r"\.batchclfignore cannot be read: Is a directory"):
        select(Folder(tmp_path), NO_LABELS)


# Lists of files


def test_lists_as_people_and_tools_write_them(tmp_path):
    absolute = os.fsencode(tmp_path)
    assert parse_file_list(
        b"b.png\n./a.png\n\n  \na.png\nx//y.png\n/" + absolute + b"/c.png\nx/../d.png\n", Folder(tmp_path), "list"
    ) == ("a.png", "b.png", "c.png", "d.png", "x/y.png")
    assert parse_file_list(b"\xef\xbb\xbfa.png\r\nb c.png\r\n", Folder(tmp_path), "list") == ("a.png", "b c.png")
    assert parse_file_list(b"new\nline.png\0./ .png\0\0", Folder(tmp_path), "list") == (" .png", "new\nline.png")
    assert parse_file_list(b"caf\xe9.png", Folder(tmp_path), "list") == ("caf\udce9.png",)
    assert parse_file_list(b"", Folder(tmp_path), "list") == ()


def test_absolute_paths_are_in_the_folder_by_its_name_or_by_where_it_leads(tmp_path, monkeypatch):
    make_tree(tmp_path, "real/a.png")
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    for base in ("real", "link"):
        assert parse_file_list(os.fsencode(tmp_path / base / "a.png"), Folder(Path("link")), "list") == ("a.png",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a.png\n\n../b.png\n", "line 3 of names.txt leads out of"),
        (b"a/../../b.png", "line 1 of names.txt"),
        (b"a.png\n..", "line 2 of names.txt"),
        (b"/etc/passwd.png\n", "line 1 of names.txt"),
        (b"a.png\0../b.png\0", "entry 2 of names.txt"),
    ],
)
def test_a_path_that_leaves_the_folder_is_told(tmp_path, content, told):
    with pytest.raises(UsageError) as caught:
        parse_file_list(content, Folder(tmp_path), "names.txt")
    assert told in caught.value.message
    assert str(tmp_path) in caught.value.message


def test_a_sibling_whose_name_begins_alike_is_not_inside(tmp_path):
    with pytest.raises(UsageError):
        parse_file_list(os.fsencode(f"{tmp_path}-2/a.png"), Folder(tmp_path), "list")


def test_a_list_is_held_to_the_patterns_too(tmp_path):
    root = make_tree(tmp_path, "a.png", "b.jpg", "c.png", "not-listed.png")
    (root / ".batchclfignore").write_text("c.*\n")
    files = ("a.png", "b.jpg", "c.png")
    assert _images(root, files=files, globs=("*.png",)) == ["a.png"]
    assert _reasons(root, files=files, globs=("*.png",)) == {
        "b.jpg": "not matched by --glob",
        "c.png": "ignored by .batchclfignore",
    }


# Fingerprints


def test_the_fingerprint_changes_with_everything_that_chooses(tmp_path):
    root = make_tree(tmp_path, "a.png")
    selections = [
        *(
            Selection(),
            Selection(("a.png",)),
            Selection(()),
            Selection(("a.png", "b.png")),
            Selection(globs=("*.png",)),
        ),
        *(Selection(sample=3), Selection(sample=3, seed=1), Selection(shard=(1, 2)), Selection(shard=(2, 2))),
        *(Selection(follow_symlinks=True), Selection(("caf\udce9.png",))),
    ]
    before = [selection.fingerprint(Folder(root)) for selection in selections]
    assert len(set(before)) == len(selections)
    make_tree(root, "b.png")
    assert [selection.fingerprint(Folder(root)) for selection in selections] == before
    seen = {Selection().fingerprint(Folder(root))}
    for content in ("", "a.png\n", "b.png\n"):
        (root / ".batchclfignore").write_text(content)
        seen.add(Selection().fingerprint(Folder(root)))
    assert len(seen) == 4
