"""Finds a data set's files on this machine or fetches them; every file is checked against its known SHA-256."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from batchclf import atomic
from batchclf.core.types import Say
from batchclf.data.user_cache import in_home, user_cache
from batchclf.errors import DataError

DATA_DIR_VARIABLE = "BATCHCLF_DATA_DIR"
OFFLINE_VARIABLE = "BATCHCLF_OFFLINE"
SYSTEM_FOLDER = Path("/usr/share/datasets")
FETCH_SECONDS = 600
"""How long one program that fetches may take."""
_UNPACK_SECONDS = 120
_SILENCE_SECONDS = 30
"""How long a server may stay silent before a download is given up."""


@dataclass(frozen=True)
class FileSet:
    """The files of a data set: `digests` is file name → SHA-256 in hex; `name` is also its folder's name."""

    name: str
    title: str
    digests: Mapping[str, str]
    debian_package: str
    keras_module: str


@dataclass(frozen=True, eq=False)
class FoundFiles:
    """The checked bytes of each file, by file name, and one line on where they came from."""

    contents: dict[str, bytes]
    origin: str


def find_files(file_set: FileSet, *, data_dir: Path | None, say: Say, fetch: bool = True) -> FoundFiles:
    """Find the files, or fetch them into the cache; the first place that has all of them intact is taken.

    The places: the folder `data_dir`, or else $BATCHCLF_DATA_DIR (a folder that is named is the only place
    looked at); the caches of batchclf and Keras; /usr/share/datasets; Debian's package through apt-get;
    Keras' own download. BATCHCLF_OFFLINE=1 leaves the last two out, as does `fetch` if it is false. `say` gets the
    outcome of each. Raises DataError where a named folder does not have the files, or where no place has them.
    """
    named = _named_folder(data_dir)
    if named is not None:
        return _from_named_folder(file_set, *named, say)
    outcomes = [f"a folder given by --data-dir or {DATA_DIR_VARIABLE}: none is given"]
    say(f"{file_set.name}: {outcomes[0]}; trying the next place")
    places: tuple[tuple[str, Callable[[FileSet, Say], Path]], ...] = (
        ("the cache of batchclf", lambda files, say: cache_folder(files)),
        ("the cache of Keras", lambda files, say: _keras_folder(files)),
        ("the system's data sets", lambda files, say: SYSTEM_FOLDER / files.name),
    )
    if fetch:
        places += (
            (f"Debian's package {file_set.debian_package}", _fetch_with_apt),
            ("Keras' download", _fetch_with_keras),
        )
    for place, locate in places:
        try:
            folder = locate(file_set, say)
            contents = _read_checked(folder, file_set)
        except DataError as error:
            outcomes.append(f"{place}: {error.message}")
            after = "no place is left" if place == places[-1][0] else "trying the next place"
            say(f"{file_set.name}: {outcomes[-1]}; {after}")
        else:
            return _found(file_set, contents, place, folder, say)
    if not fetch:
        raise DataError(
            f"{file_set.title} is not on this machine",
            hint=f"fetch it with: batchclf data fetch {file_set.name}",
        )
    raise DataError(
        f"{file_set.title} is not on this machine and could not be fetched. What was tried:"
        + "".join(f"\n  {number}. {outcome}" for number, outcome in enumerate(outcomes, 1)),
        hint=f"{_wanted(file_set)}. Put them into {_cache_or_any(file_set)}, or name their folder with "
        f"--data-dir or {DATA_DIR_VARIABLE}; the SHA-256 of each is checked. Debian and Ubuntu have them as "
        f"the package {file_set.debian_package}",
    )


def cache_folder(file_set: FileSet) -> Path:
    """Give the folder in the user's cache that is kept for these files; it need not exist.

    Raises DataError where this user has no home folder to keep a cache in.
    """
    return user_cache() / file_set.name


def _keras_folder(file_set: FileSet) -> Path:
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras")
    return in_home(home.expanduser) / "datasets" / file_set.name


