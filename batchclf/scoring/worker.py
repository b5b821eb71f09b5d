"""A decoding process: requests on standard input, answers on standard output, until standard input ends.

Many small images spend as long in Python as in the decoder, and threads take turns there; processes do not. A process
also keeps a decoder that crashes on a damaged file away from the run. It ends with its parent, however that ends:
then its standard input is closed.
"""

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, Literal

import msgspec
import numpy as np

from batchclf.scoring.decoder import Decoded, Decoder, DecodeSetup

_LENGTH = struct.Struct("<Q")


class Request(msgspec.Struct, frozen=True):
    """Which method of `Decoder` to call; `paths` are bytes with NULs between, since file names need not be UTF-8."""

    call: Literal["read", "decode_read", "decode"]
    paths: bytes = b""
    wanted: list[int] = []


class Answer(msgspec.Struct, frozen=True):
    """A `Decoded` without its images; these follow as bytes."""

    digests: list[bytes]
    reasons: dict[int, bytes]
    images: int
    read: float
    decode: float


class WorkerDiedError(Exception):
    """The process ended instead of answering; `status` is its exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"signal {-status}" if status < 0 else f"exit status {status}")


class RemoteDecoder:
    """A `Decoder` in a process of its own; to be used from one thread."""

    def __init__(self, setup: DecodeSetup) -> None:
        self._shape = setup.input_shape
        # With this process' own import path: the package need not be installed, and no main module runs twice.
        code = f"import sys; sys.path[:] = {sys.path!r}; from batchclf.scoring.worker import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=True
        )
        self._send(msgspec.msgpack.encode(setup))

    @property
    def pid(self) -> int:
        """The process' id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def read(self, paths: Sequence[str]) -> Decoded:
        """As `Decoder.read`; raises WorkerDiedError."""
        return self._call(Request("read", os.fsencode("\0".join(paths))))

    def decode_read(self, wanted: Sequence[int]) -> Decoded:
        """As `Decoder.decode_read`; raises WorkerDiedError."""
        return self._call(Request("decode_read", wanted=list(wanted)))

    def decode(self, paths: Sequence[str]) -> Decoded:
        """As `Decoder.decode`; raises WorkerDiedError."""
        return self._call(Request("decode", os.fsencode("\0".join(paths))))

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was still to be written to a dead process
                    continue
        self._process.wait()

    def _call(self, request: Request) -> Decoded:
        self._send(msgspec.msgpack.encode(request))
        out = self._process.stdout
        assert out is not None
        head = _read(out)
        if head is None:
            raise WorkerDiedError(self._process.wait())
        answer = msgspec.msgpack.decode(head, type=Answer)
        images = np.empty((answer.images, *self._shape), np.uint8)
        if _fill(out, images.reshape(-1).data) < images.nbytes:
            raise WorkerDiedError(self._process.wait())
        reasons = {index: os.fsdecode(reason) for index, reason in answer.reasons.items()}
        return Decoded(answer.digests, reasons, images, answer.read, answer.decode)

    def _send(self, content: bytes) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        try:
            pipe.write(_LENGTH.pack(len(content)) + content)
            pipe.flush()
        except (BrokenPipeError, ValueError) as error:  # ValueError: closed by another thread
            raise WorkerDiedError(self._process.wait()) from error


def main() -> None:
    """Answer requests until standard input ends."""
    # Ctrl-C goes to the whole group; the parent decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever prints must not get between the answers.
    os.dup2(2, 1)
    first = _read(requests)
    if first is None:
        return
    decoder = Decoder(msgspec.msgpack.decode(first, type=DecodeSetup))
    while (content := _read(requests)) is not None:
        request = msgspec.msgpack.decode(content, type=Request)
        if request.call == "decode_read":
            decoded = decoder.decode_read(request.wanted)
        else:
            paths = os.fsdecode(request.paths).split("\0") if request.paths else []
            decoded = decoder.read(paths) if request.call == "read" else decoder.decode(paths)
        reasons = {index: os.fsencode(reason) for index, reason in decoded.reasons.items()}
        head = Answer(decoded.digests, reasons, len(decoded.images), decoded.read, decoded.decode)
        encoded = msgspec.msgpack.encode(head)
        try:
            answers.write(_LENGTH.pack(len(encoded)) + encoded)
            answers.write(decoded.images.reshape(-1).data)
            answers.flush()
        except BrokenPipeError:
            os._exit(0)


def _read(pipe: IO[bytes]) -> bytes | None:
    """Read one message; None where the pipe ends before it is whole."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length = _LENGTH.unpack(head)[0]
    content = pipe.read(length)
    return content if len(content) == length else None


def _fill(pipe: IO[bytes], into: memoryview) -> int:
    filled = 0
    while filled < len(into):
        count = pipe.readinto(into[filled:])  # type: ignore[attr-defined]
        if not count:
            break
        filled += count
    return filled
