"""Contents of images that end or hold up the process that decodes them."""

CRASH, HANG, END_WORKER = b"end the process", b"go on for ever", b"end the worker unless there is: "

DAMAGE = f"""
import os, signal, time
from batchclf.data.decoding.decode import PixelReader
real = PixelReader.read
def read(self, content):
    if content.endswith({CRASH!r}):
        os.kill(os.getpid(), signal.SIGSEGV)
    if content.endswith({HANG!r}):
        time.sleep(60)
    _, asked, marker = content.rpartition({END_WORKER!r})
    if asked and not os.path.exists(marker):
        if marker:
            os.close(os.open(marker, os.O_CREAT))
        os.kill(os.getppid(), signal.SIGKILL)
    return real(self, content)
PixelReader.read = read
"""
"""For a decoding process: some contents crash it or hold it up, as a fault of a C library would, or end the worker."""
