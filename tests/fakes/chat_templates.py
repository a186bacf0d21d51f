"""The test model with another chat template: one that knows tools, some that compute or grow for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gguf
import numpy as np

from tray_app.models.library import builtin_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_TEMPLATE = "tokenizer.chat_template"
_TOKENS = "tokenizer.ggml.tokens"
_CONTEXT = "llama.context_length"
PLAIN = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
ENDLESS = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"
DOUBLING = (
    "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}"
    "{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}"
)
MAGIC_WORD = "abracadabra"


def only_if_asked(template: str) -> str:
    """A template that behaves while the model is loaded, and does this for a message with the magic word."""
    asked = f"messages[0].content is string and '{MAGIC_WORD}' in messages[0].content"
    return f"{{% if {asked} %}}{template}{{% endif %}}{PLAIN}"


TOOLS = """
{%- for tool in tools or [] %}{{ tool | tojson }}
{% endfor %}
{%- for m in messages %}
{%- if m.tool_calls %}assistant:
{%- set call = m.tool_calls[0].function %}
<tool_call>
{"name": "{{ call.name }}", "arguments": {{ call.arguments | tojson }}}
</tool_call>
{% else %}{{ m.role }}: {{ m.content }}
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}assistant:
{% endif %}"""
"""Knows tools, and one call in an answer."""
_CALL, _IN_PLACE_OF = "<tool_call>\n", "~"
_LIKELY = {_CALL: 30.0, '"': 6.0}
"""So a tool is called wherever that is possible, and a text in JSON ends soon. Others have 2 at most."""
_LONG_CONTEXT = 4096


def write_with_template(path: Path, template: str) -> Path:
    """Write the test model with this chat template; the path again."""
    return _write(path, {_TEMPLATE: template})


def write_caller(path: Path) -> Path:
    """Write a model that calls a tool whenever it may; the path again. All it says means nothing."""
    reader = gguf.GGUFReader(builtin_model())
    tokens = [_CALL if token == _IN_PLACE_OF else token for token in reader.fields[_TOKENS].contents()]
    return _write(path, {_TEMPLATE: TOOLS, _CONTEXT: _LONG_CONTEXT, _TOKENS: tokens}, _likely(tokens))


def _likely(tokens: list[str]) -> dict[str, NDArray[Any]]:
    """The last matrix, whose channel 0 says how likely a token is (`make_test_model.py`)."""
    (output,) = (each for each in gguf.GGUFReader(builtin_model()).tensors if each.name == "output.weight")
    weights = np.array(output.data)
    of_one = weights[tokens.index("\u2581the"), 0] / 2  # the likelihood of a word is 2
    for token, likelihood in _LIKELY.items():
        weights[tokens.index(token), 0] = of_one * likelihood
    return {"output.weight": weights}


def _write(path: Path, values: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]] | None = None) -> Path:
    """Write the test model with other values and tensors; the path again."""
    reader = gguf.GGUFReader(builtin_model())
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind, *inner = field.types
        writer.add_key_value(name, values.get(name, field.contents()), kind, inner[-1] if inner else None)
    # Or what an answer begins with, which is not the beginning of a text, would begin with a blank.
    writer.add_add_space_prefix(False)
    for tensor in reader.tensors:
        data = (tensors or {}).get(tensor.name, tensor.data)
        writer.add_tensor(tensor.name, data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
