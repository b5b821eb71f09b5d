#!/usr/bin/env bash
# pathspec 1.1.1 (GitIgnoreSpec) against git 2.39.5, on CPython 3.11.
#
# Guess: GitIgnoreSpec ignores the files that `git check-ignore` ignores. It is there, as its source says, to replicate
# git's handling in full, where GitWildMatchPatternSpec takes the last pattern that matches.
# Seen: three differences, all silent. gitignore(5) says that no file comes back out of a folder that is left out:
# after `cat/` and `!cat/1.png`, or `/cat/sub` and `!cat/sub/3.png`, git ignores the file and GitIgnoreSpec does not.
# After `a/**/` git leaves the files in `a` alone, since the pattern matches folders below it; GitIgnoreSpec ignores
# them.
# For batchclf: `.batchclfignore` is asked for each folder of a path, from the top; `a/**/` is given as `a/**/*/`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pathspec==1.1.1
cat > "$folder/seen.py" <<'PYTHON'
import subprocess
import tempfile
from pathlib import Path

from pathspec import GitIgnoreSpec


def ignored(lines, path):
    """Whether git ignores a file, and whether GitIgnoreSpec does."""
    with tempfile.TemporaryDirectory() as name:
        repository = Path(name)
        subprocess.run(["git", "init", "--quiet", name], check=True)
        (repository / ".gitignore").write_text("\n".join(lines) + "\n")
        (repository / path).parent.mkdir(parents=True)
        (repository / path).touch()
        listed = subprocess.run(
            ["git", "-C", name, "ls-files", "--others", "--ignored", "--exclude-standard"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
    return path in listed, GitIgnoreSpec.from_lines(lines).match_file(path)


print(subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip())
alike = [ignored(["cat/"], "cat/1.png"), ignored(["*.png", "!1.png"], "cat/1.png"), ignored(["a/**"], "a/1.png")]
assert alike == [(True, True), (False, False), (True, True)], alike
seen = {
    "cat/ !cat/1.png": ignored(["cat/", "!cat/1.png"], "cat/1.png"),
    "/cat/sub !cat/sub/3.png": ignored(["/cat/sub", "!cat/sub/3.png"], "cat/sub/3.png"),
    "a/**/": ignored(["a/**/"], "a/1.png"),
}
print("(git, pathspec):", seen)
assert list(seen.values()) == [(True, False), (True, False), (False, True)], seen
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
