"""Stands in for an engine's `quantize`, and misbehaves as GGML_FAKE_QUANTIZE says."""

import os
import shutil
import sys
from pathlib import Path

HELP = """usage: quantize [--help] model-f32.gguf [model-quant.gguf] type [nthreads]

Allowed quantization types:
   2  or  Q4_0   :  3.56G, +0.2166 ppl @ LLaMA-v1-7B
  12  or  Q3_K   : alias for Q3_K_M
  12  or  Q3_K_M :  3.07G, +0.2496 ppl @ LLaMA-v1-7B
   1  or  F16    : 13.00G              @ 7B
          COPY   : only copy tensors, no quantizing
"""
TENSOR = "[{:4}/   2]    blk.weight - [   32,     4,     1,     1], type =    f16, "
FAILURE = "llama_model_quantize: failed to quantize: requantizing from type q4_0 is disabled\n"


def main(arguments: list[str]) -> int:
    """Do what the real one does, seen from outside."""
    out = sys.stdout
    if arguments == ["--help"]:
        out.write(HELP)
        return 1
    source, target, kind = arguments
    behaviour = os.environ.get("GGML_FAKE_QUANTIZE", "")
    out.write(f"main: quantizing '{source}' to '{target}' as {kind}\n")
    Path(target).write_bytes(b"half")
    for number in (1, 2):
        out.write(TENSOR.format(number))
        if behaviour == "fail":
            out.write(f"{FAILURE}main: failed to quantize model from '{source}'\n")
            return 1
        out.write("size = 1.00 MB\n")
        out.flush()
    if behaviour != "half":
        shutil.copy(source, target)
    if behaviour == "dense":
        with Path(target).open("r+b") as file:
            file.write(b"GGUF")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
