#!/usr/bin/env bash
# git 2.39.5 against its manual, pathspec 1.1.1 and dulwich 1.2.21, on CPython 3.11.
#
# Guess: `s**/*.png` in an ignore file means `s*/*.png`, as gitignore(5) says of asterisks that are not a whole part of
# the path ("regular asterisks"): it ignores `sub/a.png`, but neither `s.png` nor `sub/x/y.png`.
# Seen: git ignores all three. It compares the text before the first wildcard by itself and matches only the rest, which
# then begins with `**/` and stands for any folders or none. Without such text, as in `?ub**/*.png`, it does as the
# manual says. pathspec and dulwich follow the manual; so a file that git leaves out is taken by tools built on them.
# For batchclf: `.batchclfignore` and `--glob` give pathspec `/s*.png` and `/s*/**/*.png` for it (data/patterns.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pathspec==1.1.1 dulwich==1.2.21
cat > "$folder/seen.py" <<'PYTHON'
import subprocess
import tempfile
from pathlib import Path

from dulwich.ignore import IgnoreFilter
from pathspec import GitIgnoreSpec

PATHS = ["s.png", "sub.png", "sub/a.png", "sub/x/y.png", "t.png"]


def ignored(pattern):
    """What git, pathspec and dulwich ignore of PATHS."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(["git", "init", "--quiet", name], check=True)
        for path in PATHS:
            (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(name) / path).touch()
        (Path(name) / ".gitignore").write_text(pattern + "\n")
        git = ["git", "-C", name, "ls-files", "--others", "--ignored", "--exclude-standard"]
        listed = subprocess.run(git, check=True, capture_output=True, text=True).stdout.splitlines()
    spec, filtered = GitIgnoreSpec.from_lines([pattern]), IgnoreFilter([pattern.encode()])
    return (
        [path for path in PATHS if path in listed],
        [path for path in PATHS if spec.match_file(path)],
        [path for path in PATHS if filtered.is_ignored(path)],
    )


print(subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip())
deep, flat = ["s.png", "sub.png", "sub/a.png", "sub/x/y.png"], ["sub/a.png"]
for pattern, expected in {
    "s**/*.png": (deep, flat, flat),
    "/s**/*.png": (deep, flat, flat),
    "?ub**/*.png": (flat, flat, flat),
    "s*/*.png": (flat, flat, flat),
}.items():
    seen = ignored(pattern)
    print(pattern, "(git, pathspec, dulwich):", *seen)
    assert seen == expected, (pattern, seen)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
