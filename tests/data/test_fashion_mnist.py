import gzip
import hashlib
import importlib.util
import os
import pwd
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from batchclf.data import fashion_mnist, providers
from batchclf.data.catalog import load_dataset
from batchclf.data.idx import parse_idx
from batchclf.errors import DataError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "fashion-mnist"
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = fashion_mnist.FILE_SET.digests
REAL_FILE_SET = fashion_mnist.FILE_SET
REAL_PATH = os.environ.get("PATH", "")


def _idx(array, *, type_code=0x08):
    header = struct.pack(f">HBB{array.ndim}I", 0, type_code, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


def _contents(train=7, test=3, *, side=28):
    random = np.random.default_rng(5)
    return {
        TRAIN_IMAGES: _idx(random.integers(0, 256, (train, side, side), np.uint8)),
        TRAIN_LABELS: _idx(np.arange(train, dtype=np.uint8)),
        TEST_IMAGES: _idx(random.integers(0, 256, (test, side, side), np.uint8)),
        TEST_LABELS: _idx(np.array([9, 0, 4][:test], np.uint8)),
    }


def _use(monkeypatch, contents):
    """Take these files for the data set, by their checksums."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(fashion_mnist, "FILE_SET", replace(REAL_FILE_SET, digests=digests))


def _put(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def _damage(folder, name=TEST_LABELS):
    file = folder / name
    file.write_bytes(file.read_bytes()[:-1] + b"?")


def _load(data_dir=None):
    said = []
    return load_dataset("fashion-mnist", data_dir=data_dir, say=said.append), said


def _fail(data_dir=None):
    said = []
    with pytest.raises(DataError) as caught:
        load_dataset("fashion-mnist", data_dir=data_dir, say=said.append)
    return caught.value, said


@pytest.fixture
def contents(monkeypatch):
    made = _contents()
    _use(monkeypatch, made)
    return made


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without any of the places: an empty home, no apt-get, no TensorFlow."""
    for name in ("home", "cache", "programs"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    for name in ("KERAS_HOME", "BATCHCLF_DATA_DIR", "BATCHCLF_OFFLINE", "APT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(providers, "SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    return tmp_path


@pytest.fixture
def cache(bare):
    return bare / "cache" / "batchclf" / "fashion-mnist"


# IDX files


@given(st_numpy.arrays(np.uint8, st_numpy.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)))
def test_idx_round_trip(array):
    parsed = parse_idx(_idx(array), "some.gz", array.ndim)
    assert parsed.dtype == np.uint8
    np.testing.assert_array_equal(parsed, array)


@given(st.data())
def test_an_idx_file_cut_anywhere_is_named(data):
    whole = _idx(np.arange(60, dtype=np.uint8).reshape(3, 4, 5))
    size = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DataError, match=r"^cut\.gz is not a sound IDX file"):
        parse_idx(whole[:size], "cut.gz", 3)


@given(st.binary(max_size=40), st.booleans())
def test_bytes_that_are_no_idx_file_are_never_another_error(junk, packed):
    content = gzip.compress(b"\0\0\x08" + junk) if packed else junk
    if packed and junk[:1] == b"\x01" and len(junk) >= 5 and int.from_bytes(junk[1:5]) == len(junk) - 5:
        assert parse_idx(content, "sound by chance.gz", 1).tobytes() == junk[5:]
        return
    with pytest.raises(DataError, match=r"junk\.gz"):
        parse_idx(content, "junk.gz", 1)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x89PNG\0\0\0\0", "not with an IDX magic number"),
        (b"\0\0\x0d\x01\0\0\0\0", "IDX type 0x0d, expected 0x08"),
        (b"\0\0\x08\x03" + bytes(12), "3 dimensions, expected 1"),
        (b"\0\0\x08\x01\0\0", "within its header, after 6 of 8 bytes"),
        (b"\0\0\x08\x01\0\0\0\x05abcd", "says 5 values, but 4 follow"),
        (b"\0\0\x08\x01\0\0\0\x05abcdef", "says 5 values, but 6 follow"),
        (b"\0\0\x08\x01\xff\xff\xff\xffabcd", "says 4294967295 values"),
        (b"\0\0", "holds 2 bytes"),
    ],
)
def test_what_is_wrong_with_an_idx_file_is_told(raw, why):
    with pytest.raises(DataError, match=why):
        parse_idx(gzip.compress(raw), "x.gz", 1)


