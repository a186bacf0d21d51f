"""The list of engines on offer that comes with the app, and what is said of a broken one."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from tests.fakes.errors import coded
from tray_app.engine.builds.build import BackEnd
from tray_app.engine.builds.offers import published_builds
from tray_app.errors import EngineError, ErrorCode
from tray_app.system.host import System

if TYPE_CHECKING:
    from pathlib import Path

ONE = """
release = "b1"
address = "https://example.org/b1"

[[builds]]
id = "b1-cpu"
system = "linux"
machine = "x86_64"
back_end = "cpu"

[[builds.files]]
name = "one.tar.gz"
size_bytes = 1
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
terms = "MIT"
"""


def test_there_is_a_build_for_each_system_and_for_each_card_where_one_is_published() -> None:
    offered: dict[tuple[System, str], set[BackEnd]] = defaultdict(set)
    for each in published_builds():
        offered[each.system, each.machine].add(each.back_end)

    cards = {BackEnd.CUDA, BackEnd.ROCM, BackEnd.VULKAN}
    assert offered == {
        (System.WINDOWS, "x86_64"): {BackEnd.CPU, *cards},
        (System.WINDOWS, "arm64"): {BackEnd.CPU},
        (System.LINUX, "x86_64"): {BackEnd.CPU, *cards},
        (System.LINUX, "arm64"): {BackEnd.CPU, BackEnd.VULKAN},
        (System.MACOS, "arm64"): {BackEnd.METAL},
        (System.MACOS, "x86_64"): {BackEnd.CPU},
    }


def test_cuda_comes_with_its_runtime_under_nvidias_terms_and_says_which_driver_it_needs() -> None:
    for build in published_builds():
        assert [each.terms for each in build.files] == ["MIT", "NVIDIA"][: len(build.files)]
        assert (len(build.files) == 2) is (build.back_end is BackEnd.CUDA)
        assert bool(build.oldest_driver) is (build.back_end is BackEnd.CUDA)


def test_builds_for_linux_alone_say_which_c_library_they_need() -> None:
    for build in published_builds():
        assert bool(build.oldest_glibc) is (build.system is System.LINUX)


def test_no_file_is_offered_under_two_digests_and_all_come_from_the_makers() -> None:
    files = [each for build in published_builds() for each in build.files]

    assert len({each.name for each in files}) == len({each.sha256 for each in files}) == len(files)
    assert {each.address for each in published_builds()} == {
        "https://github.com/ggml-org/llama.cpp/releases/download/b11194"
    }


def test_what_has_to_be_downloaded_is_the_sum_of_the_files() -> None:
    (build,) = (
        each for each in published_builds() if each.id == "b11194-cuda-13.4" and each.system is System.WINDOWS
    )

    assert build.size_bytes == 151_727_000 + 423_535_356


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ('release = "b1"', "release =", "line 2"),
        ('"b1-cpu"', '"../b1"', "$.builds[0].id"),
        ('"b1-cpu"', '"b1."', "$.builds[0].id"),
        ('"b1-cpu"', '"nul"', "$.builds[0].id"),
        ("one.tar.gz", "../one.tar.gz", "$.builds[0].files[0].name"),
        ("one.tar.gz", "one.exe", "$.builds[0].files[0].name"),
        ("size_bytes = 1", "size_bytes = 0", "$.builds[0].files[0].size_bytes"),
        ("0123456789abcdef0123456789abcdef01234567", "", "$.builds[0].files[0].sha256"),
        ('"MIT"', '""', "$.builds[0].files[0].terms"),
        ("https://", "http://", "$.address"),
        ("org/b1", "org/b1/", "$.address"),
        ('"linux"', '"plan9"', "$.builds[0].system"),
        ('"cpu"', '"abacus"', "$.builds[0].back_end"),
        ("terms =", "termes =", "$.builds[0].files[0]"),
        ("[[builds.files]]", "[[builds.others]]", "$.builds[0]"),
        (ONE, ONE + ONE.partition("\n\n")[2], "b1-cpu is listed twice for linux"),
    ],
)
def test_a_broken_list_is_refused_with_the_place(tmp_path: Path, before: str, after: str, place: str) -> None:
    assert before in ONE
    path = tmp_path / "engines.toml"
    path.write_text(ONE.replace(before, after), encoding="utf-8")

    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_LIST_UNREADABLE)) as refused:
        published_builds(path)

    assert place in refused.value.message


def test_a_missing_list_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "engines.toml"
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_LIST_UNREADABLE)):
        published_builds(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_LIST_UNREADABLE)):
        published_builds(path)


def test_a_mirror_has_each_file_below_the_name_of_the_release(tmp_path: Path) -> None:
    path = tmp_path / "engines.toml"
    path.write_text(ONE)

    (own,) = published_builds(path, mirror=" ")
    (there,) = published_builds(path, mirror="https://mirror.example/llama.cpp/ ")

    assert own.address == "https://example.org/b1"
    assert there.address == "https://mirror.example/llama.cpp/b1"
    assert there.files == own.files
