"""nginx with a large file, over lines of several kinds: free, capped, and with a slow one among eight."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MIB = 1 << 20

NGINX = """
{user} worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  map $connection $uneven {{ default 50m; "~{eighth}" 2500k; }}
  server {{
    listen {address}:{port}; root {folder}/files;
    add_header X-Repo-Commit 0123456789abcdef0123456789abcdef01234567;  # as Hugging Face, for its own client
    rewrite ^/(\\w+)/bench/model/resolve/main/(.*)$ /$1/$2 last;
    location /free/ {{ alias {folder}/files/; }}
    location /capped/ {{ alias {folder}/files/; limit_rate 50m; }}
    location /uneven/ {{ alias {folder}/files/; limit_rate $uneven; }}
  }}
}}
"""


def make_file(path: Path, size: int) -> str:
    """A file that passes for a model and cannot be packed; its SHA-256."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(b"GGUF")
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
        file.truncate(size)
    with path.open("rb") as file:  # which also brings it into the memory that nginx sends from
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def nginx(folder: Path, address: str, prefix: Sequence[str]) -> Iterator[int]:
    """nginx with a configuration and files of its own; its port."""
    port = free_port()
    # Every eighth of nginx's connection numbers: 1000 is divisible by 8, so the last three digits tell.
    eighth = "|".join([f"[0-9]{n:03}" for n in range(0, 1000, 8)] + [f"^{n}" for n in range(8, 1000, 8)])
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        NGINX.format(user=user, folder=folder, address=address, port=port, eighth=f"({eighth})$")
    )
    with subprocess.Popen(
        [*prefix, "nginx", "-p", folder, "-c", config, "-e", folder / "error.log"]
    ) as process:
        try:
            wait_until_open(address, port)
            yield port
        finally:
            process.terminate()


def wait_until_open(address: str, port: int) -> None:
    """Try to connect for ten seconds."""
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection((address, port)):
            return
        time.sleep(0.1)
    raise SystemExit("nginx does not answer")
