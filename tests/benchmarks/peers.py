"""Programs that people install themselves to run models, each started by the command of its instructions."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_POLL_S = 0.02
_FASTEMBED_SERVER = Path(__file__).with_name("fastembed_server.py")
_VERSIONS = """
import json
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in ("llama-cpp-python", "fastembed", "onnxruntime"):
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        found[name] = ""
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that serves a model over HTTP, with the paths of OpenAI's API."""

    name: str
    version: str
    command: Callable[[Path, int, bool], list[str]]
    """For a model, a port, and whether vectors are wanted of it."""
    only_embeds: bool = False

    @contextmanager
    def serving(self, model: Path, *, embeds: bool, patience_s: float) -> Iterator[tuple[str, int]]:
        """Its URL and its process. `OSError` if it cannot be started, ends, or is not ready in time."""
        port = free_port()
        with subprocess.Popen(
            self.command(model, port, embeds),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # as the app does it; Linux gives each session an equal part
        ) as process:
            try:
                url = f"http://127.0.0.1:{port}"
                end_s = time.monotonic() + patience_s
                while not _is_ready(url):
                    if process.poll() is not None or time.monotonic() > end_s:
                        raise ChildProcessError(f"{self.name} does not get ready: {process.returncode}")
                    time.sleep(_POLL_S)
                yield url, process.pid
            finally:
                process.kill()


def llama_server(name: str, program: Path) -> Peer:
    """llama.cpp's own server."""
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    version = (said.stdout + said.stderr).strip().partition("\n")[0].removeprefix("version: ")

    def command(model: Path, port: int, embeds: bool) -> list[str]:
        words = [str(program), "--model", str(model), "--port", str(port)]
        return [*words, "--embedding"] if embeds else words

    return Peer(name, version, command)


def python_peers(python: Path) -> list[Peer]:
    """Those that are installed beside a Python."""
    said = subprocess.run([python, "-c", _VERSIONS], check=True, capture_output=True, text=True)
    versions = json.loads(said.stdout)

    def llama_cpp(model: Path, port: int, embeds: bool) -> list[str]:
        words = [str(python), "-m", "llama_cpp.server", "--model", str(model), "--port", str(port)]
        return [*words, "--embedding", "true"] if embeds else words

    def fastembed(model: Path, port: int, _: bool) -> list[str]:
        return [str(python), str(_FASTEMBED_SERVER), str(model), str(port)]

    peers = []
    if version := versions["llama-cpp-python"]:
        peers.append(Peer("llama-cpp-python", version, llama_cpp))
    if version := versions["fastembed"]:
        version += f" with onnxruntime {versions['onnxruntime']}, weights in F32"
        peers.append(Peer("fastembed", version, fastembed, only_embeds=True))
    return peers


def _is_ready(url: str) -> bool:
    """Whether a model can be asked: before, they do not listen, or llama-server says 503."""
    try:
        return requests.get(f"{url}/v1/models", timeout=_POLL_S * 50).ok
    except requests.RequestException:
        return False
