"""A decoding process of a long run.

Many small images spend as long in Python as in the decoder, and threads take turns there; processes do not. A process
also keeps a decoder that crashes on a damaged file, or goes on for ever, away from the run.
"""

import subprocess
from collections.abc import Sequence
from typing import Any

from batchclf import child
from batchclf.data.decoding import aside
from batchclf.scoring.decoder import Decoded, Decoder, DecodeSetup


class RemoteDecoder:
    """A `Decoder` in a process of its own; to be used from one thread."""

    def __init__(self, setup: DecodeSetup, process: "subprocess.Popen[bytes]") -> None:
        """Wait until the process is ready; raises ChildDiedError if it does not come so far."""
        self.process = process
        child.ask(process, setup)

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def read(self, paths: Sequence[str]) -> Decoded:
        """As `Decoder.read`; raises ChildDiedError."""
        return self._call("read", list(paths))

    def decode_read(self, wanted: Sequence[int]) -> Decoded:
        """As `Decoder.decode_read`; raises ChildDiedError."""
        return self._call("decode_read", list(wanted))

    def decode(self, paths: Sequence[str]) -> Decoded:
        """As `Decoder.decode`; raises ChildDiedError."""
        return self._call("decode", list(paths))

    def _call(self, method: str, argument: list[Any]) -> Decoded:
        decoded: Decoded = child.ask(self.process, (method, argument))
        return decoded


def main() -> None:
    """Answer requests until standard input ends; the first one is the setup."""
    aside.this_process_is_apart()
    decoder: Decoder

    def answer(request: Any) -> Any:
        nonlocal decoder
        if isinstance(request, DecodeSetup):
            decoder = Decoder(request, child.set_timer)
            return None
        method, argument = request
        return getattr(decoder, method)(argument)

    child.serve(answer)
