"""Real processes that download: killed at any moment, stopped by a person, or two at once."""

from __future__ import annotations

import hashlib
import json
import random
import threading
from typing import TYPE_CHECKING

import pytest

from tests.fakes.downloads import Recorder, fetch, model_bytes, received
from tests.fakes.errors import coded
from tests.fakes.file_server import FileServer, Stall, Trickle
from tests.fakes.processes import forking
from tests.fakes.program import command_here, running
from tray_app.download.part_lock import sole_writer
from tray_app.errors import DownloadError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import ForkServerContext
    from pathlib import Path

KILLS = 50
CONTENT = model_bytes(4_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running_server:
        yield running_server


def download_in_a_hurry(url: str, folder: Path, seed: int) -> None:
    """What the killed process does; a journal every moment, so that the kill hits one now and then."""
    seconds = iter(range(1_000_000))
    fetch(url, folder, connections=1 + seed % 8, clock=lambda: float(next(seconds)))


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    return forking()


@pytest.mark.timeout(110)
def test_killed_at_any_moment_a_download_goes_on_and_ends_in_the_right_file(
    server: FileServer, tmp_path: Path, processes: ForkServerContext
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.always = Trickle(piece_bytes=20_000, interval_s=0.005)
    moments = random.Random(20261123)  # noqa: S311 - to be the same in every run
    never = threading.Event()
    kills = finished = interrupted = resumed = 0
    while kills < KILLS or interrupted < KILLS // 3 or not resumed:  # a busy machine needs more of them
        served.asked.clear()
        process = processes.Process(target=download_in_a_hurry, args=(served.url, tmp_path, kills))
        process.start()
        kills += 1
        while not served.asked.wait(0.02) and process.is_alive():  # it asks for nothing if all is there
            pass
        never.wait(moments.uniform(0, 0.25))
        process.kill()
        process.join()
        path = tmp_path / "m.gguf"
        if path.exists():
            assert path.read_bytes() == CONTENT  # the name exists only for the right file
            path.unlink()
            finished += 1
        elif (tmp_path / "m.gguf.part").exists():
            interrupted += 1
            part = (tmp_path / "m.gguf.part").read_bytes()
            for start, end in received(tmp_path):
                assert part[start:end] == CONTENT[start:end]  # the journal is never ahead of the data
                resumed += start == 0
    served.always = None
    observer = Recorder()
    assert fetch(served.url, tmp_path, observer=observer) == DIGEST
    assert (tmp_path / "m.gguf").read_bytes() == CONTENT
    print(f"{kills} kills: {interrupted} in the middle, {finished} after the end")  # noqa: T201


def test_a_second_program_is_told_that_somebody_downloads_this_file(
    server: FileServer, tmp_path: Path, processes: ForkServerContext
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Stall(100_000))
    process = processes.Process(target=fetch, args=(served.url, tmp_path))
    process.start()
    assert served.asked.wait(30)
    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_ALREADY_RUNNING)):
        fetch(served.url, tmp_path)
    process.kill()
    process.join()
    assert fetch(served.url, tmp_path) == DIGEST  # the lock of a program that has ended does not count


def test_a_lock_leaves_nothing_behind_and_can_be_had_again(tmp_path: Path) -> None:
    final = tmp_path / "m.gguf"
    for _ in range(2):
        with sole_writer(final), pytest.raises(DownloadError), sole_writer(final):
            pass
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_pauses_and_the_same_command_goes_on(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Stall(2_000_000))
    with running("download", served.url, "--to", str(tmp_path), "--connections", "1") as program:
        program.line_with("50 %")
        assert program.interrupt() == 1
        assert "Run the same command again" in program.rest()
    assert received(tmp_path) == ((0, 2_000_000),)
    result = command_here("download", served.url, "--to", str(tmp_path), "--json")
    document = json.loads(result.stdout)
    assert (document["bytes"], document["sha256"], document["resumed"]) == (len(CONTENT), DIGEST, True)
    assert (tmp_path / "m.gguf").read_bytes() == CONTENT


def test_a_limit_and_connections_are_taken_from_the_command_line(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    options = ("--limit", "50MB/s", "--connections", "2", "--sha256", DIGEST)
    result = command_here("download", served.url, "--to", str(tmp_path), *options)
    assert result.returncode == 0, result.stderr
    assert "4,000,000 bytes" in result.stdout


@pytest.mark.parametrize(("option", "code"), [(("--limit", "fast"), 1), (("--connections", "9"), 2)])
def test_impossible_options_are_refused(tmp_path: Path, option: tuple[str, str], code: int) -> None:
    result = command_here("download", "http://127.0.0.1:9/m.gguf", "--to", str(tmp_path), *option)
    assert result.returncode == code
    assert list(tmp_path.iterdir()) == []
