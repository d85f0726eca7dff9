"""A terminal is told what it waits for; anything else is not."""

from __future__ import annotations

import io
import time

from caffe_bn_convert.cli import waiting
from caffe_bn_convert.cli.waiting import Waiting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch, patience=0.01):
    monkeypatch.setattr("sys.stderr", found := Terminal())
    monkeypatch.setattr(waiting, "PATIENCE", patience)
    monkeypatch.setattr(waiting, "PERIOD", 0.01)
    return found


def until(terminal, words):
    deadline = time.monotonic() + 10
    while words not in terminal.getvalue() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert words in terminal.getvalue()


def test_the_line_follows_the_bytes_and_is_gone_at_the_end(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Waiting("converting", total=200, then="verifying") as shown:
        until(terminal, "converting  0 s")
        shown.written(50)
        until(terminal, "writing [#######.......................] 25 %  0 s")
        shown.written(150)
        until(terminal, "verifying  0 s")
    last = terminal.getvalue().rsplit("\r", 2)
    assert not last[1].strip()
    assert last[2] == ""


def test_who_does_not_wait_sees_nothing(monkeypatch):
    terminal = terminal_of(monkeypatch, patience=5)
    with Waiting("reading"):
        pass
    assert terminal.getvalue() == ""


def test_quiet_and_files_get_nothing(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Waiting("reading", shown=False):
        time.sleep(0.05)
    assert terminal.getvalue() == ""
    monkeypatch.setattr("sys.stderr", file := io.StringIO())
    with Waiting("reading"):
        time.sleep(0.05)
    assert file.getvalue() == ""
