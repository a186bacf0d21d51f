import os

import psutil
import pytest

from tray_app.system.programs import (
    is_this_app,
    program_name,
    service_among,
    service_in_cgroup,
    service_of,
)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("powerinfer-tray", ["/usr/lib/powerinfer-tray/powerinfer-tray"]),
        ("powerinfer-tray.exe", [r"C:\Programs\powerinfer-tray.exe", "serve"]),
        ("PowerInfer Tray", ["/Applications/PowerInfer Tray.app/Contents/MacOS/PowerInfer Tray"]),
        ("python3.12", ["python3", "/home/zoë/.local/bin/powerinfer-tray", "serve"]),
        ("python3", ["/x/.venv/bin/python", "-P", "-m", "tray_app", "serve"]),
    ],
)
def test_this_app_is_known_however_it_was_started(name: str, command: list[str]) -> None:
    assert is_this_app(name, command)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("python3", ["python3", "-m", "http.server"]),
        ("python3", ["python3", "server.py", "powerinfer-tray"]),
        ("vi", ["vi", "/usr/bin/powerinfer-tray"]),
        ("nginx", []),
    ],
)
def test_other_programs_are_not_this_app(name: str, command: list[str]) -> None:
    assert not is_this_app(name, command)


def test_a_process_that_is_gone_is_another_program() -> None:
    assert program_name(2**22 + 1) == "another program"


@pytest.mark.parametrize(
    ("cgroup", "service"),
    [
        ("0::/system.slice/ollama.service\n", "ollama.service"),
        ("1:name=systemd:/system.slice/nginx.service\n0::/system.slice/nginx.service\n", "nginx.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/llm.service\n", "llm.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-x-9.scope\n", None),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox@1f.service\n", None),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
        ("0::/\n", None),
    ],
)
def test_the_service_is_the_one_that_a_person_could_stop(cgroup: str, service: str | None) -> None:
    assert service_in_cgroup(cgroup) == service


class FakeService:
    """A service as psutil gives it on Windows; an error in place of its process is raised."""

    def __init__(self, name: str, process: int | Exception) -> None:
        self._name, self._process = name, process

    def name(self) -> str:
        return self._name

    def pid(self) -> int:
        if isinstance(self._process, Exception):
            raise self._process
        return self._process


def test_on_windows_the_service_of_a_process_is_found_among_those_that_do_not_answer() -> None:
    services = [
        FakeService("hidden", psutil.AccessDenied()),
        FakeService("odd", OSError(1072, "marked for deletion")),
        FakeService("other", 1),
        FakeService("Ollama", 7),
    ]
    assert service_among(services, 7) == "Ollama"
    assert service_among(services, 8) is None


def test_on_windows_a_list_of_services_that_is_refused_names_none() -> None:
    def refused() -> FakeService:
        raise PermissionError(5, "Access is denied")

    assert service_among(iter(refused, None), 7) is None


def test_a_service_can_be_asked_for_any_process() -> None:
    service = service_of(os.getpid())
    assert service is None or service.endswith(".service")
