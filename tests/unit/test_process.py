import contextlib
import os
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tray_app.system import process
from tray_app.system.autostart import app_command
from tray_app.system.process import ProgramOutput, ask, listens, own_command, read_batches


def test_another_process_of_this_app_is_started_by_its_script() -> None:
    assert own_command("exec-child", "/app/trampoline.py", "-I") == (
        sys.executable,
        "-I",
        "/app/trampoline.py",
    )


def test_a_frozen_app_starts_itself_in_a_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert own_command("exec-child", "/app/trampoline.py", "-I") == (sys.executable, "exec-child")


@contextlib.contextmanager
def printing(*writes: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """A process that prints these, each by a write of its own. A command line of Windows is short."""
    code = """
import sys, time, zlib
for text in sys.argv[1:]:
    sys.stdout.buffer.raw.write(zlib.decompress(bytes.fromhex(text)))
    time.sleep(0.02)
"""
    command = [sys.executable, "-I", "-S", "-c", code, *(zlib.compress(text).hex() for text in writes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        yield running


def lines(*writes: bytes) -> list[str]:
    with printing(*writes) as running:
        return [line for batch in read_batches(running) for line in batch]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove where a process runs")
def test_a_program_that_spoils_its_folder_has_still_answered() -> None:
    code = "import os; print('yes'); here = os.getcwd(); os.rmdir(here); open(here, 'w')"
    answer = ask((sys.executable, "-c", code), timeout_s=20)
    assert answer == ProgramOutput(0, "yes\n")


def test_a_program_that_floods_is_ended_and_its_beginning_kept() -> None:
    code = "import sys\nwhile True: sys.stdout.write('help ' * 10_000)"
    answer = ask((sys.executable, "-c", code), timeout_s=20)

    assert answer.exit_code != 0
    assert answer.text.startswith("help help")
    assert len(answer.text) < 1_200_000


def test_a_program_that_does_not_end_is_given_up_also_when_it_prints() -> None:
    code = "import time\nwhile True: print('.', flush=True); time.sleep(0.01)"
    with pytest.raises(subprocess.TimeoutExpired):
        ask((sys.executable, "-c", code), timeout_s=0.5)


@pytest.mark.skipif(sys.platform == "win32", reason="starts its child with fork")
def test_a_child_that_keeps_the_output_open_does_not_hold_the_answer_up(tmp_path: Path) -> None:
    end = tmp_path / "end"
    os.mkfifo(end)
    code = "import os, sys\nif os.fork(): print('yes')\nelse: open(sys.argv[1]).read()"

    answer = ask((sys.executable, "-I", "-S", "-c", code, str(end)), timeout_s=0.5)

    end.write_text("now")
    assert answer == ProgramOutput(0, "yes\n")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no named pipes in folders")
def test_the_libraries_of_this_app_are_away_only_until_a_program_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = tmp_path / "back"
    os.mkfifo(back)

    @contextlib.contextmanager
    def away(_: object) -> Iterator[None]:
        yield
        back.write_text("back")  # waits for the reader

    monkeypatch.setattr(process, "system_libraries", away)
    code = "import sys; print(open(sys.argv[1]).read())"
    assert ask((sys.executable, "-c", code, str(back)), timeout_s=20).text == "back\n"


def test_a_program_that_goes_on_is_ended() -> None:
    code = "import time; time.sleep(600)"
    with pytest.raises(subprocess.TimeoutExpired):
        ask((sys.executable, "-I", "-S", "-c", code), timeout_s=0.1)


def test_output_comes_as_lines_of_clean_text() -> None:
    assert lines(b"\x1b[1;31mred\x1b[0m \r\n\xff\n\n\x1b]0;title\x07rest") == ["red", "\ufffd", "", "rest"]


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        (b"10 %\r50 %\rdone\r\nnext\r\n", ["10 %", "50 %", "done", "next"]),
        (b"\x1bPq\x9b31m\x07\n", ["\\x1bPq\ufffd31m\\x07"]),
        ("fugg.\u202egnp \u2028 \x9d\tx\n".encode(), ["fugg.\\u202egnp \\u2028 \\x9d\tx"]),
    ],
)
def test_what_an_engine_prints_steers_no_terminal(printed: bytes, read: list[str]) -> None:
    assert lines(printed) == read


def test_a_line_that_comes_in_pieces_is_one() -> None:
    assert lines("モデ".encode()[:4], "モデ".encode()[4:] + b"l\n", b"next\n") == ["モデl", "next"]


def test_a_line_without_an_end_is_taken_in_pieces() -> None:
    taken = lines(*[b"x" * 10_000] * 5)
    assert "".join(taken) == "x" * 50_000
    assert max(map(len, taken)) < 30_000


def test_a_process_that_floods_its_output_loses_no_line() -> None:
    code = "for number in range(200_000): print(number)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as running:
        numbers = [line for batch in read_batches(running) for line in batch]
    assert numbers == [str(number) for number in range(200_000)]


@pytest.mark.parametrize("running", ["powerinfer-tray.exe", "powerinfer-tray-app.exe"])
def test_on_windows_children_can_be_read_and_nothing_pops_up_at_login(
    running: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "executable", str(tmp_path / running))
    for name in ("powerinfer-tray.exe", "powerinfer-tray-app.exe"):
        (tmp_path / name).touch()

    assert own_command("llamacpp-child", "child.py") == (
        str(tmp_path / "powerinfer-tray.exe"),
        "llamacpp-child",
    )
    assert app_command({}) == (str(tmp_path / "powerinfer-tray-app.exe"), "--background")


def test_who_listens_is_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        assert listens(os.getpid(), host, port)


@pytest.mark.skipif(sys.platform == "win32", reason="Wine does not know whose a port is")
def test_another_program_at_the_port_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
            assert not listens(other.pid, host, port)
            other.kill()


@pytest.mark.parametrize(("pid", "expected"), [(0, True), (None, True), (4, False)])
def test_on_windows_a_port_without_an_owner_is_one_of_wine(
    pid: int | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = SimpleNamespace(status=psutil.CONN_LISTEN, laddr=("127.0.0.1", 9), pid=pid)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(psutil, "net_connections", lambda _kind: [there])
    monkeypatch.setattr(process, "_has_listener", lambda *_: False)
    assert listens(os.getpid(), "127.0.0.1", 9) is expected