# What is loaded


def test_the_splits_hold_what_the_files_hold(bare, contents):
    dataset, _ = _load(_put(bare / "data", contents))
    assert dataset.name == "fashion-mnist"
    assert dataset.class_names[0] == "T-shirt/top"
    assert dataset.class_names[9] == "Ankle boot"
    assert len(set(dataset.class_names)) == 10
    for split, file, count in ((dataset.train, TRAIN_IMAGES, 7), (dataset.test, TEST_IMAGES, 3)):
        assert split.images.shape == (count, 28, 28, 1)
        assert split.images.dtype == np.uint8
        assert split.images.tobytes() == gzip.decompress(contents[file])[16:]
        assert split.labels.dtype == np.int64
    assert dataset.train.labels.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert dataset.test.labels.tolist() == [9, 0, 4]
    assert dataset.test.paths == ("test/00000", "test/00001", "test/00002")
    assert dataset.train.paths[-1] == "train/00006"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {TEST_LABELS: _idx(np.zeros(2, np.uint8))},
            r"t10k-images.* holds 3 images, but t10k-labels.* 2 labels",
        ),
        (
            {TRAIN_LABELS: _idx(np.full(7, 10, np.uint8))},
            r"train-labels.* holds the label 10, expected 0 to 9",
        ),
        ({TRAIN_IMAGES: _idx(np.zeros((7, 28, 27), np.uint8))}, r"train-images.* of 28 x 27 pixels"),
        ({TEST_IMAGES: _idx(np.zeros((3, 28, 28), np.uint8), type_code=0x0B)}, "IDX type 0x0b"),
    ],
)
def test_files_that_do_not_fit_each_other_are_told(monkeypatch, bare, changes, why):
    made = {**_contents(), **changes}
    _use(monkeypatch, made)
    with pytest.raises(DataError, match=why):
        _load(_put(bare / "data", made))


# A folder that the user names


@pytest.mark.parametrize("inner", ["", "fashion-mnist"])
@pytest.mark.parametrize("by_environment", [False, True])
def test_a_named_folder_goes_before_every_other_place(monkeypatch, bare, cache, contents, inner, by_environment):
    _put(cache, contents)
    named = _put(bare / "named" / inner, contents)
    if by_environment:
        monkeypatch.setenv("BATCHCLF_DATA_DIR", str(bare / "named"))
    dataset, said = _load(None if by_environment else bare / "named")
    assert dataset.origin.endswith(f"(SHA-256 checked): {named}")
    assert len(said) == 1
    assert "SHA-256 of all 4 files is right" in said[0]


def test_the_argument_goes_before_the_environment(monkeypatch, bare, contents):
    monkeypatch.setenv("BATCHCLF_DATA_DIR", str(bare / "absent"))
    dataset, _ = _load(_put(bare / "named", contents))
    assert str(bare / "named") in dataset.origin


@pytest.mark.parametrize("by_environment", [False, True])
@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (shutil.rmtree, "there is no folder"),
        (_damage, "t10k-labels-idx1-ubyte.gz is damaged or another version: its SHA-256 is"),
        (lambda folder: (folder / TRAIN_IMAGES).unlink(), f"lacks {TRAIN_IMAGES}"),
    ],
)
def test_a_named_folder_that_fails_is_an_error_though_another_place_has_the_files(
    monkeypatch, bare, cache, contents, harm, why, by_environment
):
    _put(cache, contents)
    named = _put(bare / "named", contents)
    harm(named)
    if by_environment:
        monkeypatch.setenv("BATCHCLF_DATA_DIR", str(named))
    error, said = _fail(None if by_environment else named)
    assert why in error.message
    assert str(named) in error.message
    source = "BATCHCLF_DATA_DIR" if by_environment else "--data-dir"
    assert source in error.message
    assert source in error.hint
    assert all(name in error.hint for name in contents)
    assert said == []


