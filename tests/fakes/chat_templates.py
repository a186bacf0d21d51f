"""The test model with another chat template, and templates that make llama.cpp compute or grow for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gguf

from tray_app.models.library import builtin_model

if TYPE_CHECKING:
    from pathlib import Path

_TEMPLATE = "tokenizer.chat_template"
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


def write_with_template(path: Path, template: str) -> Path:
    """Write the test model with this chat template; the path again."""
    reader = gguf.GGUFReader(builtin_model())
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", _TEMPLATE):
            continue
        kind, *inner = field.types
        writer.add_key_value(name, field.contents(), kind, inner[-1] if inner else None)
    writer.add_string(_TEMPLATE, template)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
