"""Write licences.md: the licence of each package that batchclf brings, and of what is bundled in its wheel.

Run `python docs/licences.py` in an environment that has every extra, with the versions of constraints.txt, on Linux for
x86-64. Texts that licences-texts.json does not know are read by ScanCode: give the Python of an environment that has
it, `--scancode PYTHON` (CONTRIBUTING.md). What no program can tell is in licences.toml.
"""

import argparse
import configparser
import hashlib
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DOCS = Path(__file__).resolve().parent
PAGE, TEXTS, RULES = DOCS / "licences.md", DOCS / "licences-texts.json", DOCS / "licences.toml"
UNKNOWN = "unknown"
FOR_TESTS = "test"
"""The extra whose packages no user gets: of them only the own licence is judged, and their libraries are not listed."""

_TEXT_NAME = re.compile(r"licen[cs]e|copying|notice|third.?party", re.IGNORECASE)
_CODE = {".py", ".pyc", ".pyi", ".h", ".hpp", ".so", ".json", ".js", ".html"}
_GRAFTED = re.compile(r"(?:^|/)(?:[^/]+\.libs|\.dylibs)/(lib[^/]+\.(?:so|dylib)[^/]*)$")
"""What auditwheel and delocate put into a wheel: always the work of others."""
_LIBRARY = re.compile(r"(?:^|/)libs/(lib[^/]+\.(?:so|dylib)[^/]*)$")
_HASH = re.compile(r"-[0-9a-f]{8}(?=[.-])")
_SCAN = """
import json, sys
from scancode.api import get_licenses
found = {name: get_licenses(name)["detected_license_expression_spdx"] for name in json.load(sys.stdin)}
json.dump(found, sys.stdout)
"""


@dataclass(frozen=True)
class Wheel:
    """An installed distribution: its licence, the texts and libraries in its wheel, and which extras bring it."""

    name: str
    version: str
    needed_by: tuple[str, ...]
    """Extras; "" is the install itself."""
    licence: str
    stated: str
    """What states the licence: metadata, text or licences.toml."""
    texts: tuple[str, ...]
    inside: tuple[str, ...]
    """Further licences that its texts and its bill of materials name."""
    libraries: tuple[tuple[str, str], ...]
    """Shared objects of others as (name and version, licence)."""


def needed(setup: Path) -> dict[str, list[str]]:
    """Give the requirements of setup.cfg by extra; "" is the install itself."""
    config = configparser.ConfigParser()
    config.read(setup, encoding="utf-8")
    of_extras = {extra: text.split("\n") for extra, text in config["options.extras_require"].items()}
    listed = {"": config["options"]["install_requires"].split("\n"), **of_extras}
    return {extra: [line for line in lines if line and not line.startswith("#")] for extra, lines in listed.items()}