# The places on this machine, one at a time


def test_the_cache_of_batchclf(cache, contents):
    _put(cache, contents)
    dataset, said = _load()
    assert dataset.origin.endswith(f"the cache of batchclf (SHA-256 checked): {cache}")
    assert len(said) == 2


def test_the_cache_of_keras_in_the_home_folder(bare, contents):
    folder = _put(bare / "home" / ".keras" / "datasets" / "fashion-mnist", contents)
    dataset, said = _load()
    assert dataset.origin.endswith(f"the cache of Keras (SHA-256 checked): {folder}")
    assert "the cache of batchclf: not found" in said[1]


def test_the_cache_of_keras_in_keras_home(monkeypatch, bare, contents):
    monkeypatch.setenv("KERAS_HOME", str(bare / "kh"))
    folder = _put(bare / "kh" / "datasets" / "fashion-mnist", contents)
    dataset, _ = _load()
    assert dataset.origin.endswith(f"the cache of Keras (SHA-256 checked): {folder}")


def test_the_systems_folder(bare, contents):
    folder = _put(bare / "system" / "fashion-mnist", contents)
    dataset, said = _load()
    assert dataset.origin.endswith(str(folder))
    assert len(said) == 4


def test_a_damaged_cache_is_told_and_the_next_place_is_taken(bare, cache, contents):
    _damage(_put(cache, contents), TRAIN_IMAGES)
    _put(bare / "home" / ".keras" / "datasets" / "fashion-mnist", contents)
    dataset, said = _load()
    assert "the cache of Keras" in dataset.origin
    assert f"{cache / TRAIN_IMAGES} is damaged or another version" in said[1]
    assert fashion_mnist.FILE_SET.digests[TRAIN_IMAGES] in said[1]
    assert said[1].endswith("trying the next place")


def test_a_file_in_place_of_a_cached_one_is_not_a_traceback(bare, cache, contents):
    cache.mkdir(parents=True)
    (cache / TRAIN_IMAGES).mkdir()
    _put(bare / "system" / "fashion-mnist", contents)
    _, said = _load()
    assert f"{cache / TRAIN_IMAGES} cannot be read: Is a directory" in said[1]


def test_a_user_without_a_home_folder_is_told_so(monkeypatch, bare, contents):
    def nobody(uid):
        raise KeyError(uid)

    monkeypatch.chdir(bare)
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    error, _ = _fail()
    assert error.message.count("this user has no home folder") == 2
    assert not (bare / "~").exists()


# Nothing anywhere


def test_when_all_fails_every_step_is_listed_with_its_outcome(cache, contents):
    error, said = _fail()
    steps = error.message.splitlines()[1:]
    expected = [
        "a folder given by --data-dir or BATCHCLF_DATA_DIR: none is given",
        f"the cache of batchclf: not found, there is no folder {cache}",
        "the cache of Keras: not found",
        "the system's data sets: not found",
        "Debian's package dataset-fashion-mnist: apt-get is not on this machine",
        "Keras' download: TensorFlow is not installed",
    ]
    assert len(steps) == len(said) == len(expected)
    for number, (step, line, words) in enumerate(zip(steps, said, expected, strict=True), 1):
        assert step.startswith(f"  {number}. {words}")
        assert words in line
    assert all(name in error.hint for name in contents)
    assert str(cache) in error.hint
    assert "SHA-256" in error.hint


def test_offline_leaves_the_downloads_out(monkeypatch, bare, contents):
    _fake_apt(bare, monkeypatch, "touch was-called; exit 1")
    monkeypatch.setenv("BATCHCLF_OFFLINE", "1")
    error, said = _fail()
    assert error.message.count("left out, since BATCHCLF_OFFLINE is set") == 2
    assert sum("left out" in line for line in said) == 2
    assert not list(bare.rglob("was-called"))


# Debian's package, with an apt-get that is a script


