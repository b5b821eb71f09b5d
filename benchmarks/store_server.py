"""An object store on 127.0.0.1 that gives the files of a folder, each answer after a while; a process of its own."""

import asyncio
import multiprocessing
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

Listing = Callable[[str], list[tuple[str, int]]]
"""Gives keys and sizes below a prefix, sorted."""

_HEAD = b'ETag: "e"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n'


@contextmanager
def serving(root: Path, delay: float) -> Iterator[None]:
    """Serve the files below a folder as the objects of any bucket; set what a client's environment needs.

    `delay` is in milliseconds, before each answer.
    """
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    server = multiprocessing.Process(target=_serve, args=(ports, root, delay / 1000), daemon=True)
    server.start()
    os.environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports.get()}", "AWS_REGION": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    try:
        yield
    finally:
        server.kill()
        server.join()


def _serve(port: "multiprocessing.Queue[int]", root: Path, delay: float) -> None:
    @cache
    def below(prefix: str) -> list[tuple[str, int]]:
        folder = root / prefix
        found = ((path.relative_to(root).as_posix(), path) for path in folder.rglob("*") if path.is_file())
        return sorted((key, path.stat().st_size) for key, path in found)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, target, _ = request.split(" ", 2)
                await asyncio.sleep(delay)
                writer.write(_answer(root, below, method, urlsplit(target), request.lower()))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def _answer(root: Path, below: Listing, method: str, target: SplitResult, request: str) -> bytes:
    query = parse_qs(target.query)
    if "list-type" in query:
        page = _page(below(query.get("prefix", [""])[0].rstrip("/")), query)
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page) + page
    path = root / unquote(target.path).split("/", 2)[2]
    if not path.is_file():
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    size = path.stat().st_size
    if method == "HEAD":
        return b"HTTP/1.1 200 OK\r\n" + _HEAD + b"Content-Length: %d\r\n\r\n" % size
    status, start, end, more = b"200 OK", 0, size, b""
    if "\nrange: bytes=" in request:
        first, _, last = request.split("\nrange: bytes=")[1].split("\r")[0].partition("-")
        start, end = int(first), min(int(last) + 1, size)
        status, more = b"206 Partial Content", b"Content-Range: bytes %d-%d/%d\r\n" % (start, end - 1, size)
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(end - start)
    return b"HTTP/1.1 %s\r\n%s%sContent-Length: %d\r\n\r\n" % (status, _HEAD, more, len(content)) + content


def _page(keys: list[tuple[str, int]], query: dict[str, list[str]]) -> bytes:
    after = (query.get("continuation-token") or query.get("start-after") or [""])[0]
    begin = bisect_right(keys, after, key=lambda each: each[0])
    items = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f'<ETag>"e"</ETag><Size>{size}</Size></Contents>'
        for key, size in keys[begin : begin + 1000]
    )
    is_more = begin + 1000 < len(keys)
    token = f"<NextContinuationToken>{escape(keys[begin + 999][0])}</NextContinuationToken>" if is_more else ""
    truncated = str(is_more).lower()
    return f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{token}{items}</ListBucketResult>".encode()