def closure(requirements: list[str]) -> set[str]:
    """Give the names of all that these requirements bring; what is not installed is named and not followed."""
    found: set[tuple[str, str]] = set()
    waiting = [(Requirement(line), "") for line in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in found:
                found.add((name, wanted))
                waiting += [(Requirement(line), wanted) for line in _requires(name)]
    return {name for name, _ in found}


def _requires(name: str) -> list[str]:
    try:
        return importlib.metadata.distribution(name).requires or []
    except importlib.metadata.PackageNotFoundError:
        return []


def ids(expression: str) -> set[str]:
    """Give the licences of an SPDX expression; one WITH an exception is one."""
    return {part.strip(" ()") for part in re.split(r"\b(?:AND|OR)\b", expression) if part.strip(" ()")}


class Licences:
    """What is known of texts and libraries: ScanCode's findings, and licences.toml."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = json.loads(TEXTS.read_text(encoding="utf-8")) if TEXTS.exists() else {}
        self.rules: dict[str, Any] = tomllib.loads(RULES.read_text(encoding="utf-8"))
        self.new: dict[str, Path] = {}
        self.seen: set[str] = set()

    def of_text(self, path: Path) -> str:
        """Give the expression that ScanCode finds in a text, or "unknown" and keep the text for it."""
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.seen.add(digest)
        if digest not in self.texts:
            self.new[digest] = path
        return self.texts.get(digest, UNKNOWN)

    def of_library(self, library: str) -> str:
        """Give the licence of `name version`: that of the longest name in licences.toml with which it begins."""
        known = self.rules["libraries"]
        fits = [name for name in known if library == name or library.startswith((f"{name} ", f"{name}."))]
        return str(known[max(fits, key=len)]) if fits else UNKNOWN

    def scan(self, python: str) -> None:
        """Have ScanCode read the new texts, and keep only what is found of texts that are there."""
        names = {str(path): digest for digest, path in self.new.items()}
        done = subprocess.run(
            [python, "-W", "ignore", "-c", _SCAN], input=json.dumps(list(names)), text=True, stdout=subprocess.PIPE
        )
        if done.returncode:
            sys.exit("ScanCode could not read the texts")
        found = {names[name]: " AND ".join(sorted(ids(text or ""))) for name, text in json.loads(done.stdout).items()}
        kept = {digest: text for digest, text in (self.texts | found).items() if digest in self.seen}
        TEXTS.write_text(json.dumps(kept, indent=0, sort_keys=True) + "\n", encoding="utf-8")
        self.texts, self.new = kept, {}

    def refused(self, wheel: Wheel) -> list[str]:
        """Name the licences of a wheel that are neither accepted for all nor, with a reason, for this one."""
        of_this = {each for entry in self.rules["read"] if entry["name"] == wheel.name for each in entry["licences"]}
        named = ids(wheel.licence) | set(wheel.inside) | set(chain(*(ids(licence) for _, licence in wheel.libraries)))
        if wheel.needed_by == (FOR_TESTS,):
            named = ids(wheel.licence)
        return sorted(named - set(self.rules["accepted"]) - of_this)


def wheels(licences: Licences) -> list[Wheel]:
    """Describe each distribution that is needed and installed, by its name."""
    by_extra = {extra: closure(lines) for extra, lines in needed(DOCS.parent / "setup.cfg").items()}
    found = []
    for name in sorted(set(chain(*by_extra.values()))):
        extras = tuple(extra for extra, names in by_extra.items() if name in names)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found.append(_wheel(name, distribution, extras[:1] if extras[0] == "" else extras, licences))
    return found


def _wheel(
    name: str, distribution: importlib.metadata.Distribution, extras: tuple[str, ...], licences: Licences
) -> Wheel:
    files = [PurePosixPath(file.as_posix()) for file in distribution.files or []]
    root = Path(str(distribution.locate_file("")))
    texts = sorted((each for each in files if _is_text(each) and (root / each).is_file()), key=_rank)
    found = {text: licences.of_text(root / text) for text in texts}
    licence, stated = _licence(name, distribution, found, licences)
    boms = [
        root / file for file in files if len(file.parts) > 2 and file.parts[1] == "sboms" and file.suffix == ".json"
    ]
    inside = set(chain(*(ids(each) for each in found.values()), *map(_of_bom, boms))) - ids(licence)
    libraries = _libraries(name, files) if extras != (FOR_TESTS,) else []
    return Wheel(
        name, distribution.version, extras, licence, stated, tuple(map(str, texts)), tuple(sorted(inside)),
        tuple((library, licences.of_library(library)) for library in libraries),
    )  # fmt: skip


def _is_text(file: PurePosixPath) -> bool:
    in_folder = file.parts[0].endswith(".dist-info") and "licenses" in file.parts
    return file.suffix not in _CODE and (in_folder or bool(_TEXT_NAME.search(file.name)))


def _rank(text: PurePosixPath) -> tuple[bool, bool, str]:
    """Put the licence of the package itself first."""
    return not text.parts[0].endswith(".dist-info"), not _TEXT_NAME.search(text.name), str(text)


def _licence(
    name: str,
    distribution: importlib.metadata.Distribution,
    found: dict[PurePosixPath, str],
    licences: Licences,
) -> tuple[str, str]:
    """Give a distribution's own licence, and what states it: metadata only if it is an SPDX expression."""
    if name in licences.rules["distributions"]:
        return licences.rules["distributions"][name], RULES.name
    for key in ("License-Expression", "License"):
        try:
            return canonicalize_license_expression(distribution.metadata.get(key) or ""), "metadata"
        except InvalidLicenseExpression:
            pass
    own = {text for file, text in found.items() if file.parts[0].endswith(".dist-info")}
    if len(own) == 1 and len(ids(*own)) == 1:
        return own.pop(), "text"
    return UNKNOWN, "-"


def _of_bom(path: Path) -> Iterator[str]:
    for component in json.loads(path.read_text(encoding="utf-8")).get("components", []):
        for each in component.get("licenses") or []:
            licence = each.get("license", {})
            yield from ids(each.get("expression") or licence.get("id") or licence.get("name") or UNKNOWN)


def _libraries(name: str, files: list[PurePosixPath]) -> list[str]:
    grafted = [match[1] for file in files if (match := _GRAFTED.search(file.as_posix()))]
    beside = [match[1] for file in files if (match := _LIBRARY.search(file.as_posix()))]
    return sorted({_library(file) for file in [*grafted, *(each for each in beside if f"lib{name}" not in each)]})


def _library(file: str) -> str:
    """Give name and version of a shared object: `libaom-a0d22147.so.3.14.1` is libaom 3.14.1."""
    name, _, version = _HASH.sub("", file).replace(".dylib", "").partition(".so")
    return f"{name} {version.strip('.')}".strip()


def rows(found: list[Wheel]) -> dict[str, list[str]]:
    """Give the rows of the three tables, each in the order of names."""
    packages = [
        f"| {each.name} | {each.version} | {_brought_by(each)} | {each.licence} | {each.stated} | "
        f"{', '.join(each.inside) or '-'} | {_named(each.texts)} |"
        for each in found
    ]
    libraries = [f"| {each.name} | {library} | {licence} |" for each in found for library, licence in each.libraries]
    return {"packages": packages, "libraries": libraries}


def _brought_by(wheel: Wheel) -> str:
    return ", ".join(extra or "the install" for extra in wheel.needed_by)


def _named(texts: tuple[str, ...]) -> str:
    more = f" and {len(texts) - 1} more" if len(texts) > 1 else ""
    return f"`{texts[0]}`{more}" if texts else "none"


def page(old: str, found: list[Wheel], rules: dict[str, Any]) -> str:
    """Put the rows into the page; those of what is not installed here stay."""
    installed = {each.name for each in found}
    made = rows(found)
    made["read"] = [f"| {e['name']} | {', '.join(e['licences'])} | {e['why']} |" for e in rules["read"]]
    made["accepted"] = [", ".join(f"`{each}`" for each in rules["accepted"])]
    for name, lines in made.items():
        begin, end = f"<!-- licences: {name} -->\n", "<!-- end -->"
        head, _, rest = old.partition(begin)
        body, _, tail = rest.partition(end)
        if name in ("packages", "libraries"):
            title, kept = body.splitlines()[:2], body.splitlines()[2:]
            stays = [line for line in kept if line.split(" ")[1] not in installed]
            lines = title + sorted(lines + stays, key=lambda line: line.split(" ")[1])
        elif name == "read":
            lines = body.splitlines()[:2] + lines
        old = head + begin + "\n".join(lines) + "\n" + end + tail
    return old


def main() -> None:
    """Write the page, and name what is not accepted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scancode", metavar="PYTHON", help="the Python of an environment with scancode-toolkit-mini")
    args = parser.parse_args()
    licences = Licences()
    found = wheels(licences)
    if licences.new and args.scancode:
        licences.scan(args.scancode)
        found = wheels(licences)
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), found, licences.rules), encoding="utf-8")
    wrong = [
        f"{each.name} {each.version}: {', '.join(refused)}" for each in found if (refused := licences.refused(each))
    ]
    if wrong:
        hint = "; --scancode reads new texts" if licences.new else ""
        sys.exit("not accepted in licences.toml" + hint + ":\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
