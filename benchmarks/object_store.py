"""Listing and reading of an object store: obstore as batchclf uses it, boto3, and a folder.

The server is a process of its own that keeps nothing: it makes pages of keys as they are asked for, and waits a while
before it gives an object.

    python benchmarks/object_store.py --keys 1000000 --objects 1000 --delay 30
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from urllib.parse import SplitResult, parse_qs

from store_server import HEAD, OK, answering

from batchclf.data.labels import LabelRule
from batchclf.data.sources import object_reads, object_store
from batchclf.data.sources.addresses import Address
from batchclf.data.sources.folder import Folder

RULE = LabelRule(None, "")
BYTES = 100_000


def page_of(query: dict[str, list[str]], keys: int) -> bytes:
    """Answer a listing."""
    after = (query.get("continuation-token") or query.get("start-after") or ["many/000000000"])[0]
    start = int(after[5:14])
    end = min(keys, start + 1000)
    items = "".join(
        f"<Contents><Key>many/{number:09}.png</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>e</ETag><Size>{BYTES}</Size></Contents>"
        for number in range(start, end)
    )
    more = f"<NextContinuationToken>many/{end:09}</NextContinuationToken>" if end < keys else ""
    truncated = str(bool(more)).lower()
    return f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{more}{items}</ListBucketResult>".encode()


async def answer(keys: int, delay: float, method: str, target: SplitResult, request: str) -> bytes:
    """Answer a request: a listing at once, an object after a while."""
    query = parse_qs(target.query)
    is_listing = "list-type" in query
    content = page_of(query, keys) if is_listing else bytes(BYTES)
    await asyncio.sleep(0 if is_listing else delay)
    return OK + HEAD + b"Content-Length: %d\r\n\r\n" % len(content) + content


def timed(what: str, count: int, work: object) -> None:
    """Say how long some work took, in wall and CPU time of this process, and the peak of its memory."""
    wall, cpu = time.perf_counter(), time.process_time()
    assert callable(work)
    done = work()
    assert done == count, (done, count)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = f"{count / wall:,.0f}/s, {1e6 * cpu / count:,.0f} us of CPU each"
    print(f"{what:44} {wall:7.1f} s wall {cpu:7.1f} s CPU, {rate}, peak {peak:,.0f} MB", flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--delay", type=float, default=30, help="milliseconds before an object is given")
    args = parser.parse_args()
    with answering(partial(answer, args.keys, args.delay / 1000)):
        measure(args.keys, args.objects)


def measure(keys: int, objects: int) -> None:
    """List and read, and say how long it took."""
    source = object_store.ObjectFolder(Address("s3://bucket/many"))
    for count in (keys // 100, keys):
        timed(
            f"list {count:,} keys",
            count,
            lambda count=count: sum(1 for _ in islice(source.discover(RULE), count)),
        )
    ats = [f"{number:09}.png" for number in range(objects)]
    for many in (1, 4, 8, 16):
        object_reads.IN_FLIGHT = many
        fresh = object_store.ObjectFolder(Address("s3://bucket/many"))
        timed(
            f"read {objects:,} objects, {many} in flight",
            objects,
            lambda fresh=fresh: sum(1 for _ in fresh.read_many(ats)),
        )
    with tempfile.TemporaryDirectory() as folder:
        for at in ats:
            Path(folder, at).write_bytes(bytes(BYTES))
        local = Folder(Path(folder))
        timed(f"read {objects:,} files", objects, lambda: sum(1 for _ in local.read_many(ats)))
    try:
        import boto3
    except ImportError:
        sys.exit("boto3 is not installed")
    client = boto3.client("s3")

    def get(at: str) -> int:
        return len(client.get_object(Bucket="bucket", Key=f"many/{at}")["Body"].read())

    with ThreadPoolExecutor(8) as pool:
        timed(f"boto3: read {objects:,} objects, 8 threads", objects, lambda: len(list(pool.map(get, ats))))
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix="many/")
    first = keys // 10 // 1000
    timed(
        f"boto3: list {first * 1000:,} keys",
        first * 1000,
        lambda: sum(len(page["Contents"]) for page in islice(pages, first)),
    )


if __name__ == "__main__":
    main()
