import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys

import pytest
from fashion_cases import REAL_PATH, TRAIN_IMAGES, TRAIN_LABELS, damage, fail_fashion, load_fashion, put

from batchclf.data import fashion_mnist, providers

# A folder that the user names


@pytest.mark.parametrize("inner", ["", "fashion-mnist"])
@pytest.mark.parametrize("by_environment", [False, True])
def test_a_named_folder_goes_before_every_other_place(monkeypatch, bare, cache, contents, inner, by_environment):
    put(cache, contents)
    named = put(bare / "named" / inner, contents)
    if by_environment:
        monkeypatch.setenv("BATCHCLF_DATA_DIR", str(bare / "named"))
    dataset, said = load_fashion(None if by_environment else bare / "named")
    assert dataset.origin.endswith(f"(SHA-256 checked): {named}")
    assert len(said) == 1
    assert "SHA-256 of all 4 files is right" in said[0]


def test_the_argument_goes_before_the_environment(monkeypatch, bare, contents):
    monkeypatch.setenv("BATCHCLF_DATA_DIR", str(bare / "absent"))
    dataset, _ = load_fashion(put(bare / "named", contents))
    assert str(bare / "named") in dataset.origin


@pytest.mark.parametrize("by_environment", [False, True])
@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (shutil.rmtree, "there is no folder"),
        (damage, "t10k-labels-idx1-ubyte.gz is damaged or another version: its SHA-256 is"),
        (lambda folder: (folder / TRAIN_IMAGES).unlink(), f"lacks {TRAIN_IMAGES}"),
    ],
)
def test_a_named_folder_that_fails_is_an_error_though_another_place_has_the_files(
    monkeypatch, bare, cache, contents, harm, why, by_environment
):
    put(cache, contents)
    named = put(bare / "named", contents)
    harm(named)
    if by_environment:
        monkeypatch.setenv("BATCHCLF_DATA_DIR", str(named))
    error, said = fail_fashion(None if by_environment else named)
    assert why in error.message
    assert str(named) in error.message
    source = "BATCHCLF_DATA_DIR" if by_environment else "--data-dir"
    assert source in error.message
    assert source in error.hint
    assert all(name in error.hint for name in contents)
    assert said == []


# The places on this machine, one at a time


def test_the_cache_of_batchclf(cache, contents):
    put(cache, contents)
    dataset, said = load_fashion()
    assert dataset.origin.endswith(f"the cache of batchclf (SHA-256 checked): {cache}")
    assert len(said) == 2


def test_the_cache_of_keras_in_the_home_folder(bare, contents):
    folder = put(bare / "home" / ".keras" / "datasets" / "fashion-mnist", contents)
    dataset, said = load_fashion()
    assert dataset.origin.endswith(f"the cache of Keras (SHA-256 checked): {folder}")
    assert "the cache of batchclf: not found" in said[1]


def test_the_cache_of_keras_in_keras_home(monkeypatch, bare, contents):
    monkeypatch.setenv("KERAS_HOME", str(bare / "kh"))
    folder = put(bare / "kh" / "datasets" / "fashion-mnist", contents)
    dataset, _ = load_fashion()
    assert dataset.origin.endswith(f"the cache of Keras (SHA-256 checked): {folder}")


def test_the_systems_folder(bare, contents):
    folder = put(bare / "system" / "fashion-mnist", contents)
    dataset, said = load_fashion()
    assert dataset.origin.endswith(str(folder))
    assert len(said) == 4


def test_a_damaged_cache_is_told_and_the_next_place_is_taken(bare, cache, contents):
    damage(put(cache, contents), TRAIN_IMAGES)
    put(bare / "home" / ".keras" / "datasets" / "fashion-mnist", contents)
    dataset, said = load_fashion()
    assert "the cache of Keras" in dataset.origin
    assert f"{cache / TRAIN_IMAGES} is damaged or another version" in said[1]
    assert fashion_mnist.FILE_SET.digests[TRAIN_IMAGES] in said[1]
    assert said[1].endswith("trying the next place")


def test_a_file_in_place_of_a_cached_one_is_not_a_traceback(bare, cache, contents):
    cache.mkdir(parents=True)
    (cache / TRAIN_IMAGES).mkdir()
    put(bare / "system" / "fashion-mnist", contents)
    _, said = load_fashion()
    assert f"{cache / TRAIN_IMAGES} cannot be read: Is a directory" in said[1]


def test_a_user_without_a_home_folder_is_told_so(monkeypatch, bare, contents):
    def nobody(uid):
        raise KeyError(uid)

    monkeypatch.chdir(bare)
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    error, _ = fail_fashion()
    assert error.message.count("this user has no home folder") == 2
    assert not (bare / "~").exists()


# Nothing anywhere


