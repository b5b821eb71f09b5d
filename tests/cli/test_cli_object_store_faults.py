"""What becomes of a run whose object store fails: retried, then a skip with its reason or a clear end."""

import pytest
from object_stores import GeneratedStore, object_store, picture
from run_files import counts_of, skips_of


@pytest.fixture(scope="module")
def store():
    with object_store() as store:
        client = store.client()
        for number in range(24):
            client.put_object(Bucket="photos", Key=f"few/{number:02}.png", Body=picture(number))
        yield store


def test_what_fails_is_tried_again_and_skipped_with_the_reason_if_it_goes_on(
    cli, tmp_path, monkeypatch, store, digits_bundle
):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    code, _, err = cli("score", "s3://photos/few", "--model", digits_bundle, "--out", "calm")
    assert code == 0, err
    for number, fault in enumerate((503, 500, "cut", "slow")):
        store.faults[f"/photos/few/{number:02}.png"] = [fault]
    lasting = {10: 503, 12: "cut", 14: "slow", 16: 403, 18: 404}
    for number, fault in lasting.items():
        store.faults[f"/photos/few/{number:02}.png"] = [fault] * 10
    code, _, err = cli("score", "s3://photos/few", "--model", digits_bundle, "--out", "run", "--max-skipped", 4)
    store.faults.clear()
    assert code == 4, err
    assert counts_of(tmp_path / "run") == {"found": 24, "scored": 19, "skipped": 5, "excluded": 0}
    assert skips_of(tmp_path / "run") == {
        "10.png": "cannot be read: the store fails (503 SlowDown)",
        "12.png": "cannot be read: the connection was cut",
        "14.png": "cannot be read: it does not answer in time",
        "16.png": "cannot be read: access is denied (403 AccessDenied)",
        "18.png": "cannot be read: there is no such object",
    }
    # The others have the rows that they have without a fault
    rows = (tmp_path / "calm" / "predictions.csv").read_text().splitlines()
    gone = tuple(f"{number:02}.png" for number in lasting)
    assert (tmp_path / "run" / "predictions.csv").read_text().splitlines() == [
        row for row in rows if not row.startswith(gone)
    ]


def test_a_list_names_objects_by_path_or_address_and_one_that_is_not_there_is_skipped(
    cli, tmp_path, store, digits_bundle
):
    (tmp_path / "list").write_text("03.png\ns3://photos/few/01.png\n./none.png\nnotes.txt\n")
    code, _, err = cli("score", "s3://photos/few", "--model", digits_bundle, "--out", "run", "--files-from", "list")
    assert code == 0, err
    assert counts_of(tmp_path / "run") == {"found": 4, "scored": 2, "skipped": 1, "excluded": 1}
    assert skips_of(tmp_path / "run") == {"none.png": "cannot be read: there is no such object"}
    (tmp_path / "list").write_text("s3://photos/other/01.png\n")
    code, _, err = cli("score", "s3://photos/few", "--model", digits_bundle, "--out", "no", "--files-from", "list")
    assert code == 2
    assert "line 1 of list leads out of s3://photos/few" in err
    (tmp_path / "list").write_text("".join(f"a{number}.png\n" for number in range(20)))
    code, _, err = cli("score", "s3://photos/few", "--model", digits_bundle, "--out", "no", "--files-from", "list")
    assert code == 5
    assert "none of 20 listed paths names a file in s3://photos/few" in err


def test_a_key_that_obstore_does_not_take_ends_the_run_and_is_named(cli, store, digits_bundle):
    client = store.client()
    for key, named in (("bad/a//x.png", "bad/a//x.png"), ("bad/../y.png", "bad/../y.png")):
        client.put_object(Bucket="photos", Key=key, Body=picture(1))
        code, _, err = cli("score", "s3://photos/bad", "--model", digits_bundle, "--out", "run")
        assert code == 1
        assert f"s3://photos/bad cannot be listed: obstore does not take the key {named}" in err
        client.delete_object(Bucket="photos", Key=key)


def test_objects_that_came_or_changed_after_a_run_are_seen_by_the_next(cli, tmp_path, store, digits_bundle):
    client = store.client()
    client.put_object(Bucket="photos", Key="live/1.png", Body=picture(1))
    for run in ("first", "second"):
        assert cli("score", "s3://photos/live", "--model", digits_bundle, "--out", run, "--cache")[0] == 0
        client.put_object(Bucket="photos", Key="live/1.png", Body=picture(2))
        client.put_object(Bucket="photos", Key="live/2.png", Body=picture(1))
    first, second = (
        [row.split(",", 2)[2] for row in (tmp_path / run / "predictions.csv").read_text().splitlines()[1:]]
        for run in ("first", "second")
    )
    assert len(first) == 1
    # What was 1.png is 2.png now
    assert second[1] == first[0] != second[0]


def test_a_store_that_goes_down_ends_the_run_which_goes_on_where_it_was(cli, tmp_path, monkeypatch, digits_bundle):
    command = ("score", "s3://bucket/many", "--model", digits_bundle, "--out", tmp_path / "run", "--workers", 2)
    with GeneratedStore.serving(1100, monkeypatch) as server:
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
        server.down_from, server.failing = 1060, [100]
        code, _, err = cli(*command)
        assert code == 1
        assert (
            "16 images in a row of s3://bucket/many could not be read; of the last one: the store fails (503 Slow"
            in err
        )
        assert "the scores of 1,024 files are kept" in err
        assert not (tmp_path / "run").exists()
        server.down_from, server.failing = 10**12, []
        # What was skipped since the store did not give it is read again
        code, _, err = cli(*command, "--resume")
        assert code == 0, err
        assert counts_of(tmp_path / "run") == {"found": 1100, "scored": 1100, "skipped": 0, "excluded": 0}
        assert cli(*command[:5], tmp_path / "whole")[0] == 0
    whole, resumed = ((tmp_path / run / "predictions.csv").read_bytes() for run in ("whole", "run"))
    assert resumed == whole
