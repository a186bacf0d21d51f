"""A llama-server for tests: it prints what real ones print, and serves with the app's own llama.cpp.

Run as `python fake_llama_server.py MODE [ARGUMENT…]`; `llama_server` makes a program of it that stands alone.
As it says what it is in a mode, so does the real one in the case that the mode is called by.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import threading
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHILD = ROOT / "tray_app" / "engine" / "llamacpp_child.py"
ENGINE = Path(__file__).with_name("engine.py")
VECTORS = ROOT / "resources" / "proof-models" / "vectors.json"
CARD_OF_POWERINFER = "  Device 0: NVIDIA GeForce RTX 4070, compute capability 8.9"
# By a shell: the first line of a script cannot name a Python in a folder whose name has a space.
_PROGRAM = """#!/bin/sh
FAKE_PROGRAM="$0" exec {command} "$@"
"""
AMX = "libggml-cpu-sapphirerapids.so"
VERSION = "version: 11434 (9f70b2cec)\nbuilt with GNU 13.3.0 for Linux x86_64\n"
HELP = """----- common params -----

-h,    --help, --usage                  print usage and exit
--version                               show version and build info
--list-devices                          print list of available devices and exit
-t,    --threads N                      number of CPU threads to use during generation (default: -1)
-tb,   --threads-batch N                number of threads to use during batch and prompt processing
-c,    --ctx-size N                     size of the prompt context (default: 0, 0 = loaded from model)
-b,    --batch-size N                   logical maximum batch size (default: 2048)
-lv,   --verbosity, --log-verbosity N   Set the verbosity threshold.
-ngl,  --gpu-layers, --n-gpu-layers N   max. number of layers to store in VRAM, 'auto', or 'all'
-m,    --model FNAME                    model path to load
-np,   --parallel N                     number of server slots (default: -1, -1 = auto)
-kvu,  --kv-unified, -no-kvu, --no-kv-unified
                                        use single unified KV buffer shared across all sequences

----- server-specific params -----

-a,    --alias STRING                   set model name aliases, comma-separated
--host HOST                             ip address to listen
--port PORT                             port to listen (default: 8080)
--pooling {none,mean,cls,last,rank}     pooling type for embeddings
"""
CARD = "  CUDA0: NVIDIA GeForce RTX 4070 (12282 MiB, 11020 MiB free)\n"


class Mode(StrEnum):
    """What becomes of it."""

    RIGHT = "right"
    CUDA = "cuda"
    """It lists a card and says that it computes there; in truth it has none."""
    CUDA_ON_PROCESSOR = "cuda-on-processor"
    """The same, but it says that it computes on the processor."""
    NO_DEVICE = "no-device"
    CRASH_ON_Q4_K = "crash-on-q4_k"
    """By SIGSEGV when it computes, as a native build on a machine that names AMX and does not give it."""
    CRASH_WITH_AMX = "crash-with-amx"
    """By SIGSEGV with quantized weights, as long as the library for AMX is beside it."""
    CRASH_AT_LOAD = "crash-at-load"
    WRONG_VECTORS = "wrong-vectors"
    MISSING_RUNTIME = "missing-runtime"
    OLD_GLIBC = "old-glibc"
    HANG = "hang"
    OTHER_PROGRAM = "other-program"
    POWERINFER = "powerinfer"
    """PowerInfer's server, built for CUDA: it has neither a version nor a list, and names its card as it
    starts."""


WEIGHTS_ON = {Mode.CUDA: ("CPU_Mapped", "CUDA0"), Mode.CUDA_ON_PROCESSOR: ("CPU_Mapped",)}
"""Where it says that it has the model's weights."""


def llama_server(mode: Mode) -> str:
    """The text of a program that behaves so; it is a script, so not for Windows."""
    return _PROGRAM.format(command=shlex.join((sys.executable, __file__, mode.value)))


