#!/usr/bin/env python3
"""Set up a fresh machine and go: `python3 dev.py job` runs the nightly job, `python3 dev.py test` the tests.

Needs Python 3.11 or newer with pip and venv, nothing else. Installs into .venv beside this file with the versions
of constraints.txt; a second call installs again only when setup.cfg, setup.py, pyproject.toml or
constraints.txt changed.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
EXTRAS = {"job": "train", "test": "train,keras2,tflite,test"}
COMMANDS = {
    "job": ["-m", "batchclf", "run", "jobs/fashion-mnist.toml"],
    # A process for each core; the tests of a file stay together, since they share what they make.
    "test": ["-m", "pytest", "-n", "auto", "--dist", "loadfile"],
}


def main() -> int:
    """Install what the command needs, then run it; further arguments go to it."""
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print(__doc__)
        return 2
    if sys.version_info < (3, 11):  # noqa: UP036 (whoever has an older one must be told)
        print(f"dev.py needs Python 3.11 or newer; this is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    what = sys.argv[1]
    install(EXTRAS[what])
    return subprocess.run([PYTHON, *COMMANDS[what], *sys.argv[2:]], cwd=ROOT, check=False).returncode


def install(extras: str) -> None:
    """Make .venv and install batchclf into it with the extras, unless that has been done for the same files."""
    files = [ROOT / name for name in ("setup.cfg", "setup.py", "pyproject.toml", "constraints.txt")]
    state = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    stamp = VENV / f"installed-{extras.replace(',', '-')}"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == state:
        return
    print(f"installing batchclf[{extras}] into .venv; the first time takes minutes, TensorFlow is large", flush=True)
    if not PYTHON.exists():
        try:
            venv.create(VENV, with_pip=True)
        except subprocess.CalledProcessError:
            sys.exit("the virtual environment could not be made; on Debian install the package python3-venv")
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", "constraints.txt"]
    if subprocess.run([*pip, "-e", f".[{extras}]"], cwd=ROOT, check=False).returncode:
        sys.exit("pip could not install batchclf; see its message above")
    stamp.write_text(state)


if __name__ == "__main__":
    sys.exit(main())
