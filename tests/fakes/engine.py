"""A native engine for tests: a program of its own that behaves, and misbehaves, as its command line says.

Run by its path. Answers POST /embedding as PowerInfer does, POST /v1/embeddings and completions as llama.cpp
does, and GET /props with 200. With LLAMA_API_KEY in its environment, it answers only who has that, save at
/health. As PowerInfer, it loses sums of a sparse model when several threads read a text. It ignores arguments
of real engines that it has no use for.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SPAM = "\x1b[2mslot update_slots: id  0 | task 12 | prompt processing progress, n_tokens = 512\x1b[0m\n"
SPAM_EVERY_S = 0.005
HELP = {
    "powerinfer": """usage: server [options]

options:
  -h, --help                show this help message and exit
  -t N, --threads N         number of threads to use during computation (default: 2)
  -tb N, --threads-batch N  number of threads to use during batch and prompt processing
  -c N, --ctx-size N        size of the prompt context (default: 512)
  -b N, --batch-size N      batch size for prompt processing (default: 512)
  -m FNAME, --model FNAME
                        model path (default: models/7B/ggml-model-f16.gguf)
  --host                ip address to listen (default  (default: 127.0.0.1)
  --port PORT           port to listen (default  (default: 8080)
  --embedding           enable embedding vector output (default: disabled)
  --vram-budget N       VRAM budget in GiB (default: -1, -1 = available VRAM)
""",
    "llama-server": """----- common params -----

-h,    --help, --usage                  print usage and exit
-t,    --threads N                      number of threads to use during generation (default: -1)
-tb,   --threads-batch N                number of threads to use during batch and prompt processing
-c,    --ctx-size N                     size of the prompt context (default: 0, 0 = loaded from model)
-b,    --batch-size N                   logical maximum batch size (default: 2048)
-ub,   --ubatch-size N                  physical maximum batch size (default: 512)
-np,   --parallel N                     number of server slots (default: -1, -1 = auto)
-m,    --model FNAME                    model path

----- server-specific params -----

-a,    --alias STRING                   set alias for model name (to be used by REST API)
--host HOST                             ip address to listen
--port PORT                             port to listen (default: 8080)
--pooling {none,mean,cls,last,rank}     pooling type for embeddings
--embedding, --embeddings               restrict to only support embedding use case
--no-webui                              disable the web UI
""",
    "other": "Usage: ls [OPTION]... [FILE]...\n",
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--help", action="store_true")
    parser.add_argument("--like", choices=HELP, default="powerinfer")
    parser.add_argument("--port", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--load-delay", type=float, default=0, help="seconds before it listens")
    parser.add_argument("--crash-after", type=float, help="seconds after it listens")
    parser.add_argument("--fail", action="store_true", help="end in place of listening")
    parser.add_argument("--say", default="", help="a line to print first")
    parser.add_argument("--load", help="a file without which it ends, saying so as PowerInfer does")
    parser.add_argument("--exit-code", type=int, default=1, help="negative: by that signal")
    parser.add_argument("--ignore-sigterm", action="store_true")
    parser.add_argument("--fork-child", action="store_true", help="start a process in a session of its own")
    parser.add_argument("--hang", action="store_true", help="do nothing, for ever, in place of listening")
    parser.add_argument("--hang-at", help="text of a request after which it answers none, but /props")
    parser.add_argument("--spin", action="store_true", help="compute meanwhile, as PowerInfer does")
    parser.add_argument("--spam-lines", type=int, default=0, help="print so many lines a second")
    parser.add_argument("--answer", type=json.loads, default=[0.25, -0.5], help="the vector")
    parser.add_argument("--answers", type=json.loads, default={}, help="by text, vectors for /embedding")
    parser.add_argument("--model", default="")
    parser.add_argument("--threads-batch", type=int, default=1)
    parser.add_argument("--lose-sums", action="store_true", help="with one thread too")
    return parser.parse_known_args()[0]


def end(exit_code: int) -> None:
    if exit_code < 0:
        os.kill(os.getpid(), -exit_code)
        threading.Event().wait()  # another thread may be the one that it hits
    os._exit(exit_code)


def spam(lines_per_s: int) -> None:
    burst = (SPAM * int(lines_per_s * SPAM_EVERY_S)).encode()
    due_s = time.monotonic()
    while True:
        view = memoryview(burst)
        while view:
            view = view[os.write(2, view) :]
        due_s = max(due_s + SPAM_EVERY_S, time.monotonic() - 1)
        time.sleep(max(0, due_s - time.monotonic()))


def hang(*, spin: bool) -> None:
    if spin:
        sys.stdout.write("update_slots : failed to decode the batch, n_batch = 1, ret = 1\n")
        sys.stdout.flush()
    while spin:
        pass
    threading.Event().wait()


def loses_sums(options: argparse.Namespace) -> bool:
    if options.lose_sums:
        return True
    if options.threads_batch == 1 or not os.path.isfile(options.model):  # noqa: PTH113  as below
        return False
    with open(options.model, "rb") as model:  # noqa: PTH123
        return model.read(4) == b"PWRI"


def computed(options: argparse.Namespace) -> list[float]:
    if not loses_sums(options):
        return list(options.answer)  # which may be what is no number
    return [random.uniform(0.5, 1) * number for number in options.answer]  # noqa: S311


def answer(path: str, body: bytes, options: argparse.Namespace) -> tuple[int, str, bytes]:
    """Status, content type and content of what a POST gets."""
    status = 200
    document: dict[str, Any] = {}
    if path == "/embedding":
        known = options.answers.get(json.loads(body).get("content"))
        document = {"embedding": known or computed(options)}
    elif path == "/tokenize":
        document = {"tokens": [1, 2]}
    elif path == "/v1/embeddings":
        texts = json.loads(body).get("input")
        count = len(texts) if isinstance(texts, list) else 1
        vector = {"object": "embedding", "embedding": options.answer}
        vectors = [{**vector, "index": index} for index in range(count)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        document = {"object": "list", "model": "fake", "data": vectors, "usage": usage}
    elif path in ("/v1/completions", "/v1/chat/completions"):
        document = {"object": "text_completion", "model": "fake", "choices": [{"index": 0, "text": " a"}]}
        if json.loads(body).get("stream"):
            events = f"data: {json.dumps(document)}\n\ndata: [DONE]\n\n"
            return status, "text/event-stream", events.encode()
    else:
        status, document = 404, {"error": {"message": "File Not Found"}}
    return status, "application/json", json.dumps(document).encode()


def permits(path: str, said: str | None) -> bool:
    key = os.environ.get("LLAMA_API_KEY")
    return not key or path == "/health" or said == f"Bearer {key}"


def serve(options: argparse.Namespace) -> None:
    hung = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def parse_request(self) -> bool:
            if not super().parse_request():
                return False
            if permits(self.path, self.headers["Authorization"]):
                return True
            self._send(401, "application/json", b'{"error":{"message":"Invalid API Key"}}')
            return False

        def do_GET(self) -> None:
            self._send(200 if self.path == "/props" else 404, "application/json", b"{}")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if options.hang_at and options.hang_at.encode() in body and self.path != "/tokenize":
                hung.set()
            if hung.is_set():
                hang(spin=options.spin)
            self._send(*answer(self.path, body, options))

        def _send(self, status: int, content_type: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    if options.crash_after is not None:
        threading.Timer(options.crash_after, end, [options.exit_code]).start()
    with ThreadingHTTPServer((options.host, options.port), Handler) as server:
        server.serve_forever()


def main() -> None:
    options = parse_arguments()
    if options.help:
        sys.stdout.write(HELP[options.like])
        return
    if options.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.say:
        sys.stderr.write(options.say + "\n")
    if options.load and not os.path.exists(options.load):  # noqa: PTH110  starts faster without pathlib
        sys.stderr.write(f"error loading model: failed to open {options.load}: No such file or directory\n")
        end(1)
    if options.fork_child:
        command = [sys.executable, "-I", "-S", "-c", "import threading; threading.Event().wait()"]
        child = subprocess.Popen(command, start_new_session=True)
        sys.stdout.write(f"child {child.pid}\n")
    if options.spam_lines:
        threading.Thread(target=spam, args=[options.spam_lines], daemon=True).start()
    sys.stdout.write("loading\n")
    sys.stdout.flush()
    if options.fail:
        end(options.exit_code)
    threading.Event().wait(None if options.hang else options.load_delay)
    serve(options)


if __name__ == "__main__":
    main()
