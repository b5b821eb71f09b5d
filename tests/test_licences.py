"""docs/licences.md against the installed wheels: nothing is old, unknown, or under a licence that nobody accepted."""

import ctypes
import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys

import pytest
from doc_pages import ROOT, read, script, section, tables
from packaging.utils import canonicalize_name

LICENCES = script("docs/licences.py")
PAGE = read("docs/licences.md")
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", read("constraints.txt"), re.MULTILINE))
NOT_FROZEN = {"setuptools", "wheel"}
"""What `pip freeze` leaves out."""

only_on_linux = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the page is on the wheels for Linux on x86-64"
)


def packages():
    return {row[0]: row for row in tables(section(PAGE, "Packages"))}


def test_the_page_has_the_pinned_versions():
    pinned = {canonicalize_name(name): version for name, version in PINS.items()}
    assert {name: row[1] for name, row in packages().items() if name not in NOT_FROZEN} == pinned


@pytest.fixture(scope="module")
def wheels():
    return LICENCES.wheels(LICENCES.Licences())


@only_on_linux
def test_the_page_says_what_is_in_the_wheels(wheels):
    """Of the versions that the page is on; CI installs these."""
    of_page = packages()
    found = [each for each in wheels if each.version == of_page[each.name][1]]
    assert len(found) > 10
    assert LICENCES.page(PAGE, found, LICENCES.Licences().rules) == PAGE, "run python docs/licences.py"


@only_on_linux
def test_every_licence_is_known_and_accepted(wheels):
    licences = LICENCES.Licences()
    assert {each.name: licences.refused(each) for each in wheels if licences.refused(each)} == {}
    assert not re.search(r"\| unknown |, unknown[,|\s]", PAGE)


def test_what_users_get_is_under_the_gpl_only_with_two_extras():
    def gpl(expression):
        choices = re.split(r"\bOR\b", expression)
        return all(re.search(r"(?<!L)GPL-\d\S*(?! WITH GCC)\s*(?:\)|AND|$)", choice) for choice in choices)

    rows = packages()
    libraries = [(row[0], row[2]) for row in tables(section(PAGE, "Libraries in wheels"))]
    under = {name for name, licence in [*((row[0], row[3]) for row in rows.values()), *libraries] if gpl(licence)}
    assert under == {"pillow-heif", "pillow-jxl-plugin"}
    assert {rows[name][2] for name in under} == {"heif, test", "jxl, test"}
    of_install = {row[3] for row in rows.values() if row[2] == "the install"}
    assert {licence for licence in of_install if "MPL" in licence or "GPL" in licence} == {"MPL-2.0"}


@only_on_linux
@pytest.mark.parametrize("package", ["numpy", "scipy"])
def test_libraries_have_the_licence_that_their_wheel_gives_them(package):
    """These two say it in a form that a program can read."""
    distribution = importlib.metadata.distribution(package)
    (text,) = [file for file in distribution.files if re.search(r"dist-info/(licenses/)?LICENSE.txt$", str(file))]
    said = re.findall(r"^Files: \S+?\.libs/(lib\w+)\*\S*\n(?:.*\n)*?License: (.+)$", text.read_text(), re.MULTILINE)
    listed = {row[1].split()[0]: row[2] for row in tables(section(PAGE, "Libraries in wheels")) if row[0] == package}
    assert len(said) >= 4
    for library, licence in said:
        (name,) = [each for each in listed if each.startswith(library)]
        assert licence in re.split(r" AND (?!.*WITH)", listed[name]), library


@only_on_linux
def test_opencvs_ffmpeg_has_no_part_under_the_gpl():
    distribution = importlib.metadata.distribution("opencv-python-headless")
    (codecs,) = [file for file in distribution.files if "libavcodec" in file.name]
    licence = ctypes.CDLL(str(distribution.locate_file(codecs))).avcodec_license
    licence.restype = ctypes.c_char_p
    assert licence() == b"LGPL version 2.1 or later"


MIT = "License-Expression: MIT\n"
INFO = "{}-1.0.dist-info"
BILL = '{"components": [{"licenses": [{"license": {"id": "AGPL-3.0-only"}}]}]}'

MADE_UP = {
    "plain": (MIT, {}, None),
    "spelt": ("License: mit\n", {}, None),
    "silent": ("", {}, "unknown"),
    "vague": ("Classifier: License :: OSI Approved :: BSD License\nLicense: BSD\n", {}, "unknown"),
    "gpl": ("License-Expression: GPL-3.0-or-later\n", {}, "GPL-3.0-or-later"),
    "notice": (MIT, {f"{INFO}/licenses/NOTICE": "All rights reserved."}, "unknown"),
    "others": (MIT, {"{}/THIRD-PARTY.txt": "Nobody has read this."}, "unknown"),
    "grafted": (MIT, {"{}.libs/libnew-0123abcd.so.1.2": ""}, "unknown"),
    "own_name": (MIT, {"{0}.libs/lib{0}_more-0123abcd.so": ""}, "unknown"),
    "apple": (MIT, {"{}/.dylibs/libnew.1.dylib": ""}, "unknown"),
    "ssl": (MIT, {"{}.libs/libssl-0123abcd.so.1.1.1w": ""}, None),
    "newer_ssl": (MIT, {"{}.libs/libssl-0123abcd.so.3": ""}, "unknown"),
    "bill": (MIT, {f"{INFO}/sboms/x.cdx.json": BILL}, "AGPL-3.0-only"),
}
"""Package → metadata, further files, and what is refused of it."""


def test_a_new_package_is_refused_until_all_its_licences_are_known(tmp_path):
    (tmp_path / "docs").mkdir()
    for path in (ROOT / "docs").glob("licences*"):
        shutil.copy(path, tmp_path / "docs")
    names = "".join(f"\n    {name}>=1" for name in MADE_UP)
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    (tmp_path / "setup.cfg").write_text(setup.replace("\n    filelock>=", f"{names}\n    filelock>="))
    for name, (metadata, files, _) in MADE_UP.items():
        files = {path.format(name): text for path, text in files.items()}
        files[f"{INFO}/METADATA".format(name)] = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{metadata}"
        files[f"{INFO}/RECORD".format(name)] = "".join(f"{path},,\n" for path in files)
        for path, text in files.items():
            (tmp_path / "site" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "site" / path).write_text(text)
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(tmp_path / "docs/licences.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    refused = dict(re.findall(r"^([\w-]+) 1\.0: (.*)$", done.stderr, re.MULTILINE))
    wanted = {canonicalize_name(name): licences for name, (_, _, licences) in MADE_UP.items() if licences}
    assert refused == wanted
    assert done.returncode == 1
    page = (tmp_path / "docs/licences.md").read_text()
    for name, licences in wanted.items():
        assert licences in "".join(re.findall(rf"^\| {name} \|.*$", page, re.MULTILINE))
