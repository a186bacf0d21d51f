"""Runs between this app and an engine, as a process of its own, so that the engine cannot outlive the app.

Started as `exec-child HOW PARENT PROGRAM ARGUMENT…` by `launcher.py`. Every start of an engine waits for this
file, so it imports little, and only from the standard library.
"""

import errno
import os
import signal
import sys

BIND = "bind"
"""Linux: tell the kernel to kill this process with the thread that started it, then become the program."""
KEEP = "keep"
"""macOS has no such call: stay, and end the program when standard input, a pipe from the app, ends."""

CANNOT_RUN = 126
"""Exit code for a program that exists but cannot be run, as in a shell; 127 if it does not exist."""
_FIRST_TO_GO = b"1000"
_PR_SET_PDEATHSIG = 1
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ETXTBSY)
"""As in `shortage.py`, which this file does not import."""
_INHERITED = ("SIGHUP", "SIGINT", "SIGPIPE", "SIGQUIT", "SIGTERM", "SIGXFSZ")
"""Signals that Python or the starter of the app may ignore; a program would inherit that and not react to
them."""


def exec_child(arguments: list[str]) -> int:
    """Become, or watch over, the program in `arguments`.

    Returns an exit code if that is not possible, or when it has ended.
    """
    how, parent, *argv = arguments
    for name in _INHERITED:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        return _keep(argv) if how == KEEP else _become(int(parent), argv)
    except OSError as exc:
        verb = "cannot now run" if exc.errno in _PASSING else "cannot run"
        sys.stderr.write(f"exec-child: {verb} {argv[0]}: {exc.strerror}\n")
        return CANNOT_RUN + isinstance(exc, FileNotFoundError)


def _become(parent: int, argv: list[str]) -> int:
    import ctypes

    _offer_to_the_killer()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return 1  # the app ended before the kernel was told
    return os.execve(argv[0], argv, _environment())  # noqa: S606  a shell would be one more process


def _offer_to_the_killer() -> None:
    """Let Linux kill the engine first when memory runs out: it is large, and is started again."""
    try:
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:  # not mounted
        return
    try:
        os.write(score, _FIRST_TO_GO)
    except OSError:  # a sandbox forbids it
        pass
    finally:
        os.close(score)


def _keep(argv: list[str]) -> int:
    import subprocess
    import threading

    program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env=_environment())
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    code = program.wait()
    if code < 0:  # exit by the signal that ended the program, so that the app sees it
        if -code != signal.SIGKILL:  # a signal without a handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _environment() -> dict[str, str]:
    if not hasattr(sys, "_MEIPASS"):
        return dict(os.environ)
    # PyInstaller's bootloader has changed the environment of this process again.
    from tray_app.system.environment import inherited_environment

    return inherited_environment()


def _end_with_standard_input() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)  # the launcher made this process the leader of its own group


if __name__ == "__main__":
    sys.exit(exec_child(sys.argv[1:]))