def _fake_apt(bare, monkeypatch, script):
    program = bare / "programs" / "apt-get"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bare / 'programs'}{os.pathsep}{REAL_PATH}")


@pytest.fixture
def package(bare, contents):
    """A real .deb that holds the made-up files."""
    if shutil.which("dpkg-deb", path=REAL_PATH) is None:
        pytest.skip("dpkg-deb is not on this machine")
    root = bare / "package"
    _put(root / "usr" / "share" / "datasets" / "fashion-mnist", contents)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(
        "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: made up\n"
    )
    return root


def _build(root):
    file = root.parent / "dataset-fashion-mnist_1_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "--build", str(root), str(file)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PATH": REAL_PATH})
    return file


def test_the_package_is_unpacked_into_the_cache(monkeypatch, bare, cache, package, contents):
    _damage(_put(cache, contents))
    _fake_apt(bare, monkeypatch, f"cp {_build(package)} .")
    dataset, said = _load()
    assert "Debian's package dataset-fashion-mnist" in dataset.origin
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == contents
    assert any("downloading it with apt-get" in line for line in said)
    assert "the cache of batchclf" in _load()[0].origin


def test_empty_package_lists_are_fetched_into_a_private_folder(monkeypatch, bare, cache, package, contents):
    script = f"""
case "$*" in
  *Dir::State::Lists=*update) test -d lists/partial && touch lists/fresh;;
  *Dir::State::Lists=*download*) test -e lists/fresh && cp {_build(package)} .;;
  *) echo 'E: Unable to locate package dataset-fashion-mnist' >&2; exit 100;;
esac"""
    _fake_apt(bare, monkeypatch, script)
    _, said = _load()
    assert any("E: Unable to locate package" in line and "fetching fresh lists" in line for line in said)
    assert {path.name for path in cache.iterdir()} == set(contents)


def test_a_package_with_other_files_does_not_reach_the_cache(monkeypatch, bare, cache, package):
    _damage(package / "usr" / "share" / "datasets" / "fashion-mnist", TRAIN_LABELS)
    _fake_apt(bare, monkeypatch, f"cp {_build(package)} .")
    error, _ = _fail()
    assert f"{TRAIN_LABELS} is damaged or another version" in error.message
    assert list(cache.iterdir()) == []


def test_a_package_file_that_is_no_package_is_told(monkeypatch, bare, cache, package):
    _fake_apt(bare, monkeypatch, "echo junk > dataset-fashion-mnist_1_all.deb")
    assert "dpkg-deb failed: " in _fail()[0].message
    _fake_apt(bare, monkeypatch, "exit 0")
    assert "apt-get download left no package file" in _fail()[0].message


def test_why_the_lists_could_not_be_fetched_is_told(monkeypatch, bare, package):
    script = """
case "$*" in
  *update) echo 'E: Could not resolve it' >&2; echo 'E: Some index files failed' >&2; exit 100;;
  *) echo 'E: Unable to locate package' >&2; exit 100;;
esac"""
    _fake_apt(bare, monkeypatch, script)
    assert "Debian's package dataset-fashion-mnist: apt-get failed: E: Could not resolve it" in _fail()[0].message


def test_a_download_that_hangs_is_stopped(monkeypatch, bare, package):
    monkeypatch.setattr(providers, "FETCH_SECONDS", 1)
    _fake_apt(bare, monkeypatch, "exec sleep 60")
    assert "apt-get was stopped after 1 seconds" in _fail()[0].message


def test_a_cache_that_cannot_be_written_is_told(monkeypatch, bare, package):
    (bare / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(bare / "file"))
    _fake_apt(bare, monkeypatch, f"cp {_build(package)} .")
    error, _ = _fail()
    assert "cannot be written: Not a directory" in error.message


# Keras' download


@pytest.fixture
def fake_keras(monkeypatch, bare):
    """A package `tensorflow` whose load_data is the text handed over."""
    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.syspath_prepend(bare / "packages")
    monkeypatch.setenv("PYTHONPATH", str(bare / "packages"))

    def install(body):
        package = bare / "packages" / "tensorflow" / "keras" / "datasets"
        package.mkdir(parents=True, exist_ok=True)
        for folder in (package, package.parent, package.parent.parent):
            (folder / "__init__.py").touch()
        (package / "fashion_mnist.py").write_text(f"import os, shutil\ndef load_data():\n    {body}\n")

    return install


