"""What a process may use of a Linux machine, by files as the kernel writes them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tray_app.system.host import Part, usable_part
from tray_app.system.resource_limits import GroupLimits, cores_among, group_limits

if TYPE_CHECKING:
    from pathlib import Path

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)
GIB = 1 << 30


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def under_v2(root: Path, own: str, files: dict[str, str], mounts: str = V2) -> GroupLimits:
    kernel = {"proc/self/cgroup": f"0::{own}\n", "proc/self/mountinfo": mounts}
    return group_limits(
        machine(root, kernel | {f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    )


@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [
        ("max 100000\n", None),
        ("100000 100000\n", 1),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("1000 100000\n", 1),
        ("800000 100000\n", 8),
        ("max\n", None),
        ("", None),
        ("rubbish\n", None),
        ("-1 100000\n", None),
        ("100000 0\n", None),
    ],
)
def test_a_quota_counts_as_whole_cores(tmp_path: Path, cpu_max: str, cores: int | None) -> None:
    assert under_v2(tmp_path, "/app", {"app/cpu.max": cpu_max}).cores == cores


@pytest.mark.parametrize(
    ("memory_max", "limit"),
    [("max\n", None), (f"{4 * GIB}\n", 4 * GIB), ("", None), ("4G\n", None), ("0\n", None)],
)
def test_a_limit_of_memory_is_read(tmp_path: Path, memory_max: str, limit: int | None) -> None:
    assert under_v2(tmp_path, "/app", {"app/memory.max": memory_max}).memory_bytes == limit


def test_the_narrowest_group_on_the_way_up_counts(tmp_path: Path) -> None:
    files = {
        "user.slice/memory.max": f"{2 * GIB}\n",
        "user.slice/cpu.max": "max 100000\n",
        "user.slice/app.scope/memory.max": f"{8 * GIB}\n",
        "user.slice/app.scope/cpu.max": "400000 100000\n",
        "user.slice/app.scope/inner/memory.max": "max\n",
        "user.slice/other.scope/memory.max": "1000\n",
    }

    assert under_v2(tmp_path, "/user.slice/app.scope/inner", files) == GroupLimits(4, 2 * GIB)


@pytest.mark.parametrize(
    ("own", "mounts"),
    [
        pytest.param("/", V2, id="a name space of its own"),
        pytest.param(
            "/docker/abc", V2.replace(" / /sys", " /docker/abc /sys"), id="none, as with --cgroupns=host"
        ),
        pytest.param("/../../elsewhere", V2, id="moved out of its name space"),
    ],
)
def test_a_container_sees_its_group_as_the_root(tmp_path: Path, own: str, mounts: str) -> None:
    files = {"cpu.max": "200000 100000\n", "memory.max": f"{GIB}\n"}

    assert under_v2(tmp_path, own, files, mounts) == GroupLimits(2, GIB)


def test_version_1_has_a_tree_for_each_controller(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/jobs/a\n4:memory:/box\n1:name=systemd:/x\n0::/\n",
            "proc/self/mountinfo": V1,
            "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/jobs/a/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/jobs/a/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{3 * GIB}\n",
            "sys/fs/cgroup/memory/jobs/a/memory.limit_in_bytes": "1\n",
        },
    )

    assert group_limits(root) == GroupLimits(3, 3 * GIB)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/app\n"},
        {
            "proc/self/cgroup": "nonsense\n::\n0::\n",
            "proc/self/mountinfo": "nonsense\n - \n1 2 - cgroup2\n" + V2,
        },
    ],
)
def test_what_cannot_be_understood_limits_nothing(tmp_path: Path, files: dict[str, str]) -> None:
    assert group_limits(machine(tmp_path, files)) == GroupLimits()


def topology(root: Path, siblings: dict[int, str], name: str = "core_cpus_list") -> Path:
    folder = "sys/devices/system/cpu"
    return machine(
        root, {f"{folder}/cpu{cpu}/topology/{name}": f"{text}\n" for cpu, text in siblings.items()}
    )


@pytest.mark.parametrize("name", ["core_cpus_list", "thread_siblings_list"])
def test_processors_of_one_core_count_once(tmp_path: Path, name: str) -> None:
    root = topology(tmp_path, {0: "0,4", 1: "1,5", 4: "0,4", 5: "1,5"}, name)

    assert cores_among({0, 4}, root) == 1
    assert cores_among({0, 1, 4}, root) == 2
    assert cores_among({7, 9}, root) == 2  # of which nothing is told


WHOLE = Part(physical_cores=8, logical_cores=16, memory_bytes=64 * GIB)


def test_affinity_quota_and_memory_come_together(tmp_path: Path) -> None:
    root = topology(tmp_path, {cpu: f"{cpu % 8},{cpu % 8 + 8}" for cpu in range(16)})
    kernel = {"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": V2}
    everything = set(range(16))

    assert usable_part(WHOLE, everything, root) == WHOLE
    assert usable_part(WHOLE, {0, 8}, root) == Part(1, 2, 64 * GIB)

    machine(
        root,
        kernel | {"sys/fs/cgroup/a/cpu.max": "250000 100000\n", "sys/fs/cgroup/a/memory.max": f"{GIB}\n"},
    )
    assert usable_part(WHOLE, everything, root) == Part(3, 3, GIB)
    assert usable_part(WHOLE, {0}, root) == Part(1, 1, GIB)


def test_a_limit_beyond_the_machine_is_none(tmp_path: Path) -> None:
    kernel = {"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": V2}
    root = machine(tmp_path, kernel | {"sys/fs/cgroup/a/memory.max": f"{1000 * GIB}\n"})

    assert usable_part(WHOLE, set(range(16)), root) == WHOLE


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such affinity")
def test_a_process_that_is_bound_to_one_processor_has_one_core() -> None:
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from tray_app.system.host import detect_host\n"
        "host = detect_host(); print(host.physical_cores, host.logical_cores)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert told.stdout == "1 1\n"
