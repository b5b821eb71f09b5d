"""Copy published runs into an object store, so that a reader sees whole runs only: `latest.json` is written last."""

import hashlib
import mimetypes
import re
from pathlib import Path
from typing import Any

import msgspec

from batchclf.core.records.run import LAST_GOOD
from batchclf.core.text import counted, size
from batchclf.core.types import Say
from batchclf.data.sources.addresses import Address
from batchclf.data.sources.bucket import Bucket
from batchclf.errors import StoreError
from batchclf.storage.run.directory import RECORD_FILE, read_record
from batchclf.storage.run.published import LATEST, RUN_ID

FORMAT = 1
MARKER_FILE, LATEST_FILE, LAST_GOOD_FILE = "complete.json", f"{LATEST}.json", f"{LAST_GOOD}.json"


def upload_runs(job_folder: Path, to: Address, say: Say) -> None:
    """Upload the runs of a job that are newer than the one in `to`/JOB/latest.json, or all of them; the oldest first.

    Of a run its files come first, then complete.json, which lists them, then last-good.json if its status is ok, then
    latest.json. Nothing is renamed and each object is replaced in one step, so a reader that begins with latest.json
    finds all files of that run. Raises StoreError, and RunError if a run cannot be read.
    """
    place = _Place(to / job_folder.name)
    newest = place.latest()
    runs = sorted(
        path for path in job_folder.iterdir() if re.fullmatch(RUN_ID, path.name) and (path / RECORD_FILE).is_file()
    )
    for run in runs:
        if run.name > newest:
            _upload(run, place, say)


class _Place:
    """Where the runs of a job are in a store."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._bucket = Bucket(address.bucket)

    def latest(self) -> str:
        """Give the id of the run that latest.json names, "" without one; raises StoreError if it is another file."""
        import obstore

        what = f"{self._address / LATEST_FILE} cannot be read"
        try:
            content = self._bucket.ask(lambda store: bytes(obstore.get(store, self._key(LATEST_FILE)).bytes()), what)
        except FileNotFoundError:
            return ""
        try:
            run_id = msgspec.json.decode(content, type=dict[str, Any])["run_id"]
        except (msgspec.MsgspecError, KeyError) as error:
            raise StoreError(f"{what}: it is not what batchclf writes ({error})", hint="see what is there") from error
        return str(run_id)

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object: a file, or a few bytes as JSON."""
        import obstore

        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        attributes = {"Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind}
        self._bucket.ask(
            lambda store: obstore.put(store, self._key(name), content, attributes=attributes),
            f"{self._address / name} cannot be written",
        )

    def put_json(self, name: str, values: dict[str, Any]) -> None:
        """Write an object that says something about runs."""
        self.put(name, msgspec.json.format(msgspec.json.encode({"format": FORMAT, **values}), indent=2) + b"\n")

    def __str__(self) -> str:
        """Give its address."""
        return str(self._address)

    def _key(self, name: str) -> str:
        return (self._address / name).key


def _upload(run: Path, place: _Place, say: Say) -> None:
    record = read_record(run)
    of_run = {"run_id": run.name, "job": record.job, "status": record.status, "run_date": record.run_date}
    files = []
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        name = path.relative_to(run).as_posix()
        place.put(f"{run.name}/{name}", path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        files.append({"path": name, "bytes": path.stat().st_size, "sha256": digest})
    # In this order: who reads `latest.json` must find all that it leads to (decision 187)
    place.put_json(f"{run.name}/{MARKER_FILE}", {**of_run, "files": files})
    for name in (LAST_GOOD_FILE, LATEST_FILE) if record.status == "ok" else (LATEST_FILE,):
        place.put_json(name, {**of_run, "marker": f"{run.name}/{MARKER_FILE}"})
    total = size(sum(int(str(file["bytes"])) for file in files))
    say(f"uploaded {run.name} to {place}: {counted(len(files), 'file')}, {total}")
