"""Keep the chatter of C libraries off standard error, without losing what they say before a crash."""

import faulthandler
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def _chatter_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError:
        # No folder for temporary files can be written to. The run needs none; only the chatter is lost.
        return Path(os.devnull).open("w+b", buffering=0)


@contextmanager
def diverted_native_stderr() -> Iterator[None]:
    """Send what C code (TensorFlow, libpng, libjpeg) writes to file descriptor 2 into a file; Python's goes on.

    After a good run cron must mail nothing, and these libraries write banners that no setting turns off. If the
    block ends with an exception that is not ours to explain, the last lines of the file are shown after all.
    """
    from batchclf.errors import BatchclfError

    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, AttributeError):
        yield
        return
    python_stderr = sys.stderr
    try:
        replaced = python_stderr.fileno() == 2
    except (OSError, io.UnsupportedOperation):
        replaced = False
    with _chatter_file() as chatter:
        # No setting keeps these libraries quiet, and cron must mail nothing after a good run (decision 017)
        os.dup2(chatter.fileno(), 2)
        if replaced:
            sys.stderr = os.fdopen(kept, "w", encoding=python_stderr.encoding, errors="backslashreplace", closefd=False)
        had_faulthandler = faulthandler.is_enabled()
        if not had_faulthandler:
            faulthandler.enable(file=kept)
        failed = True
        try:
            yield
            failed = False
        except (BatchclfError, KeyboardInterrupt, SystemExit):
            failed = False
            raise
        finally:
            if not had_faulthandler:
                faulthandler.disable()
            with suppress(OSError):  # it may be broken; that must not hide how the command ended
                sys.stderr.flush()
            sys.stderr = python_stderr
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                chatter.seek(max(0, chatter.seek(0, os.SEEK_END) - 4000))
                with suppress(OSError):
                    sys.stderr.write(chatter.read().decode("utf-8", "replace"))
