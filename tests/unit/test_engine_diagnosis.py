import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tray_app.engine.diagnosis import diagnose, failure_to_start, hung
from tray_app.engine.failure_patterns import CAUSES_BY_EXIT, CAUSES_BY_LINE, NAMED
from tray_app.errors import ErrorCode, Fix


@dataclass(frozen=True)
class End:
    """One of `engine_ends.toml`."""

    exit_code: int
    code: str
    fix: str
    output: str
    named: str = ""
    """What of the output the error repeats."""
    setting: str = ""
    permanent: bool = True


ENDS = [
    End(**entry)
    for entry in tomllib.loads(Path(__file__).with_name("engine_ends.toml").read_text("utf-8"))["end"]
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.output.partition("\n")[0][:60])
def test_a_real_end_names_its_cause_a_remedy_and_the_lines_that_show_it(end: End) -> None:
    failure = diagnose(end.exit_code, ("loading", "", *end.output.splitlines()))
    error = failure.error
    assert error.code == end.code
    assert end.named in f"{error.title} {error.message}"
    assert error.message
    assert error.hint
    assert (error.fix, error.setting) == (end.fix, end.setting)
    assert failure.permanent is end.permanent
    assert NAMED not in str(error)
    assert 1 <= len(error.evidence) <= 3
    assert "" not in error.evidence


def test_each_row_of_the_table_has_a_sample() -> None:
    lines = [line for end in ENDS for line in end.output.splitlines()]
    missed = [row.pattern for row, _ in CAUSES_BY_LINE if not any(row.search(line) for line in lines)]
    assert missed == []


def test_warnings_that_name_no_cause_are_none() -> None:
    lines = (
        "WARNING: failed to allocate 512.00 MB of pinned memory: unspecified launch failure",
        "ggml_cuda_init: failed to initialize CUDA: no CUDA-capable device is detected",
    )
    assert diagnose(-11, lines).error.code is ErrorCode.ENGINE_CRASHED


def test_the_evidence_is_the_line_that_names_the_cause_with_its_neighbours() -> None:
    lines = ["one", "two", "error: unknown argument: --x", "four", "five"]
    assert diagnose(1, lines).error.evidence == ("two", "error: unknown argument: --x", "four")
    assert diagnose(1, lines[:3]).error.evidence == ("one", "two", "error: unknown argument: --x")
    assert diagnose(1, lines[2:]).error.evidence == ("error: unknown argument: --x", "four", "five")


def test_a_debuggers_account_does_not_hide_what_the_engine_died_of() -> None:
    died = "ggml/src/ggml.c:3355: GGML_ASSERT(ggml_can_mul_mat(a, b)) failed"
    lines = ["loading", died, *(f"#{number} 0x55 in main ()" for number in range(90)), "(detached)"]
    error = diagnose(-6, lines).error
    assert (error.code, died in error.evidence) == (ErrorCode.ENGINE_ABORTED, True)


def test_what_was_said_long_before_the_end_is_no_cause() -> None:
    lines = ["  what():  std::bad_alloc", *(f"request {number}" for number in range(2000))]
    assert diagnose(-9, lines).error.code is ErrorCode.ENGINE_KILLED


def test_what_a_line_names_is_told() -> None:
    missing = diagnose(1, ["error loading model: failed to open /a b/nope.gguf: No such file or directory"])
    assert missing.error.message == "/a b/nope.gguf does not exist."
    quoted = diagnose(
        1, ["gguf_init_from_file: failed to open GGUF file 'x.gguf' (No such file or directory)"]
    )
    assert quoted.error.message == "x.gguf does not exist."


def test_the_cause_counts_more_than_its_consequences() -> None:
    lines = (
        "gguf_init_from_file: invalid magic characters <!DO.",
        "error loading model: llama_model_loader: failed to load model from page.gguf",
        "terminate called after throwing an instance of 'std::bad_alloc'",
    )
    assert diagnose(1, lines).error.code is ErrorCode.NOT_A_MODEL


