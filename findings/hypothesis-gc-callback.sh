#!/usr/bin/env bash
# Hypothesis 6.170.17 on CPython 3.11.
#
# Guess: Hypothesis changes nothing of the process once a test has ended; a KeyboardInterrupt that a signal handler
# raises afterwards ends the code that runs, as it does without Hypothesis.
# Seen: after the first @given test a function of Hypothesis stays in gc.callbacks. Python ignores exceptions in such
# callbacks, so a signal that arrives while it runs is lost: the handler's KeyboardInterrupt is printed as "Exception
# ignored in: <function gc_cumulative_time.<locals>.gc_callback …>" and the interrupted code goes on. A later test of
# Ctrl-C or of a time limit then fails now and then, in a process that has run a property test before.
# For batchclf: tests/training/test_epochs.py empties gc.callbacks while it waits for its signal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check hypothesis==6.170.17
cat > "$folder/seen.py" <<'PYTHON'
import gc
import signal
import sys

from hypothesis import given
from hypothesis import strategies as st


def interrupt(number, frame):
    raise KeyboardInterrupt


def lost(rounds):
    """Count signals whose KeyboardInterrupt reached nobody, of one a round, while garbage is collected."""
    ignored = []
    sys.unraisablehook = lambda hook: ignored.append(hook.exc_type)
    signal.signal(signal.SIGALRM, interrupt)
    for _ in range(rounds):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0002)
            while True:
                before = len(ignored)
                for _ in range(100):
                    gc.collect(0)
                if len(ignored) > before:
                    break  # the signal is gone, and nothing was raised here
        except KeyboardInterrupt:
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return ignored.count(KeyboardInterrupt)


assert gc.callbacks == []
assert lost(200) == 0, "signals are lost without Hypothesis, too"


@given(st.integers())
def test(number):
    pass


test()
names = [callback.__qualname__ for callback in gc.callbacks]
assert names == ["gc_cumulative_time.<locals>.gc_callback"], names
count = lost(200)
print(f"left in gc.callbacks: {names}; of 200 signals {count} were lost")
assert count > 0, "no signal was lost"
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
