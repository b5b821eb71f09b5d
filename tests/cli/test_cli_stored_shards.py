"""`score` of shards in an object store: moto's server on 127.0.0.1 gives what the disk gives."""

import contextlib
import io
import json
import re
import tarfile
import threading
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from object_stores import object_store, upload
from shard_cases import PATHS, image, rows, run, skipped, world, write_images  # noqa: F401 (a fixture)


@pytest.fixture(scope="module")
def store():
    with object_store() as store:
        yield store


@pytest.fixture(scope="module")
def packs(world, store):  # noqa: F811
    """The same images as tars and as Parquet files, here and at s3://photos/NAME."""
    made = {
        "tar": world.pack("tars", "--shard-size", "60KB")[0],
        "parquet": world.pack("parquet", "--shard-size", "5KB", "--format", "parquet")[0],
    }
    for name, folder in made.items():
        upload(store.client(), folder, name)
        # What a console makes of a folder is no object
        store.client().put_object(Bucket="photos", Key=f"{name}/", Body=b"")
    return made


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_pack_in_a_bucket_gives_what_it_gives_on_disk(world, store, packs, kind):  # noqa: F811
    options = ("--labels", world.labels, "--batch-size", 16)
    local = world.score(packs[kind], *options, "--workers", 1)[0]
    before = store.asked.copy()
    out, counts, lines = world.score(f"s3://photos/{kind}", *options, "--workers", 2)
    for name in ("predictions.csv", "images.csv", "skipped.csv", "duplicates.csv", "metrics.json"):
        assert (out / name).read_bytes() == (local / name).read_bytes(), name
    assert counts["scored"] > 40
    pages = [(each / "report.html").read_text() for each in (out, local)]
    shown = [sorted(re.findall(r"data:image/png;base64,[^\"')]+", page)) for page in pages]
    assert shown[0] == shown[1] != []
    assert "the report goes without" not in lines
    # By ranges, of which each holds many images
    shards = [path for path in packs[kind].iterdir() if path.suffix == f".{kind}"]
    asked = store.asked - before
    ranges = sum(asked["GET", f"/photos/{kind}/{path.name}"] for path in shards)
    assert len(shards) <= ranges < counts["scored"] * 2
    assert main_report(out) == len(shown[0])


