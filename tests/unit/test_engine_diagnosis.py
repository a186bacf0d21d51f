import pytest

from tray_app.engine.diagnosis import diagnose, failure_to_start, hung

# Real lines of PowerInfer's server, llama.cpp, the loader of shared libraries and our own trampoline.
PERMANENT = [
    ("does not know the argument --temp", "error: unknown argument: --temp"),
    ("does not accept the value of --threads", "error: invalid parameter for argument: --threads"),
    ("does not accept the value of --ctx-size", "error: invalid value for argument: --ctx-size"),
    ("could not be started", "exec-child: cannot run /opt/server: No such file or directory"),
    (
        "lacks a system library",
        "./server: error while loading shared libraries: libcublas.so.12: cannot open shared object file",
    ),
    (
        "needs the PowerInfer engine",
        "gguf_init_from_reader: invalid magic characters: 'PWRI', expected 'GGUF'",
    ),
    ("is not a model", "gguf_init_from_file: invalid magic characters <!DO."),
    (
        "is not a model",
        "0.00.004.991 E gguf_init_from_reader: invalid magic characters: '<!DO', expected 'GGUF'",
    ),
    ("is not a model", "0.00.004.454 E gguf_init_from_reader: failed to read magic"),
    ("is gone", "error loading model: failed to open /models/nope.gguf: No such file or directory"),
    ("is gone", "gguf_init_from_file: failed to open GGUF file 'nope.gguf' (No such file or directory)"),
    ("is not whole", "gguf_init_from_file: failed to read key-value pairs"),
    ("is not whole", "tensor 'blk.1.ffn_down.weight' data is not within the file bounds, model is corrupted"),
    ("models of the kind «lxxma»", "error loading model: unknown model architecture: 'lxxma'"),
    ("not enough memory", "  what():  std::bad_alloc"),
    ("not enough memory", "llama_init_from_model: failed to initialize the context: std::bad_alloc"),
]
TRANSIENT = [
    ("port was taken", "couldn't bind to server socket: hostname=127.0.0.1 port=18099"),
    (
        "port was taken",
        "E srv         start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 18882",
    ),
]


@pytest.mark.parametrize(("title", "line"), PERMANENT + TRANSIENT)
def test_a_known_line_names_the_cause_and_a_remedy(title: str, line: str) -> None:
    failure = diagnose(1, ("loading", line, "exiting"))
    assert title in failure.error.title
    assert failure.error.message
    assert failure.error.hint
    assert failure.permanent is ((title, line) in PERMANENT)
    assert "{}" not in str(failure.error)


def test_what_a_line_names_is_told() -> None:
    missing = diagnose(1, ["error loading model: failed to open /a b/nope.gguf: No such file or directory"])
    assert missing.error.message == "There is no /a b/nope.gguf."
    quoted = diagnose(
        1, ["gguf_init_from_file: failed to open GGUF file 'x.gguf' (No such file or directory)"]
    )
    assert quoted.error.message == "There is no x.gguf."


def test_the_cause_counts_more_than_its_consequences() -> None:
    lines = (
        "gguf_init_from_file: invalid magic characters <!DO.",
        "error loading model: llama_model_loader: failed to load model from page.gguf",
        "terminate called after throwing an instance of 'std::bad_alloc'",
    )
    assert "is not a model" in diagnose(1, lines).error.title


@pytest.mark.parametrize(
    ("exit_code", "title", "permanent"),
    [
        (-4, "does not suit this processor", True),
        (0xC000001D, "does not suit this processor", True),
        (0xC0000135, "lacks a system library", True),
        (0xC0000017, "not enough memory", True),
        (-11, "crashed", False),
        (-7, "crashed", False),
        (0xC0000005, "crashed", False),
        (-9, "ended from outside", False),
    ],
)
def test_an_exit_code_alone_names_the_cause(exit_code: int, title: str, *, permanent: bool) -> None:
    failure = diagnose(exit_code, ["loading"])
    assert title in failure.error.title
    assert failure.permanent is permanent


@pytest.mark.parametrize(
    ("exit_code", "name"),
    [(3, "exit code 3"), (-6, "SIGABRT"), (-99, "exit code -99"), (0xC0000409, "0xC0000409")],
)
def test_an_unknown_end_is_told_with_the_last_lines(exit_code: int, name: str) -> None:
    failure = diagnose(exit_code, ["first", *(f"line {number}" for number in range(8)), ""])
    assert failure.error.message.startswith(f"It ended with {name}. Its last lines:\nline 0\n")
    assert not failure.permanent


def test_a_program_that_the_system_refuses_is_not_tried_again() -> None:
    failure = failure_to_start(PermissionError(13, "Permission denied"))
    assert failure.error.message == "Permission denied"
    assert failure.permanent


def test_a_hanging_engine_is_tried_again() -> None:
    assert "120 seconds" in hung(120).error.message
    assert not hung(120).permanent
