"""Decoding in a process beside: results and errors come back, a hang or crash ends that process, none is left over."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aside_cases import crash, fail, hang, process_id, slow_process_id, upper

from batchclf import child
from batchclf.data.decoding import aside
from batchclf.data.decoding.aside import call
from batchclf.errors import ImageTimeoutError, UnreadableImageError


@pytest.fixture(autouse=True)
def _nothing_running():
    aside.close()
    yield
    aside.close()


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _ends(pid):
    for _ in range(200):
        if not _runs(pid):
            return True
        time.sleep(0.05)
    return False


def test_results_come_back_and_the_process_is_kept():
    assert call(upper, b"ab", b"c", seconds=60) == b"ABc"
    (pid,) = aside.pids()
    assert call(process_id, b"", seconds=60) == pid != os.getpid()
    assert aside.pids() == [pid]
    content = os.urandom(5_000_000).lower()  # more than a pipe holds
    assert call(upper, content, seconds=60) == content.upper()
    aside.close()
    assert not _runs(pid)


@pytest.mark.parametrize(
    "error", [UnreadableImageError("damaged: so", hint="do"), MemoryError("7 GB"), OSError(errno.EMFILE, "too many")]
)
def test_what_the_function_raises_is_raised_and_the_process_is_kept(error):
    with pytest.raises(type(error)) as caught:
        call(fail, b"", error, seconds=60)
    assert str(caught.value) == str(error)
    assert vars(caught.value) == vars(error)
    (pid,) = aside.pids()
    assert call(process_id, b"", seconds=60) == pid


def test_a_hang_in_c_code_ends_the_process_and_the_next_call_has_another():
    pid = call(process_id, b"", seconds=60)
    with pytest.raises(ImageTimeoutError, match=r"^took longer than 0\.5 s to read and decode \(--image-timeout\)$"):
        call(hang, b"", seconds=0.5)
    assert not _runs(pid)
    assert call(process_id, b"", seconds=60) != pid


def test_waiting_for_the_next_call_is_no_hang():
    pid = call(process_id, b"", seconds=0.3)
    time.sleep(0.6)
    assert call(process_id, b"", seconds=0.3) == pid


IGNORED = """
import signal
signal.signal(signal.SIGALRM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
from aside_cases import hang
from batchclf.data.decoding.aside import call
try:
    call(hang, b"", seconds=0.5)
except Exception as error:
    print(error)
"""


def _python(code, **more):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment, check=True, **more
    )


def test_a_signal_that_this_process_ignores_and_blocks_ends_the_other_one():
    assert _python(IGNORED).stdout.startswith("took longer than 0.5 s")


def test_a_crash_is_tried_again_and_then_a_reason():
    with pytest.raises(UnreadableImageError, match=r"^the decoder crashed on it twice \(signal 11\)$"):
        call(crash, b"", seconds=60)
    assert aside.pids() == []
    assert call(upper, b"ab", seconds=60) == b"AB"


def test_a_process_that_was_killed_meanwhile_costs_nothing():
    os.kill(call(process_id, b"", seconds=60), signal.SIGKILL)
    assert call(upper, b"ab", seconds=60) == b"AB"


def test_threads_have_a_process_each():
    with ThreadPoolExecutor(3) as pool:
        pids = list(pool.map(lambda _: call(slow_process_id, b"", seconds=60), range(9)))
    assert set(pids) == set(aside.pids())
    assert 2 <= len(set(pids)) <= 3


def test_closing_ends_what_works_for_some_threads_only():
    ended = []

    def wait():
        try:
            call(hang, b"", seconds=60)
        except RuntimeError as error:
            ended.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    while not aside.pids():
        time.sleep(0.01)
    time.sleep(0.5)  # it may still be starting
    (pid,) = aside.pids()
    aside.close({thread.ident + 1})
    assert aside.pids() == [pid]
    aside.close({thread.ident})
    thread.join(30)
    assert ended == ["the run is ending"]
    assert not _runs(pid)


def test_where_no_process_can_be_started_the_function_is_called_here(monkeypatch):
    def refused(*arguments, **more):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with monkeypatch.context() as patch:
        patch.setattr(child.subprocess, "Popen", refused)
        assert call(process_id, b"", seconds=60) == os.getpid()
    aside.close()
    with monkeypatch.context() as patch:
        patch.setattr(aside, "_MAIN", "sys.exit(3)")
        assert call(process_id, b"", seconds=60) == os.getpid()
    aside.close()
    assert call(process_id, b"", seconds=60) != os.getpid()


PARENT = """
import os, sys, time
from aside_cases import process_id
from batchclf.data.decoding.aside import call
print(call(process_id, b"", seconds=60), flush=True)
time.sleep(60 * len(sys.argv[1:]))
"""


@pytest.mark.parametrize("killed", [True, False])
def test_a_process_ends_with_its_parent(killed):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", PARENT, *(["wait"] if killed else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        pid = int(parent.stdout.readline())
        if killed:
            assert _runs(pid)
            parent.kill()
    assert _ends(pid)


FORK = """
import os
from aside_cases import process_id
from batchclf.data.decoding.aside import call, pids
first = call(process_id, b"", seconds=60)
forked = os.fork()
if not forked:
    own = call(process_id, b"", seconds=60)
    os._exit(0 if own != first and pids() == [own] else 1)
assert os.waitpid(forked, 0)[1] == 0
assert call(process_id, b"", seconds=60) == first
print("both work")
"""


def test_after_a_fork_each_side_has_its_own():
    assert _python(FORK).stdout == "both work\n"


LOGS = """
import logging
from aside_cases import log
from batchclf.data.decoding.aside import call
logging.getLogger("PIL").error("here")
call(log, b"there", seconds=60)
"""


def test_libraries_there_log_nothing_to_standard_error():
    assert _python(LOGS).stderr == "here\n"
