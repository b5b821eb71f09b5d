"""A decoding process: requests on standard input, replies on standard output, until standard input ends.

Many small images spend as long in Python as in the decoder, and threads take turns there; processes do not. A process
also keeps a decoder that crashes on a damaged file away from the run. It ends with its parent, however that ends:
then its standard input is closed. Both sides are this program, so they speak in pickles.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

from batchclf.scoring.decoder import Decoded, Decoder, DecodeSetup
from batchclf.scoring.processes import WorkerDiedError


class RemoteDecoder:
    """A `Decoder` in a process of its own; to be used from one thread."""

    def __init__(self, setup: DecodeSetup, process: "subprocess.Popen[bytes]") -> None:
        """Wait until the process is ready; raises WorkerDiedError where it does not come so far."""
        self.process = process
        self._send(setup)
        self._receive()

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def read(self, paths: Sequence[str]) -> Decoded:
        """As `Decoder.read`; raises WorkerDiedError."""
        return self._call("read", list(paths))

    def decode_read(self, wanted: Sequence[int]) -> Decoded:
        """As `Decoder.decode_read`; raises WorkerDiedError."""
        return self._call("decode_read", list(wanted))

    def decode(self, paths: Sequence[str]) -> Decoded:
        """As `Decoder.decode`; raises WorkerDiedError."""
        return self._call("decode", list(paths))

    def _call(self, method: str, argument: list[Any]) -> Decoded:
        self._send((method, argument))
        reply = self._receive()
        if isinstance(reply, Exception):
            raise reply
        decoded: Decoded = reply
        return decoded

    def _send(self, message: Any) -> None:
        assert self.process.stdin is not None
        try:
            pickle.dump(message, self.process.stdin, pickle.HIGHEST_PROTOCOL)
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise WorkerDiedError(self.process.wait()) from error

    def _receive(self) -> Any:
        assert self.process.stdout is not None
        try:
            return pickle.load(self.process.stdout)
        except (EOFError, pickle.UnpicklingError, ValueError) as error:  # ValueError: closed by another thread
            raise WorkerDiedError(self.process.wait()) from error


def main() -> None:
    """Reply to requests until standard input ends."""
    # Ctrl-C goes to the whole group; the parent decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever prints must not get between the replies.
    os.dup2(2, 1)
    try:
        decoder = Decoder(pickle.load(requests))
        _reply(replies, "ready")
        while True:
            method, argument = pickle.load(requests)
            try:
                reply = getattr(decoder, method)(argument)
            except Exception as error:  # the parent's to handle, as if it had decoded by itself
                reply = error
            _reply(replies, reply)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):
        # The parent has ended, maybe in the midst of a message; what is left in `replies` has nobody to go to.
        # (decision 034)
        os._exit(0)


def _reply(replies: BinaryIO, reply: Any) -> None:
    pickle.dump(reply, replies, pickle.HIGHEST_PROTOCOL)
    replies.flush()
