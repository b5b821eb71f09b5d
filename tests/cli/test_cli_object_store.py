"""`score` of what lies in an object store: moto's server on 127.0.0.1, with the faults of stores."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import boto3
import pandas as pd
import pytest
from object_stores import object_store, picture, upload
from PIL import Image
from run_files import counts_of, record_of

CLASSES = [str(digit) for digit in range(10)]


@pytest.fixture(scope="module")
def store():
    with object_store() as store:
        yield store


@pytest.fixture(scope="module")
def photos(tmp_path_factory, digits, store):
    """Images in class folders, and whatever else lies about in folders; uploaded to s3://photos/set/a."""
    root = tmp_path_factory.mktemp("images") / "a"
    for number, (image, label) in enumerate(zip(digits.test.images[:60, ..., 0], digits.test.labels[:60], strict=True)):
        folder = root / str(label) / ("deep er" if number % 7 == 0 else "")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}+ü#%20?.png")
    (root / "3" / "broken.png").write_bytes(b"no image")
    (root / "4" / "empty.png").write_bytes(b"")
    (root / "5" / "notes.txt").write_text("a note")
    (root / "5" / "out.png").write_bytes(picture(1))
    (root / ".batchclfignore").write_text("out.png\n")
    (root / "6" / ".hidden.png").write_bytes(picture(2))
    (root / "6" / "@eaDir").mkdir()
    (root / "6" / "@eaDir" / "x.png").write_bytes(picture(3))
    (root / "6.png").write_bytes(picture(4))
    client = store.client()
    upload(client, root, "set/a")
    # Markers of folders, one of them empty, and keys beside the prefix, which are no part of it
    for key in ("set/", "set/a/", "set/a/3/", "set/a/none/", "set/ab.png", "set/a.png"):
        client.put_object(Bucket="photos", Key=key, Body=b"")
    return root


