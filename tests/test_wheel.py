"""A built wheel, unpacked elsewhere, runs the job without the checkout: packages, templates and entry point."""

import configparser
import shutil
import subprocess
import sys
import zipfile

import pytest


@pytest.fixture(scope="module")
def wheel(repo_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, so that the build leaves nothing in the checkout.
    source = folder / "source"
    source.mkdir()
    for name in ("batchclf", "templates"):
        shutil.copytree(repo_root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repo_root / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, source]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_everything(wheel, repo_root):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry_points = next(name for name in names if name.endswith("entry_points.txt"))
        scripts = configparser.ConfigParser()
        scripts.read_string(archive.read(entry_points).decode())
    for path in (repo_root / "batchclf").rglob("*.py"):
        assert path.relative_to(repo_root).as_posix() in names
    templates = [path for path in (repo_root / "templates").iterdir() if path.suffix in {".html", ".css"}]
    assert templates
    assert all(f"batchclf/templates/{path.name}" in names for path in templates)
    assert scripts["console_scripts"]["batchclf"] == "batchclf.cli.main:entry"
    assert not any(name.startswith(("tests/", "jobs/", "reports/")) for name in names)


def test_wheel_runs_the_job_elsewhere(wheel, tmp_path):
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    (tmp_path / "digits.toml").write_text(
        '[data]\ndataset = "digits"\n[model]\nepochs = 2\n[publish]\nreports = "reports"\n'
    )
    script = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import batchclf, batchclf.templates\n"
        f"assert batchclf.__file__.startswith({str(site)!r}), batchclf.__file__\n"
        f"assert batchclf.templates.__file__.startswith({str(site)!r}), batchclf.templates.__file__\n"
        "from batchclf.cli.main import main\n"
        "sys.exit(main(['run', 'digits.toml', '--quiet']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    page = (tmp_path / "reports" / "digits" / "latest" / "report.html").read_text()
    assert "Confusion matrix" in page
