"""on_success and on_failure: what commands get, what they may do wrong."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from notify_cases import (
    Notifying,
    documented,
    published_run,
    script,
    unpublished_run,
)

from batchclf.jobs.notify.commands import Command, run_command
from batchclf.jobs.notify.summary import outcome_summary


def test_a_command_gets_the_summary_and_variables(good, bad, tmp_path):
    text = "cat > got.json; env | grep ^BATCHCLF_[JRSE] | LC_ALL=C sort > got.env; pwd > got.pwd"
    run = script(tmp_path / "tell.sh", text)
    tell = Notifying(tmp_path, on_success=[run, "a b", "$HOME;*"], on_failure=["false"])
    assert tell(good) == []
    assert json.loads((tmp_path / "got.json").read_text()) == outcome_summary(good)
    assert (tmp_path / "got.pwd").read_text().strip() == str(tmp_path)
    assert (tmp_path / "got.env").read_text().splitlines() == [
        "BATCHCLF_EXIT_CODE=0",
        "BATCHCLF_JOB=nightly",
        f"BATCHCLF_REPORT={good.folder / 'report.html'}",
        f"BATCHCLF_RUN={good.folder}",
        "BATCHCLF_RUN_DATE=2026-03-01",
        "BATCHCLF_STATUS=ok",
    ]
    (error,) = tell(bad)
    assert error.message == "on_failure: false failed with exit code 1; it printed nothing"


def test_the_page_lists_the_variables(good, tmp_path):
    tell = Notifying(tmp_path, on_success=["sh", "-c", "env | grep ^BATCHCLF_[JRSE] | sed s/=.*//"])
    assert tell(good) == []
    _, names = documented("Commands")
    assert sorted(names) == sorted(line.removeprefix("on_success: ") for line in tell.lines)


def test_the_mail_of_the_page(bad, tmp_path, monkeypatch):
    text, _ = documented("Commands")
    (mail,) = re.findall(r"```sh\n#!/bin/sh\n(.*?)```", text, re.DOTALL)
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin" / "sendmail", f'test "$*" = -t && cat > {tmp_path}/sent')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert Notifying(tmp_path, on_failure=[script(tmp_path / "mail.sh", mail), "a@example.org"])(bad) == []
    headers, body = (tmp_path / "sent").read_text().split("\n\n", 1)
    assert headers.splitlines()[:2] == ["To: a@example.org", "Subject: batchclf, nightly: gate failed"]
    assert body.splitlines() == [outcome_summary(bad)["text"], outcome_summary(bad)["hint"]]


def test_every_bad_run_is_a_failure(bad, tmp_path):
    run = script(tmp_path / "tell.sh", 'echo "$BATCHCLF_STATUS $BATCHCLF_EXIT_CODE [$BATCHCLF_RUN]" >> got')
    tell = Notifying(tmp_path, on_failure=[run], on_success=["false"])
    for outcome in (bad, unpublished_run(1), unpublished_run(5), unpublished_run(75), unpublished_run(130)):
        assert tell(outcome) == []
    assert (tmp_path / "got").read_text().splitlines() == [
        f"gate failed 3 [{bad.folder}]",
        "error 1 []",
        "nothing to score 5 []",
        "already running 75 []",
        "interrupted 130 []",
    ]


def test_arguments_are_not_read_by_a_shell(good, tmp_path):
    tell = Notifying(tmp_path, on_success=["printf", r"%s\n", "a b", "$HOME; echo no", "*"])
    assert tell(good) == []
    assert tell.lines == ["on_success: a b", "on_success: $HOME; echo no", "on_success: *"]


def test_output_is_said_and_not_printed(good, tmp_path, capfd):
    tell = Notifying(tmp_path, on_success=["sh", "-c", "echo one; echo two >&2; printf '\\377'"])
    assert tell(good) == []
    assert tell.lines == ["on_success: one", "on_success: two", r"on_success: \xff"]
    assert capfd.readouterr() == ("", "")


def test_a_command_that_reads_nothing_does_no_harm(tmp_path):
    outcome = published_run(tmp_path / "r")
    for command in (["true"], ["sh", "-c", "exec <&-; sleep 0.1"], ["head", "-c", "1"]):
        of = Command("on_success", command, tmp_path, {}, 20)
        run_command(of, b"x" * 5_000_000, lambda line: None)
    assert Notifying(tmp_path, on_success=["true"])(outcome) == []


def test_a_command_that_prints_very_much_is_read_to_its_end(tmp_path):
    lines = []
    run_command(
        Command("on_success", ["sh", "-c", "yes | head -c 3000000; echo end"], tmp_path, {}, 20), b"", lines.append
    )
    assert lines[-1] == "on_success: end"
    assert sum(map(len, lines)) < 1_000_000


def test_what_a_command_leaves_running_is_not_waited_for(tmp_path):
    lines = []
    began = time.monotonic()
    run_command(Command("on_success", ["sh", "-c", "echo $$; sleep 60 &"], tmp_path, {}, 30), b"", lines.append)
    assert time.monotonic() - began < 30
    group = int(lines[0].split()[-1])
    os.killpg(group, signal.SIGKILL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo no disk; exit 7", "failed with exit code 7; the end of its output: no disk"),
        ("kill -9 $$", "was ended by signal 9 (SIGKILL); it printed nothing"),
        ("yes word | head -c 100000; exit 1", "word word word"),
    ],
)
def test_a_command_that_fails(good, tmp_path, text, said):
    tell = Notifying(tmp_path, on_success=["sh", "-c", text])
    (error,) = tell(good)
    assert error.message.startswith("on_success: sh -c ")
    assert said in error.message
    assert len(error.message) < 500
    assert error.hint


def test_a_command_that_cannot_be_run(good, tmp_path):
    (tmp_path / "plain.txt").write_text("no program")
    (tmp_path / "empty.sh").write_text("echo no interpreter\n")
    (tmp_path / "empty.sh").chmod(0o755)
    for program, said in (
        ("no-such-program", "there is no program 'no-such-program'"),
        ("./plain.txt", "'./plain.txt' may not be run"),
        ("./empty.sh", "'./empty.sh' cannot be run: Exec format error"),
        (".", "'.' may not be run"),
    ):
        (error,) = Notifying(tmp_path, on_success=[program])(good)
        assert error.message == f"on_success: {said}"
        assert error.hint
    (error,) = Notifying(tmp_path / "gone", on_success=["true"])(good)
    assert error.message == f"on_success: the folder {tmp_path / 'gone'} is not there"


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(tmp_path):
    deaf = "trap '' TERM; (trap '' TERM; sleep 60 & echo $! > child; wait; sleep 60) & echo started; wait; sleep 60"
    lines = []
    with pytest.raises(Exception, match=r"took longer than 0\.5 s and was ended; the end of its output: started"):
        run_command(Command("on_failure", ["sh", "-c", deaf], tmp_path, {}, 0.5), b"", lines.append, grace=0.2)
    assert lines == ["on_failure: started"]
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not _lives(child):
            return
        time.sleep(0.05)
    pytest.fail("what it had started lives on")


def test_an_interrupt_ends_the_command_too(tmp_path, monkeypatch):
    started = []

    def interrupted(process, timeout):
        started.append(process.pid)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr("subprocess.Popen.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_command(Command("on_success", ["sleep", "60"], tmp_path, {}, 60), b"", lambda line: None)
    assert not _lives(started[0])


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
