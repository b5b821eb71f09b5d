"""An object store on 127.0.0.1 that gives the files of a folder, each answer after a while; a process of its own."""

import asyncio
import multiprocessing
import os
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

Answer = Callable[[str, SplitResult, str], Awaitable[bytes]]
"""Gives the whole response to a method, a target and the text of the request."""

OK = b"HTTP/1.1 200 OK\r\n"
HEAD = b'ETag: "e"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n'


@contextmanager
def answering(answer: Answer) -> Iterator[None]:
    """Run a server in a process of its own, and set what a client's environment needs."""
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    server = multiprocessing.Process(target=_serve, args=(ports, answer), daemon=True)
    server.start()
    os.environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports.get()}", "AWS_REGION": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    try:
        yield
    finally:
        server.kill()
        server.join()


def serving(root: Path, delay: float) -> AbstractContextManager[None]:
    """Serve the files below a folder as the objects of any bucket; `delay` is in milliseconds, before each answer."""
    return answering(partial(_answer_slowly, root, delay / 1000))


def _serve(port: "multiprocessing.Queue[int]", answer: Answer) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, target, _ = request.split(" ", 2)
                writer.write(await answer(method, urlsplit(target), request.lower()))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(converse, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def _answer_slowly(root: Path, delay: float, method: str, target: SplitResult, request: str) -> bytes:
    await asyncio.sleep(delay)
    return _answer(root, method, target, request)


@cache
def _below(root: Path, prefix: str) -> list[tuple[str, int]]:
    """Give keys and sizes below a prefix, sorted."""
    found = ((path.relative_to(root).as_posix(), path) for path in (root / prefix).rglob("*") if path.is_file())
    return sorted((key, path.stat().st_size) for key, path in found)


def _answer(root: Path, method: str, target: SplitResult, request: str) -> bytes:
    query = parse_qs(target.query)
    if "list-type" in query:
        page = _page(_below(root, query.get("prefix", [""])[0].rstrip("/")), query)
        return OK + b"Content-Length: %d\r\n\r\n" % len(page) + page
    path = root / unquote(target.path).split("/", 2)[2]
    if not path.is_file():
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    size = path.stat().st_size
    if method == "HEAD":
        return OK + HEAD + b"Content-Length: %d\r\n\r\n" % size
    status, start, end, more = b"200 OK", 0, size, b""
    if "\nrange: bytes=" in request:
        first, _, last = request.split("\nrange: bytes=")[1].split("\r")[0].partition("-")
        start, end = int(first), min(int(last) + 1, size)
        status, more = b"206 Partial Content", b"Content-Range: bytes %d-%d/%d\r\n" % (start, end - 1, size)
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(end - start)
    return b"HTTP/1.1 %s\r\n%s%sContent-Length: %d\r\n\r\n" % (status, HEAD, more, len(content)) + content


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