def main_report(out):
    """Make the report of a run again: how many pictures it has."""
    again = out.parent / "again.html"
    code, _, lines = run("report", out, "--out", again)
    assert code == 0, lines
    return len(re.findall(r"data:image/png;base64,[^\"')]+", again.read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_workers_of_ray_read_it_likewise(world, store, packs, tmp_path, process, kind):  # noqa: F811
    pytest.importorskip("ray")
    options = ("--labels", world.labels, "--batch-size", 16)
    local = world.score(packs[kind], *options, "--workers", 1)[0]
    command = ("-m", "batchclf", "score", f"s3://photos/{kind}", "--model", world.model, "--out", tmp_path / "run")
    done = process(*command, *options, "--engine", "ray", cwd=tmp_path, env={"PYTHONPATH": str(Path.cwd())})
    assert done.returncode == 0, done.stderr
    for name in ("predictions.csv", "images.csv", "skipped.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (local / name).read_bytes(), name


def test_single_shards_selections_and_lists(world, store, packs, tmp_path):  # noqa: F811
    chosen = ("--glob", "*.png", "--sample", 20, "--seed", 3)
    (tmp_path / "list.txt").write_text("0/k.1.png\n5/nothing.png\n2/same.jpg\n")
    for kind in packs:
        for options in (chosen, ("--shard", "2/3"), ("--files-from", tmp_path / "list.txt")):
            one, other = (world.score(place, *options)[0] for place in (packs[kind], f"s3://photos/{kind}"))
            assert (one / "predictions.csv").read_bytes() == (other / "predictions.csv").read_bytes()
        name = f"shard-000001.{kind}"
        one, other = (world.score(place)[0] for place in (packs[kind] / name, f"s3://photos/{kind}/{name}"))
        assert (one / "predictions.csv").read_bytes() == (other / "predictions.csv").read_bytes()
        assert (one / "skipped.csv").read_bytes() == (other / "skipped.csv").read_bytes()


def test_shards_of_others_and_what_is_no_prefix_of_shards(world, store, tmp_path):  # noqa: F811
    client = store.client()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for number in range(6):
            picture = io.BytesIO()
            image(number, side=300).save(picture, "png")
            for name, data in ((f"{number}.png", picture.getvalue()), (f"{number}.cls", str(number).encode())):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    (tmp_path / "x.tar").write_bytes(content.getvalue())
    for key in ("others/x.tar", "others/README.md", "others/.hidden/y.png", "mixed/x.tar"):
        client.put_object(Bucket="photos", Key=key, Body=content.getvalue())
    client.put_object(Bucket="photos", Key="mixed/y.png", Body=picture.getvalue())
    here, there = (world.score(place) for place in (tmp_path / "x.tar", "s3://photos/others"))
    assert (here[0] / "predictions.csv").read_bytes() == (there[0] / "predictions.csv").read_bytes()
    assert rows(there[0])["label"].tolist() == list("012345")
    _, counts, _ = world.score("s3://photos/mixed")
    assert (counts["scored"], counts["excluded"]) == (1, 1)
    # An address that ends as a shard may be a folder
    client.put_object(Bucket="photos", Key="named/x.tar/y.png", Body=picture.getvalue())
    assert rows(world.score("s3://photos/named/x.tar")[0])["path"].tolist() == ["y.png"]


def test_a_pack_that_is_not_whole_is_refused_by_name(world, store, packs):  # noqa: F811
    client = store.client()
    upload(client, packs["tar"], "broken")
    client.delete_object(Bucket="photos", Key="broken/shard-000001.tar")
    _, result, _ = world.score("s3://photos/broken", code=1)
    assert "the shard s3://photos/broken/shard-000001.tar with" in result["error"]
    client.put_object(Bucket="photos", Key="broken/shard-000001.tar", Body=b"short")
    _, result, _ = world.score("s3://photos/broken", code=1)
    assert "s3://photos/broken/shard-000001.tar has 5 bytes" in result["error"]


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_what_fails_is_tried_again_and_then_skipped_or_ends_the_run(world, store, packs, kind, monkeypatch):  # noqa: F811
    monkeypatch.setattr("batchclf.jobs.score.score_subsets.files_per_block", lambda *_: 8)
    source, path = f"s3://photos/{kind}", f"/photos/{kind}/shard-000000.{kind}"
    calm = rows(world.score(packs[kind])[0])
    store.faults[path] = [503, "cut"]
    assert rows(world.score(source, "--workers", 1)[0]).equals(calm)
    # Of a listing that fails nobody knows what is behind: it ends the run
    store.faults[path] = [503] * 20
    _, result, _ = world.score(source, code=1)
    store.faults.clear()
    assert f"s3:/{path} cannot be read: the store fails (503 SlowDown)" in result["error"]
    # If the reading of images fails, those that hang on the request are skips, all others have their rows
    with failing_reads(store, path, monkeypatch, times=1):
        out, counts, _ = world.score(source, "--workers", 1)
    gone = [each for each, reason in skipped(out).items() if reason == "cannot be read: the store fails (503 SlowDown)"]
    assert 0 < len(gone) < len(calm)
    assert rows(out).equals(calm[~calm["path"].isin(gone)].reset_index(drop=True))
    assert counts["found"] == len(calm) + 1
    # If it goes on so, the store is down; what was scored is kept
    with failing_reads(store, path, monkeypatch, times=10**6):
        _, result, _ = world.score(source, "--workers", 1, code=1)
    assert f"16 images in a row of {source} could not be read; of the last one: the store fails (503" in result["error"]


@contextlib.contextmanager
def failing_reads(store, path, monkeypatch, times):
    """Let a shard not be given when images are read, the first few times; its listing goes on."""
    from batchclf.data.sources.object_reads import Reads

    one, lock, failed = Reads.one, threading.Lock(), []

    def failing(self, get, images=1):
        with lock:
            if len(failed) < times:
                failed.append(images)
                return one(self, lambda _: refuse(), images)
        return one(self, get, images)

    def refuse():
        import obstore

        client = obstore.store.S3Store("photos", retry_config={"max_retries": 0}, client_options={"allow_http": True})
        store.faults["GET", "/photos/refused"] = [503]
        return obstore.get(client, "refused").bytes()

    with monkeypatch.context() as patched:
        patched.setattr(Reads, "one", failing)
        yield


def test_a_shard_that_is_replaced_while_it_is_read_ends_the_run(world, store, packs):  # noqa: F811
    client = store.client()
    upload(client, packs["tar"], "live")
    other = (packs["tar"] / "shard-000000.tar").read_bytes()[:-1] + b"\0"
    path, asked = "/photos/live/shard-000000.tar", []

    def replace(method, at):
        if at == path and method == "GET":
            asked.append(at)
            if len(asked) == 3:
                client.put_object(Bucket="photos", Key="live/shard-000000.tar", Body=b"other" + other[5:])

    store.before_answer = replace
    try:
        _, result, _ = world.score("s3://photos/live", "--workers", 1, code=1)
    finally:
        store.before_answer = lambda method, at: None
    assert "an object was replaced by another one while it was read" in result["error"]
    assert "--resume" in result["hint"]


def test_pack_packs_what_is_in_a_bucket(world, store, packs):  # noqa: F811
    write_images(world.folder / "plain", PATHS[:40])
    upload(store.client(), world.folder / "plain", "loose")
    out, _ = world.pack("from a bucket", "--format", "parquet", source="s3://photos/loose")
    here, _ = world.pack("from disk", "--format", "parquet", source=world.folder / "plain")
    again, _ = world.pack("again", "--format", "parquet", source="s3://photos/tar")
    assert (out / "shard-000000.parquet").read_bytes() == (here / "shard-000000.parquet").read_bytes()
    table = pq.read_table(again / "shard-000000.parquet")
    for path, content in zip(table["path"].to_pylist(), table["content"].to_pylist(), strict=True):
        assert (world.photos / path).read_bytes() == content


def test_metadata_and_a_check_of_a_model_take_addresses(world, store, packs, tmp_path):  # noqa: F811
    table = pd.DataFrame({"path": PATHS[:40], "camera": [f"c{number % 2}" for number in range(40)]})
    table.to_csv(tmp_path / "here.csv", index=False)
    # Half of the paths are written as addresses
    table["path"] = [f"s3://photos/tar/{path}" if number % 3 else path for number, path in enumerate(PATHS[:40])]
    store.client().put_object(Bucket="photos", Key="meta.csv", Body=table.to_csv(index=False).encode())
    options = ("--labels", world.labels)
    one = world.score(packs["tar"], *options, "--metadata", tmp_path / "here.csv")[0]
    other = world.score("s3://photos/tar", *options, "--metadata", "s3://photos/meta.csv")[0]
    assert (other / "slices.csv").read_bytes() == (one / "slices.csv").read_bytes()
    assert "camera=c1" in (one / "slices.csv").read_text()
    assert json.loads((other / "run.json").read_text())["slices"]["metadata"] == "s3://photos/meta.csv"
    code, _, lines = run("report", other, "--out", tmp_path / "again.html")
    assert code == 0, lines
    job = tmp_path / "job.toml"
    job.write_text(
        f'[model]\nbundle = "{world.model}"\n[scoring.directories.packed]\npath = "s3://photos/parquet"\n'
        f'labels = "{world.labels}"\n[slices]\nmetadata = "s3://photos/meta.csv"\n'
    )
    code, result, lines = run("job", "check", job)
    assert code == 0, lines
    code, result, lines = run("run", job)
    assert code == 0, lines
    assert result["subsets"]["packed"]["scored"] > 40
    one, other = (run("model", "check", world.model, place, *options)[1] for place in (packs["tar"], "s3://photos/tar"))
    assert one == other
    assert "error" not in one