def test_a_bucket_gives_what_the_folder_with_the_same_files_gives(cli, tmp_path, store, photos, digits_bundle):
    code, _, err = cli("score", photos, "--model", digits_bundle, "--out", "local", "--workers", 1)
    assert code == 0, err
    code, _, err = cli("score", "s3://photos/set/a/", "--model", digits_bundle, "--out", "bucket", "--workers", 3)
    assert code == 0, err
    for name in ("predictions.csv", "images.csv", "skipped.csv", "duplicates.csv", "metrics.json"):
        assert (tmp_path / "bucket" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name
    assert counts_of(tmp_path / "bucket") == counts_of(tmp_path / "local")
    of_bucket, of_folder = (record_of(tmp_path / name)["subsets"][0] for name in ("bucket", "local"))
    assert of_bucket["source"] == "s3://photos/set/a"
    assert of_bucket["content"] == of_folder["content"]
    assert of_bucket["labels"] == of_folder["labels"] == "labels from the 10 class folders"
    text = (tmp_path / "bucket" / "run.json").read_text() + (tmp_path / "bucket" / "log.jsonl").read_text() + err
    assert "a-secret-of-tests" not in text
    assert "AKIAOFTESTS" not in text
    # Its report shows the same pictures, also if it is written again
    pages = [(tmp_path / name / "report.html").read_text() for name in ("bucket", "local")]
    shown = [sorted(re.findall(r"data:image/png;base64,[^\"')]+", page)) for page in pages]
    assert shown[0] == shown[1] != []
    code, _, err = cli("report", "bucket", "--out", "again.html")
    assert code == 0, err
    assert sorted(re.findall(r"data:image/png;base64,[^\"')]+", (tmp_path / "again.html").read_text())) == shown[0]


def test_labels_label_map_and_model_come_from_addresses(cli, tmp_path, monkeypatch, store, photos, digits_bundle):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    client = store.client()
    upload(client, digits_bundle, "models/digits")
    paths = sorted(path for path in photos.rglob("[0-9]/*+*.png"))
    rows = [(path.relative_to(photos).as_posix(), f"label {path.parent.name}") for path in paths]
    # Half of the paths are written as addresses
    rows = [(f"s3://photos/set/a/{path}" if number % 2 else path, label) for number, (path, label) in enumerate(rows)]
    for key, table in (
        ("labels.csv", pd.DataFrame(rows, columns=["path", "label"])),
        ("map.csv", pd.DataFrame({"label": [f"label {name}" for name in CLASSES], "class": CLASSES})),
    ):
        client.put_object(Bucket="photos", Key=key, Body=table.to_csv(index=False).encode())
    tables = ("--labels", "s3://photos/labels.csv", "--label-map", "s3://photos/map.csv")
    for run in ("first", "second"):
        asked = store.asked.copy()
        code, _, err = cli("score", "s3://photos/set/a", "--model", "s3://photos/models/digits", *tables, "--out", run)
        assert code == 0, err
        fetched = [
            path for (method, path), _ in (store.asked - asked).items() if method == "GET" and "/models/" in path
        ]
        whole = [f"/photos/models/digits/{name}" for name in ("model.json", "model.keras", "model.onnx")]
        # Once; then only what says whether it is still the same
        assert sorted(fetched) == (whole if run == "first" else whole[:1])
    table = pd.read_csv(tmp_path / "first" / "predictions.csv", dtype=str)
    labelled = table[table.label.notna()]
    assert len(labelled) == len(rows)
    assert (labelled.label == labelled.path.str[0]).all()
    record = record_of(tmp_path / "second")
    assert record["model"]["path"] == "s3://photos/models/digits"
    assert record["subsets"][0]["labels"] == f"labels of {len(rows)} files from labels.csv"
    # Damaged in the cache it is fetched again, damaged in the store it is refused
    (kept,) = (tmp_path / "cache" / "batchclf" / "bundles").iterdir()
    (kept / "model.onnx").write_bytes(b"damaged")
    assert cli("score", "s3://photos/set/a", "--model", "s3://photos/models/digits", "--out", "third")[0] == 0
    shutil.rmtree(kept)
    client.put_object(Bucket="photos", Key="models/digits/model.onnx", Body=b"damaged")
    code, _, err = cli("score", "s3://photos/set/a", "--model", "s3://photos/models/digits", "--out", "fourth")
    assert code == 1
    assert "is not the file the bundle was made with" in err
    assert list(kept.parent.iterdir()) == []
    for address, said in (
        ("s3://photos/models/none", "there is no model bundle at s3://photos/models/none: it has no model.json"),
        ("s3://nowhere/model", "s3://nowhere/model/model.json cannot be read: there is no such bucket"),
    ):
        code, _, err = cli("score", "s3://photos/set/a", "--model", address, "--out", "fifth")
        assert (code, said in err) == (1, True), err


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        ("gs://photos/a", 2, "addresses gs:// are not supported: gs://photos/a; give a path, file:///PATH or s3://"),
        ("https://me:word@host/a", 2, "addresses https:// are not supported: https://…@host/a"),
        ("s3:///a", 2, "s3:///a names no bucket"),
        ("s3://photos/a//b", 2, "s3://photos/a//b has a part '' between two slashes"),
        ("s3://photos/../b", 2, "has a part '..' between two slashes"),
        ("file://host/a", 2, "names no file of this machine"),
        ("s3://nowhere/a", 1, "s3://nowhere/a cannot be listed: there is no such bucket"),
        ("s3://photos/nothing", 1, "there is no object under s3://photos/nothing"),
        ("s3://photos/set/a.p", 1, "there is no object under s3://photos/set/a.p"),
    ],
)
def test_an_address_that_cannot_be_scored_is_refused_before_the_first_image(
    cli, tmp_path, store, photos, digits_bundle, address, code, said
):
    ended, _, err = cli("score", address, "--model", digits_bundle, "--out", "run")
    assert (ended, said in err) == (code, True), err
    assert "word" not in err
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".jsonl"] == []


def test_a_file_address_is_a_folder(cli, tmp_path, photos, digits_bundle):
    (tmp_path / "with space").symlink_to(photos)
    code, _, err = cli("score", f"file://{tmp_path}/with%20space", "--model", digits_bundle, "--out", "run")
    assert code == 0, err
    assert record_of(tmp_path / "run")["subsets"][0]["source"] == str(photos)


