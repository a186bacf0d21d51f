"""The fields of a request that llama.cpp reads; no others are passed on to it. Pure.

llama.cpp ignores other fields, but they cost time: for each key it searches all keys of the object. A remote
server may know other fields, so it gets them all. The list is from llama.cpp's tools/server
(server-schema.cpp, server-common.cpp, server-context.cpp); a field that a newer version reads is added here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tray_app.gateway.raw_json import Fields

_OPENAI = (
    *("model", "messages", "prompt", "input", "tools", "tool_choice", "parallel_tool_calls", "functions"),
    *("function_call", "response_format", "stream", "stream_options", "stop", "n", "seed", "logit_bias"),
    *("logprobs", "top_logprobs", "max_tokens", "max_completion_tokens", "temperature", "top_p"),
    *("frequency_penalty", "presence_penalty", "encoding_format", "dimensions", "echo", "suffix", "best_of"),
    *("reasoning_effort", "modalities", "user"),
)
_SAMPLING = (
    *("n_predict", "n_indent", "n_keep", "n_discard", "n_cmpl", "n_probs", "n_cache_reuse", "n_tokens"),
    *("top_k", "min_p", "top_n_sigma", "typical_p", "typ_p", "xtc_probability", "xtc_threshold"),
    *("dynatemp_range", "dynatemp_exponent", "repeat_last_n", "repeat_penalty", "min_keep", "ignore_eos"),
    *("dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers"),
    *("mirostat", "mirostat_tau", "mirostat_eta", "adaptive_target", "adaptive_decay", "samplers"),
    *("backend_sampling", "post_sampling_probs", "penalty_prompt", "penalize_nl", "tfs_z"),
    *("speculative.n_max", "speculative.n_min", "speculative.p_min", "speculative.type"),
    *("speculative.ngram_size_n", "speculative.ngram_size_m", "speculative.ngram_min_hits"),
)
_GRAMMAR = (
    *("grammar", "grammar_type", "grammar_lazy", "grammar_triggers", "preserved_tokens", "json_schema"),
    *("chat_format", "chat_parser", "parse_tool_calls", "chat_template_kwargs", "generation_prompt"),
    *("add_generation_prompt", "continue_final_message", "reasoning_format", "enable_thinking"),
    *("reasoning_control", "reasoning_budget_tokens", "thinking_budget_tokens", "reasoning_budget_message"),
    *("reasoning_budget_start_tag", "reasoning_budget_end_tag", "reasoning_budget_end_tags"),
    *("thinking_forced_open", "parse_reasoning", "reasoning_in_content"),
)
_SERVER = (
    *("cache_prompt", "id_slot", "slot_id", "lora", "t_max_predict_ms", "t_max_prompt_ms", "verbose"),
    *("return_tokens", "return_progress", "timings_per_token", "response_fields", "sse_ping_interval"),
    *("image_data", "multimodal_data", "input_extra", "input_prefix", "input_suffix", "embd_normalize"),
    *("content", "tokens", "add_special", "parse_special", "with_pieces", "add_bos", "truncate"),
    *("query", "documents", "texts", "top_n", "return_text", "return_documents"),
)
_KNOWN = frozenset((*_OPENAI, *_SAMPLING, *_GRAMMAR, *_SERVER))


def known(fields: Fields) -> Fields:
    """The fields of a request that llama.cpp reads."""
    return {name: value for name, value in fields.items() if name in _KNOWN}
