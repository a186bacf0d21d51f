"""How many connections and requests fit into what a process may have open."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tray_app.gateway import limits
from tray_app.gateway.engine_info import public_part


@pytest.mark.parametrize(
    ("descriptors", "connections"), [(None, 256), (8192, 256), (1024, 256), (256, 74), (64, 10), (10, 8)]
)
def test_connections_leave_room_for_the_app_and_for_the_engine(
    descriptors: int | None, connections: int
) -> None:
    assert limits.connections(descriptors) == connections
    assert limits.requests_within(connections) <= connections // 2  # so that some are idle, and can make room


@pytest.mark.skipif(sys.platform == "win32", reason="nothing limits descriptors there")
@pytest.mark.parametrize(("soft", "hard", "now"), [(64, 500, 500), (64, 1000, 1000), (300, 300, 300)])
def test_the_soft_limit_of_descriptors_becomes_what_the_system_permits(
    soft: int, hard: int, now: int
) -> None:
    code = (
        "import resource; from tray_app.system import descriptors as d;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); d.raise_limit(); print(d.limit())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(said) == now


PROPS = (
    b'{"default_generation_settings":{"n_ctx":512},"total_slots":4,"model_path":"/home/ada/.PowerInfer/a.gguf",'
    b'"model_alias":"C:\\\\Users\\\\ada\\\\a.gguf","chat_template":"{{x}}","build_info":"b1","new_field":"/home/ada"}'
)
SLOTS = b'[{"id":0,"n_ctx":512,"is_processing":true,"params":{"seed":4},"prompt":"secret diary"}]'
ADAPTERS = b'[{"id":0,"path":"/home/ada/style.gguf","scale":1.0}]'


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize(("path", "answer"), [("/props", PROPS), ("/lora-adapters", ADAPTERS)])
def test_no_folder_leaves_and_so_no_persons_name(path: str, answer: bytes, everything: bool) -> None:
    told = public_part(path, answer.replace(b',"new_field":"/home/ada"', b""), everything=everything)
    assert b"ada" not in told
    assert b".gguf" in told


def test_without_native_routes_neither_build_nor_template_nor_others_requests_are_told() -> None:
    assert b"n_ctx" in public_part("/props", PROPS, everything=False)
    for word in (b"template", b"build", b"new_field"):
        assert word not in public_part("/props", PROPS, everything=False)
    assert public_part("/slots", SLOTS, everything=False) == b'[{"id":0,"n_ctx":512,"is_processing":true}]'
    assert b"seed" in public_part("/slots", SLOTS, everything=True)