def main(mode: Mode, arguments: list[str]) -> None:
    if mode is Mode.MISSING_RUNTIME:
        sys.stderr.write(
            "llama-server: error while loading shared libraries: libcudart.so.13: cannot open shared object"
            " file: No such file or directory\n"
        )
        sys.exit(127)
    if mode is Mode.OLD_GLIBC:
        sys.stderr.write(
            "llama-server: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found"
            " (required by llama-server)\n"
        )
        sys.exit(1)
    if mode is Mode.POWERINFER:
        play_powerinfer(arguments)
    elif mode is Mode.OTHER_PROGRAM:
        sys.stdout.write("Usage: ls [OPTION]... [FILE]...\n")
    elif arguments == ["--version"]:
        sys.stderr.write(VERSION)
    elif arguments == ["--list-devices"]:
        has_card = mode in WEIGHTS_ON and os.environ.get("CUDA_VISIBLE_DEVICES") != "-1"
        sys.stdout.write("Available devices:\n" + (CARD if has_card else ""))
    elif arguments == ["--help"]:
        sys.stdout.write(HELP)
    else:
        serve(mode, arguments)


def play_powerinfer(arguments: list[str]) -> None:
    if arguments == ["--help"]:
        play(["--like", "powerinfer"], arguments)
    if "--model" not in arguments:
        sys.stderr.write(f"error: unknown argument: {arguments[0]}\n")
        sys.exit(1)
    model = Path(arguments[arguments.index("--model") + 1]).read_bytes()
    expected = json.loads(VECTORS.read_bytes())
    kind = next(each for each in expected["vectors"] if f"Proof of {each}".encode() in model)
    vectors = dict(zip(expected["texts"], expected["vectors"][kind]["last"], strict=True))
    play(["--answers", json.dumps(vectors), "--say", CARD_OF_POWERINFER], arguments)


def serve(mode: Mode, arguments: list[str]) -> None:
    model = Path(arguments[arguments.index("--model") + 1]).read_bytes()
    has_amx = Path(os.environ["FAKE_PROGRAM"]).with_name(AMX).exists()
    crashes = {
        Mode.CRASH_AT_LOAD: True,
        Mode.CRASH_ON_Q4_K: b"Proof of Q4_K" in model,
        Mode.CRASH_WITH_AMX: has_amx and b"Proof of Q" in model,
    }
    if crashes.get(mode):
        sys.stderr.write("load_tensors: loading model tensors, this can take a while... (mmap = true)\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode is Mode.HANG:
        threading.Event().wait()
    if mode is Mode.WRONG_VECTORS:
        width = 128 if b"Proof of F16" in model else 256
        answer = json.dumps([1.0] + [0.0] * (width - 1))
        play(["--answer", answer], arguments)
    if mode in WEIGHTS_ON and "--verbosity" in arguments:
        lines = ["0.00.233.442 I load_tensors: offloaded 2/2 layers to GPU"]
        lines += [
            f"0.00.233.444 I load_tensors: {place:>12} model buffer size =     0.21 MiB"
            for place in WEIGHTS_ON[mode]
        ]
        sys.stderr.write("\n".join([*lines, ""]))
        sys.stderr.flush()
    command = [sys.executable, "-P", str(CHILD), *_known(arguments)]
    os.execv(command[0], command)  # noqa: S606  as below


def play(how: list[str], arguments: list[str]) -> None:
    """Become the fake engine of `engine.py`."""
    command = [sys.executable, "-I", "-S", str(ENGINE), *arguments, *how]
    os.execv(command[0], command)  # noqa: S606  as a program is replaced by another


def _known(arguments: list[str]) -> list[str]:
    """Those that the app's own llama.cpp takes, which listens on the loopback address anyway."""
    unknown = ("--host", "--n-gpu-layers", "--verbosity")
    foreign = [at for at, word in enumerate(arguments) if word in unknown]
    return [word for at, word in enumerate(arguments) if at not in foreign and at - 1 not in foreign]


if __name__ == "__main__":
    main(Mode(sys.argv[1]), sys.argv[2:])