def _named_folder(data_dir: Path | None) -> tuple[Path, str] | None:
    """Say which folder the user named, and with what; the argument goes before the environment."""
    if data_dir is not None:
        return data_dir.absolute(), "--data-dir"
    value = os.environ.get(DATA_DIR_VARIABLE)
    return (Path(value).absolute(), DATA_DIR_VARIABLE) if value else None


def _from_named_folder(file_set: FileSet, named: Path, source: str, say: Say) -> FoundFiles:
    place = f"the folder given by {source}"
    try:
        inner = named / file_set.name
        holds_some = any((named / name).exists() for name in file_set.digests)
        folder = inner if not holds_some and inner.is_dir() else named
        contents = _read_checked(folder, file_set)
    except (DataError, OSError) as error:
        why = error.message if isinstance(error, DataError) else f"{named} cannot be read: {error.strerror}"
        raise DataError(
            f"{file_set.title} cannot be read from {place}: {why}",
            hint=f"{_wanted(file_set)}, in that folder or in a folder {file_set.name} inside it; to look in "
            f"the usual places instead, leave {source} out",
        ) from error
    return _found(file_set, contents, place, folder, say)


def _found(file_set: FileSet, contents: dict[str, bytes], place: str, folder: Path, say: Say) -> FoundFiles:
    say(f"{file_set.name}: {place}: found in {folder}, SHA-256 of all {len(contents)} files is right")
    origin = f"{file_set.title}, {len(contents)} IDX files from {place} (SHA-256 checked): {folder}"
    return FoundFiles(contents, origin)


def _read_checked(folder: Path, file_set: FileSet) -> dict[str, bytes]:
    """Read every file and check it; raises DataError with the reason where one is missing or damaged."""
    contents: dict[str, bytes] = {}
    missing = []
    try:
        if not folder.is_dir():
            raise DataError(f"not found, there is no folder {folder}")
        for name in file_set.digests:
            try:
                contents[name] = (folder / name).read_bytes()
            except FileNotFoundError:
                missing.append(name)
    except OSError as error:
        raise DataError(f"{error.filename or folder} cannot be read: {error.strerror}") from error
    # Damage is told before absence: a file that is wrong says more than one that is not there.
    for name, content in contents.items():
        digest = hashlib.sha256(content).hexdigest()
        if digest != file_set.digests[name]:
            raise DataError(
                f"{folder / name} is damaged or another version: its SHA-256 is {digest}, "
                f"expected {file_set.digests[name]}"
            )
    if missing:
        raise DataError(f"not found, {folder} lacks {', '.join(missing)}")
    return contents


def _wanted(file_set: FileSet) -> str:
    return f"{file_set.title} consists of the files {', '.join(file_set.digests)}"


def _cache_or_any(file_set: FileSet) -> str:
    try:
        return str(cache_folder(file_set))
    except DataError:
        return "a folder"


def _fetch_with_apt(file_set: FileSet, say: Say) -> Path:
    """Download Debian's package and unpack it into the cache, as any user and without installing it."""
    _check_online()
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise DataError(f"{program} is not on this machine")

    def fetch(work: Path) -> Path:
        _download_package(file_set.debian_package, work, f"{file_set.name}: Debian's package", say)
        packages = sorted(work.glob(f"{file_set.debian_package}_*.deb"))
        if not packages:
            raise DataError("apt-get download left no package file")
        unpacked = work / "unpacked"
        _run(["dpkg-deb", "-x", str(packages[-1]), str(unpacked)], work, _UNPACK_SECONDS)
        return unpacked / "usr" / "share" / "datasets" / file_set.name

    return _fetch_into_cache(file_set, fetch)


