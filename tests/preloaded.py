"""Libraries in C that tests preload into a process."""

import shutil
import subprocess

import pytest


def compile_shim(source, folder):
    """Build one from its source for LD_PRELOAD; the test is skipped where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    built = folder / f"{source.stem}.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", built, source, "-ldl"], check=True)
    return built