@pytest.mark.parametrize(
    ("exit_code", "code", "fix", "permanent"),
    [
        (-4, ErrorCode.ENGINE_NEEDS_NEWER_PROCESSOR, Fix.CHOOSE_ENGINE, True),
        (0xC000001D, ErrorCode.ENGINE_NEEDS_NEWER_PROCESSOR, Fix.CHOOSE_ENGINE, True),
        (0xC000007B, ErrorCode.ENGINE_FOR_OTHER_MACHINE, Fix.CHOOSE_ENGINE, True),
        (0xC0000135, ErrorCode.ENGINE_LIBRARY_MISSING, Fix.CHOOSE_ENGINE, True),
        (0xC0000139, ErrorCode.ENGINE_LIBRARY_MISSING, Fix.CHOOSE_ENGINE, True),
        (0xC0000142, ErrorCode.ENGINE_NOT_STARTED, Fix.CHOOSE_ENGINE, False),
        (126, ErrorCode.ENGINE_NOT_STARTED, Fix.CHOOSE_ENGINE, True),
        (127, ErrorCode.ENGINE_NOT_STARTED, Fix.CHOOSE_ENGINE, True),
        (0xC0000017, ErrorCode.NOT_ENOUGH_MEMORY, Fix.SETTING, True),
        (0xC000012D, ErrorCode.NOT_ENOUGH_MEMORY, Fix.SETTING, True),
        (-11, ErrorCode.ENGINE_CRASHED, Fix.VERIFY_MODEL, False),
        (0xC0000005, ErrorCode.ENGINE_CRASHED, Fix.VERIFY_MODEL, False),
        (0xC00000FD, ErrorCode.ENGINE_CRASHED, Fix.VERIFY_MODEL, False),
        (-7, ErrorCode.MODEL_FILE_LOST, Fix.VERIFY_MODEL, False),
        (0xC0000006, ErrorCode.MODEL_FILE_LOST, Fix.VERIFY_MODEL, False),
        (-6, ErrorCode.ENGINE_ABORTED, Fix.NONE, False),
        (0xC0000409, ErrorCode.ENGINE_ABORTED, Fix.NONE, False),
        (-9, ErrorCode.ENGINE_KILLED, Fix.SETTING, False),
        (-15, ErrorCode.ENGINE_KILLED, Fix.SETTING, False),
        (-2, ErrorCode.ENGINE_KILLED, Fix.NONE, False),
        (-1, ErrorCode.ENGINE_KILLED, Fix.NONE, False),
        (0xC000013A, ErrorCode.ENGINE_KILLED, Fix.NONE, False),
    ],
)
def test_an_exit_code_alone_names_the_cause(
    exit_code: int, code: ErrorCode, fix: Fix, *, permanent: bool
) -> None:
    failure = diagnose(exit_code, ["loading"])
    assert failure.error.code is code
    assert (failure.error.fix, failure.permanent) == (fix, permanent)
    assert failure.error.evidence == ("loading",)
    assert NAMED not in str(failure.error)


def test_each_exit_code_of_the_table_is_written_as_it_is_looked_up() -> None:
    assert [name for name in CAUSES_BY_EXIT if name.startswith("0x") and name[2:] != name[2:].upper()] == []


@pytest.mark.parametrize(
    ("exit_code", "name"), [(3, "exit code 3"), (-99, "exit code -99"), (0xC0000420, "0xC0000420")]
)
def test_an_unknown_end_is_told_with_the_last_lines(exit_code: int, name: str) -> None:
    failure = diagnose(exit_code, ["first", *(f"line {number}" for number in range(8)), ""])
    assert failure.error.message == f"It stopped with {name}."
    assert str(failure.error).splitlines()[2:5] == ["  line 5", "  line 6", "  line 7"]
    assert not failure.permanent


def test_a_program_that_the_system_refuses_is_not_tried_again() -> None:
    failure = failure_to_start(PermissionError(13, "Permission denied"))
    assert failure.error.message == "Permission denied"
    assert failure.permanent


def test_a_hanging_engine_is_tried_again() -> None:
    assert "120 seconds" in hung(120).error.message
    assert not hung(120).permanent