def test_what_keras_downloads_goes_to_the_cache(bare, cache, contents, fake_keras):
    source = _put(bare / "source", contents)
    target = "os.environ['KERAS_HOME'] + '/datasets/fashion-mnist'"
    fake_keras(f"print('progress'); shutil.copytree({str(source)!r}, {target})")
    dataset, said = _load()
    assert "Keras' download" in dataset.origin
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == contents
    assert any("importing TensorFlow" in line for line in said)
    assert not (bare / "home" / ".keras").exists()


def test_keras_failures_are_one_line_and_end(monkeypatch, capfd, cache, contents, fake_keras):
    fake_keras("raise OSError('no route to it')")
    error, _ = _fail()
    assert error.message.splitlines()[-1].endswith("OSError: no route to it")
    monkeypatch.setattr(providers, "FETCH_SECONDS", 1)
    fake_keras("import time; time.sleep(60)")
    assert "was stopped after 1 seconds" in _fail()[0].message
    assert list(cache.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_the_real_keras_that_reaches_no_server_is_reported(monkeypatch, capfd, bare, contents):
    monkeypatch.delitem(sys.modules, "tensorflow")
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    error, _ = _fail()
    assert "URL fetch failure on https://" in error.message.splitlines()[-1]
    assert TRAIN_LABELS in error.message.splitlines()[-1]
    assert capfd.readouterr() == ("", "")


# The real data


def _check_the_real_thing(dataset):
    for split, count in ((dataset.train, 60_000), (dataset.test, 10_000)):
        assert split.images.shape == (count, 28, 28, 1)
        assert (split.images.min(), split.images.max()) == (0, 255)
        assert np.bincount(split.labels).tolist() == [count // 10] * 10
        assert len(split.paths) == count
    assert dataset.test.paths[42] == "test/00042"


def test_the_real_files():
    places = [SHARED, providers.cache_folder(REAL_FILE_SET), Path("/usr/share/datasets/fashion-mnist")]
    folder = next((place for place in places if (place / TRAIN_IMAGES).exists()), None)
    if folder is None:
        pytest.skip("Fashion MNIST is neither in shared/data nor in the cache")
    dataset, _ = _load(folder)
    _check_the_real_thing(dataset)
    # The names, held against the pictures: low down, trousers are the narrowest and bags nearly fill the row.
    images, labels = dataset.train.images[..., 0], dataset.train.labels
    width = {
        name: (images[labels == label, 20] > 40).sum(axis=1).mean() for label, name in enumerate(dataset.class_names)
    }
    assert min(width, key=width.__getitem__) == "Trouser"
    assert width["Bag"] > 22


@pytest.mark.network
def test_debians_package_on_a_machine_with_empty_package_lists(monkeypatch, bare, cache):
    if shutil.which("apt-get", path=REAL_PATH) is None or shutil.which("dpkg-deb", path=REAL_PATH) is None:
        pytest.skip("apt-get is not on this machine")
    (bare / "lists" / "partial").mkdir(parents=True)
    (bare / "apt.conf").write_text(f'Dir::State::Lists "{bare / "lists"}";\n')
    monkeypatch.setenv("APT_CONFIG", str(bare / "apt.conf"))
    monkeypatch.setenv("PATH", REAL_PATH)
    said = []
    try:
        dataset = load_dataset("fashion-mnist", data_dir=None, say=said.append)
    except DataError as error:
        no_network = ("Failed to fetch", "Unable to locate package", "was stopped after")
        if any(words in error.message for words in no_network):
            pytest.skip(f"Debian's packages are not reached: {error.message}")
        raise
    assert any("fetching fresh lists into a private folder" in line for line in said)
    assert sorted(path.name for path in cache.iterdir()) == sorted(REAL_FILE_SET.digests)
    _check_the_real_thing(dataset)