def _download_package(package: str, work: Path, prefix: str, say: Say) -> None:
    """Leave the package's .deb in `work`; where the machine's package lists do not do, with fresh ones."""
    lists, cache, settings = work / "lists", work / "apt-cache", work / "apt.conf"
    (lists / "partial").mkdir(parents=True)
    (cache / "archives" / "partial").mkdir(parents=True)
    # What the machine does after an update of its own (#clear) is not for an update of ours.
    settings.write_text("#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n")
    apt = ["apt-get", "-q", "-c", str(settings)]
    # As root, apt would hand over to its user _apt, who cannot enter the folder.
    for option in (
        "APT::Sandbox::User=root",
        f"Acquire::http::Timeout={_SILENCE_SECONDS}",
        f"Acquire::https::Timeout={_SILENCE_SECONDS}",
        "Acquire::Languages=none",
    ):
        apt += ["-o", option]
    private = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}"]
    say(f"{prefix} {package}: downloading it with apt-get")
    try:
        _run([*apt, "download", package], work, FETCH_SECONDS)
        return
    except DataError as error:
        say(
            f"{prefix} {package}: not with this machine's package lists ({error.message}); fetching fresh "
            "lists into a private folder, which can take some minutes"
        )
    failed_update = None
    try:
        # By itself an update that reaches no server ends well, with a warning.
        _run([*apt, *private, "-o", "APT::Update::Error-Mode=any", "update"], work, FETCH_SECONDS)
    except DataError as error:
        # One broken source among several fails an update; the package may be there all the same.
        failed_update = error
    try:
        _run([*apt, *private, "download", package], work, FETCH_SECONDS)
    except DataError as error:
        raise (failed_update or error) from error


def _fetch_with_keras(file_set: FileSet, say: Say) -> Path:
    """Let Keras download the files, then move them into the cache.

    A process of its own, since Keras prints a progress bar, waits without end for a server that is silent,
    and would leave half a file in its own cache.
    """
    _check_online()
    if importlib.util.find_spec("tensorflow") is None:
        raise DataError("TensorFlow is not installed (pip install 'batchclf[train]')")
    program = (
        f"import socket; socket.setdefaulttimeout({_SILENCE_SECONDS})\n"
        f"from tensorflow.keras.datasets import {file_set.keras_module} as data_set\n"
        "data_set.load_data()\n"
    )

    def fetch(work: Path) -> Path:
        say(f"{file_set.name}: Keras' download: importing TensorFlow and asking its server")
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
        settings = {**quiet, "KERAS_HOME": str(work)}
        _run([sys.executable, "-P", "-c", program], work, FETCH_SECONDS, settings)
        return work / "datasets" / file_set.name

    return _fetch_into_cache(file_set, fetch)


def _check_online() -> None:
    if os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0"):
        raise DataError(f"left out, since {OFFLINE_VARIABLE} is set")


def _fetch_into_cache(file_set: FileSet, fetch: Callable[[Path], Path]) -> Path:
    """Have `fetch` fill a work folder and move the files it points at into the cache, once they are checked.

    Other processes see each file either whole or not at all: it is renamed within one file system.
    """
    cache = cache_folder(file_set)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        atomic.remove_abandoned(cache, rf"\.fetch-{atomic.OWNER}")  # of a kill; here for the rename in one file system
        prefix = f".fetch-{os.getpid()}-"
        with tempfile.TemporaryDirectory(prefix=prefix, dir=cache, ignore_cleanup_errors=True) as work:
            fetched = fetch(Path(work))
            _read_checked(fetched, file_set)
            for name in file_set.digests:
                (fetched / name).replace(cache / name)
    except OSError as error:
        raise DataError(f"the cache folder {cache} cannot be written: {error.strerror or error}") from error
    return cache


def _run(command: list[str], work: Path, seconds: int, settings: Mapping[str, str] | None = None) -> None:
    """Run a program silently in `work`; raises DataError where it fails or takes too long."""
    program = Path(command[0]).name
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **(settings or {})}
    try:
        done = subprocess.run(
            command,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{program} was stopped after {seconds} seconds") from None
    except OSError as error:
        raise DataError(f"{program} cannot be started: {error.strerror}") from error
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        # apt's first error is the cause of the others; a Python traceback has it in its last line.
        reasons = [line for line in said if line.startswith("E: ")][:1] or said[-1:]
        raise DataError(f"{program} failed: {reasons[0] if reasons else f'exit code {done.returncode}'}")
