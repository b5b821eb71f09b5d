"""An object store lists what a folder with the same files does, in the same order and with constant memory."""

import json
import pickle
import subprocess
import sys

import pytest
from object_stores import GeneratedStore, object_store, upload

from batchclf.data.labels import LabelRule
from batchclf.data.selection import Selection, select
from batchclf.data.sources.addresses import Address
from batchclf.data.sources.folder import Folder
from batchclf.data.sources.object_store import ObjectFolder
from batchclf.errors import StoreError

NO_LABELS = LabelRule(None, "no labels")
# What sorts differently by case, by UTF-16, by folder or by an encoding in addresses
NAMES = ["a.png", "a/b.png", "a b.png", "a-.png", "a0.png", "B.png", "a/b/c.png", "a.b/c.png", "é.png", "é.png"]
NAMES += ["\uffee.png", "\U0001f600.png", "%41.png", "a+b.png", "a&b=c.png", "#.png", "?.png", "~.png", "*.png"]
NAMES += [".hidden.png", "a/.hidden/x.png", ".git/x.png", "Lost+Found/x.png", "a/@eaDir/y.png", "notes.TXT", "IMG.JPG"]
NAMES += ["no suffix", "a/archive.tar.gz", "x.heic", "back\\slash.png", "'quotes\".png", "a/" + "long" * 40 + ".png"]


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """The same files as a folder and as objects, with markers of folders among the objects."""
    root = tmp_path_factory.mktemp("images")
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    (root / ".batchclfignore").write_text("a0.png\na.b/\n")
    with object_store() as store:
        client = store.client()
        upload(client, root, "tree/of")
        for marker in ("tree/of/", "tree/of/a/", "tree/of/a/b/", "tree/of/none/", "tree/of/z.png/"):
            client.put_object(Bucket="photos", Key=marker, Body=b"")
        for beside in ("tree/of.png", "tree/of-/x.png", "tree/off/x.png", "tree/oe/x.png"):
            client.put_object(Bucket="photos", Key=beside, Body=b"beside")
        yield Folder(root), ObjectFolder(Address("s3://photos/tree/of"))


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"globs": ("a/**", "*.JPG")},
        {"sample": 7, "seed": 3},
        {"shard": (2, 3)},
        {"files": ("B.png", "a/b.png", "no suffix", ".hidden.png")},
    ],
)
def test_a_store_gives_what_a_folder_gives_in_the_same_order(trees, chosen):
    folder, store = trees
    assert list(select(store, NO_LABELS, Selection(**chosen))) == list(select(folder, NO_LABELS, Selection(**chosen)))


def test_a_store_answers_what_a_folder_answers(trees):
    folder, store = trees
    assert store.class_folders(None) == folder.class_folders(None)
    for path in ("a", "a/b", "a.png", "B.pn", "none at all", "é.png", "of", ""):
        assert (store.has(path), store.has_folder(path)) == (folder.has(path), folder.has_folder(path)), path
    assert store.has_any(f"none{number}" for number in range(20)) is False
    assert store.has_any([*(f"none{number}" for number in range(20)), "B.png"]) is True
    for name in NAMES:
        assert store.file(name) == name.encode()
    assert store.file("absent") is None
    assert list(store.discover(NO_LABELS, only="a")) == list(folder.discover(NO_LABELS, only="a"))
    again = pickle.loads(pickle.dumps(store))
    assert (again.address, again.read("a/b.png")) == ("s3://photos/tree/of", b"a/b.png")


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("a/b.png", "a/b.png"),
        ("./a//b.png", "a/b.png"),
        ("s3://photos/tree/of/a/b.png", "a/b.png"),
        ("s3://photos/tree/off/x.png", None),
        ("s3://other/tree/of/a.png", None),
        ("../of/a.png", None),
        ("/a.png", None),
    ],
)
def test_a_path_may_be_written_as_an_address(trees, written, path):
    assert trees[1].relative(written) == path


def test_folders_of_many_objects_are_found_with_few_requests(monkeypatch):
    with GeneratedStore.serving(22_345, monkeypatch) as server:
        monkeypatch.setattr(
            server, "key", staticmethod(lambda number: f"many/{number // 5000:04}/{number % 5000:04}.png")
        )
        answered = []
        page = server._page
        monkeypatch.setattr(server, "_page", lambda self, query: answered.append(query) or page(self, query))
        folders, links = ObjectFolder(Address("s3://bucket/many")).class_folders(None)
    assert (folders, links) == ([f"{number:04}" for number in range(5)], [])
    assert len(answered) <= 6


def test_a_store_that_lists_in_another_order_is_refused(monkeypatch):
    with GeneratedStore.serving(10, monkeypatch) as server:
        monkeypatch.setattr(server, "key", staticmethod(lambda number: f"many/{number * 7 % 10}.png"))
        monkeypatch.setattr(server, "_begin", lambda self, after: 0, raising=False)
        with pytest.raises(
            StoreError, match=r"does not list its objects in the order of their keys: many/4\.png comes"
        ):
            list(ObjectFolder(Address("s3://bucket/many")).discover(NO_LABELS))


LISTING = """
import json, re, sys
from batchclf.data.sources.addresses import Address
from batchclf.data.labels import LabelRule
from batchclf.data.sources.object_store import ObjectFolder
found, peaks = 0, {}
for each in ObjectFolder(Address("s3://bucket/many")).discover(LabelRule(None, "")):
    found += 1
    if found in (20_000, int(sys.argv[1])):
        # Not ru_maxrss, which begins with that of the process that has started this one
        peaks[found] = int(re.search(r"VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read())[1])
print(json.dumps([found, each.path, peaks]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("count", [60_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_listing_takes_the_same_memory_however_many_objects_there_are(monkeypatch, count):
    with GeneratedStore.serving(count, monkeypatch):
        done = subprocess.run(
            [sys.executable, "-c", LISTING, str(count)], capture_output=True, text=True, timeout=600, check=True
        )
    found, last, peaks = json.loads(done.stdout)
    assert (found, last) == (count, f"{(count - 1) // 1000:04}/999.png")
    # kB: a list of the paths would take 5 MB for 40,000 more
    assert peaks[str(count)] - peaks["20000"] < 3000