def test_when_all_fails_every_step_is_listed_with_its_outcome(cache, contents):
    error, said = fail_fashion()
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
    error, said = fail_fashion()
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
    put(root / "usr" / "share" / "datasets" / "fashion-mnist", contents)
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
    damage(put(cache, contents))
    _fake_apt(bare, monkeypatch, f"cp {_build(package)} .")
    dataset, said = load_fashion()
    assert "Debian's package dataset-fashion-mnist" in dataset.origin
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == contents
    assert any("downloading it with apt-get" in line for line in said)
    assert "the cache of batchclf" in load_fashion()[0].origin


def test_what_a_killed_download_has_left_is_removed(monkeypatch, bare, cache, package, contents):
    script = "import os, signal; from batchclf.data import providers; load = providers._download_package\n"
    script += "providers._download_package = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)\n"
    script += "from batchclf.data.catalog import load_dataset\n"
    script += "load_dataset('fashion-mnist', data_dir=None, say=lambda line: None)\n"
    _fake_apt(bare, monkeypatch, f"cp {_build(package)} .")
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = cache.iterdir()
    others = left.with_name(f".fetch-{os.getpid()}-of-one-that-runs")
    others.mkdir()
    for path in (left, others):
        os.utime(path, (0, 0))
    load_fashion()
    assert {path.name for path in cache.iterdir()} == {*contents, others.name}


def test_empty_package_lists_are_fetched_into_a_private_folder(monkeypatch, bare, cache, package, contents):
    script = f"""
case "$*" in
  *Dir::State::Lists=*update) test -d lists/partial && touch lists/fresh;;
  *Dir::State::Lists=*download*) test -e lists/fresh && cp {_build(package)} .;;
  *) echo 'E: Unable to locate package dataset-fashion-mnist' >&2; exit 100;;
esac"""
    _fake_apt(bare, monkeypatch, script)
    _, said = load_fashion()
    assert any("E: Unable to locate package" in line and "fetching fresh lists" in line for line in said)
    assert {path.name for path in cache.iterdir()} == set(contents)


def test_a_package_with_other_files_does_not_reach_the_cache(monkeypatch, bare, cache, package):
    damage(package / "usr" / "share" / "datasets" / "fashion-mnist", TRAIN_LABELS)
    _fake_apt(bare, monkeypatch, f"cp {_build(package)} .")
    error, _ = fail_fashion()
    assert f"{TRAIN_LABELS} is damaged or another version" in error.message
    assert list(cache.iterdir()) == []


def test_a_package_file_that_is_no_package_is_told(monkeypatch, bare, cache, package):
    _fake_apt(bare, monkeypatch, "echo junk > dataset-fashion-mnist_1_all.deb")
    assert "dpkg-deb failed: " in fail_fashion()[0].message
    _fake_apt(bare, monkeypatch, "exit 0")
    assert "apt-get download left no package file" in fail_fashion()[0].message


def test_why_the_lists_could_not_be_fetched_is_told(monkeypatch, bare, package):
    script = """
case "$*" in
  *update) echo 'E: Could not resolve it' >&2; echo 'E: Some index files failed' >&2; exit 100;;
  *) echo 'E: Unable to locate package' >&2; exit 100;;
esac"""
    _fake_apt(bare, monkeypatch, script)
    assert (
        "Debian's package dataset-fashion-mnist: apt-get failed: E: Could not resolve it" in fail_fashion()[0].message
    )


def test_a_download_that_hangs_is_stopped(monkeypatch, bare, package):
    monkeypatch.setattr(providers, "FETCH_SECONDS", 1)
    _fake_apt(bare, monkeypatch, "exec sleep 60")
    assert "apt-get was stopped after 1 seconds" in fail_fashion()[0].message


def test_a_cache_that_cannot_be_written_is_told(monkeypatch, bare, package):
    (bare / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(bare / "file"))
    _fake_apt(bare, monkeypatch, f"cp {_build(package)} .")
    error, _ = fail_fashion()
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
    source = put(bare / "source", contents)
    target = "os.environ['KERAS_HOME'] + '/datasets/fashion-mnist'"
    fake_keras(f"print('progress'); shutil.copytree({str(source)!r}, {target})")
    dataset, said = load_fashion()
    assert "Keras' download" in dataset.origin
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == contents
    assert any("importing TensorFlow" in line for line in said)
    assert not (bare / "home" / ".keras").exists()


def test_keras_failures_are_one_line_and_end(monkeypatch, capfd, cache, contents, fake_keras):
    fake_keras("raise OSError('no route to it')")
    error, _ = fail_fashion()
    assert error.message.splitlines()[-1].endswith("OSError: no route to it")
    monkeypatch.setattr(providers, "FETCH_SECONDS", 1)
    fake_keras("import time; time.sleep(60)")
    assert "was stopped after 1 seconds" in fail_fashion()[0].message
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
    error, _ = fail_fashion()
    assert "URL fetch failure on https://" in error.message.splitlines()[-1]
    assert TRAIN_LABELS in error.message.splitlines()[-1]
    assert capfd.readouterr() == ("", "")