def test_credentials_and_endpoint_that_are_wrong_or_missing_are_said_before_the_first_image(
    cli, monkeypatch, store, photos, digits_bundle, tmp_path
):
    def refused(said, **environment):
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.delenv(name) if value is None else patch.setenv(name, value)
            code, _, err = cli("score", "s3://photos/set/a", "--model", digits_bundle, "--out", "run")
            assert (code, said in err) == (1, True), err
            assert "a-secret-of-tests" not in err
            assert "AKIA" not in err

    (tmp_path / "none").write_text("")
    no_keys = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_CONFIG_FILE": str(tmp_path / "none")}
    no_keys |= {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "absent")}
    store.faults["GET", "/photos"] = [403]
    refused("s3://photos/set/a cannot be listed: access is denied (403 AccessDenied)")
    store.faults["GET", "/photos"] = [400]
    refused("cannot be listed: the credentials are refused (400 ExpiredToken)")
    store.faults["GET", "/photos"] = [503] * 3
    refused("cannot be listed: the store fails (503 SlowDown)")
    refused("cannot be listed: there is no connection", AWS_ENDPOINT_URL="http://127.0.0.1:1")
    refused("there are no credentials for s3://", **no_keys)
    metadata = {"AWS_EC2_METADATA_DISABLED": None, "AWS_METADATA_ENDPOINT": "http://127.0.0.1:1"}
    refused("cannot be listed: there are no credentials", **no_keys, **metadata)
    refused("The config profile (else) could not be found", AWS_PROFILE="else", AWS_CONFIG_FILE=str(tmp_path / "none"))
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "boto3", None)
        patch.delitem(__import__("sys").modules, "obstore.auth.boto3", raising=False)
        refused(
            "the profile 'mine' (AWS_PROFILE) can only be read with boto3, which is not installed", AWS_PROFILE="mine"
        )
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "obstore.store", None)
        refused("addresses s3:// need obstore")


def test_a_profile_gives_the_credentials(cli, monkeypatch, store, photos, digits_bundle, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    file.write_text("[mine]\naws_access_key_id = AKIAOFPROFILE\naws_secret_access_key = other-secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    seen = []
    monkeypatch.setattr(store, "see_headers", seen.append, raising=False)
    code, _, err = cli("score", "s3://photos/set/a", "--model", digits_bundle, "--out", "run", "--glob", "1/*.png")
    assert code == 0, err
    signed = {environ["HTTP_AUTHORIZATION"].split("Credential=")[1].split("/")[0] for environ in seen}
    assert signed == {"AKIAOFPROFILE"}
    assert "other-secret" not in err + (tmp_path / "run" / "log.jsonl").read_text()


@pytest.mark.parametrize("where", ["profile", "services"])
def test_the_endpoint_of_a_profile_is_used_or_missed(cli, monkeypatch, store, photos, digits_bundle, tmp_path, where):
    config = {
        "profile": f"[profile mine]\nendpoint_url = {store.url}\n",
        "services": f"[profile mine]\nservices = own\n[services own]\ns3 =\n  endpoint_url = {store.url}\n",
    }
    (tmp_path / "config").write_text(config[where])
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    # With keys of the environment, too, as AWS's own tools do it
    assert boto3.Session(profile_name="mine").client("s3").meta.endpoint_url == store.url
    code, _, err = cli("score", "s3://photos/set/a", "--model", digits_bundle, "--out", "run", "--glob", "1/*.png")
    assert code == 0, err
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    code, _, err = cli("score", "s3://photos/set/a", "--model", digits_bundle, "--out", "other")
    assert code == 1
    assert "config has an endpoint_url, which can only be read with boto3" in err
    assert "set AWS_ENDPOINT_URL" in err


@pytest.mark.parametrize("hanging", ["list", "read"])
def test_ctrl_c_ends_a_run_whose_store_hangs(store, photos, digits_bundle, tmp_path, hanging):
    asked, go = threading.Event(), threading.Event()

    def wait(method, path):
        if path.rstrip("/") == "/photos" if hanging == "list" else path.endswith(".png"):
            asked.set()
            go.wait(120)

    store.before_answer = wait
    command = [sys.executable, "-m", "batchclf", "score", "s3://photos/set/a", "--model", digits_bundle, "--out", "run"]
    environment = {**os.environ, "AWS_TIMEOUT": "100s", "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert asked.wait(60)
        process.send_signal(signal.SIGINT)
        # The store does not answer before that
        _, err = process.communicate(timeout=20)
    finally:
        store.before_answer = lambda method, path: None
        go.set()
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "interrupted" in err


def test_python_scores_an_address_with_a_model_at_another(store, photos, digits_bundle, tmp_path, monkeypatch):
    import batchclf

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    upload(store.client(), digits_bundle, "models/other")
    run = batchclf.score(
        "s3://photos/set/a", "s3://photos/models/other", tmp_path / "run", glob=["3/*.png"], labels="none"
    )
    assert counts_of(tmp_path / "run")["scored"] == len(list(photos.glob("3/*+*.png"))) == len(run.predictions)
    assert batchclf.load_model("s3://photos/models/other").class_names == tuple(CLASSES)
