"""The names of llama-server's arguments, and which parameter of llama.cpp each of them sets. Pure.

Imported by the app, which refuses the arguments that it decides itself, and by the process of the built-in
engine, which applies the others. So it imports nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass

_NEAR = 0.75
"""How similar a known name must be to a mistyped one to be suggested (`difflib`'s ratio)."""


@dataclass(frozen=True, slots=True)
class Argument:
    """What a flag on a command line stands for."""

    parameter: str
    """The parameter that holds the value in llama.cpp, such as `sampling.top_k`, or a name of our own if
    there is none."""
    switch: bool | None = None
    """The value of a flag that stands alone; None if the next word is its value."""


def argument_named(flag: str) -> Argument | None:
    """The argument that a flag stands for; None if there is no such flag.

    It is one of llama-server's names, long or short, or the name of a parameter itself, as `--sampling.top-k`
    or `--n-parallel`. In long names `_` and `-` mean the same, as in llama.cpp.
    """
    plain = flag.replace("_", "-") if flag.startswith("--") else flag
    if known := _BY_NAME.get(plain):
        return known
    if plain.startswith("--") and plain.endswith("-default"):  # also those of other versions
        return Argument("model.preset", switch=True)
    path = plain.removeprefix("--").replace("-", "_")
    return Argument(path) if plain.startswith("--") and path else None


def nearest(flag: str) -> str:
    """The known name that is most similar to a mistyped one; empty if none is similar enough."""
    import difflib

    return next(iter(difflib.get_close_matches(flag, NAMES, n=1, cutoff=_NEAR)), "")


# By parameter, the names of the arguments that are followed by a value.
_VALUES = {
    "model.path": "-m --model",
    "model.url": "-mu --model-url",
    "model.hf_repo": "-hf -hfr --hf-repo",
    "model.hf_file": "-hff --hf-file",
    "model.docker_repo": "-dr --docker-repo",
    "hf_token": "-hft --hf-token",
    "model_alias": "-a --alias",
    "model_tags": "--tags",
    "models_dir": "--models-dir",
    "models_preset": "--models-preset",
    "models_max": "--models-max",
    "n_ctx": "-c --ctx-size",
    "n_batch": "-b --batch-size",
    "n_ubatch": "-ub --ubatch-size",
    "n_parallel": "-np --parallel",
    "n_predict": "-n --predict --n-predict",
    "n_keep": "--keep",
    "n_cache_reuse": "--cache-reuse",
    "kv_unified_per_slot": "--kv-unified-per-slot",
    "cpuparams.n_threads": "-t --threads",
    "cpuparams.mask": "-C --cpu-mask",
    "cpuparams.range": "-Cr --cpu-range",
    "cpuparams.strict_cpu": "--cpu-strict",
    "cpuparams.priority": "--prio",
    "cpuparams.poll": "--poll",
    "cpuparams_batch.n_threads": "-tb --threads-batch",
    "cpuparams_batch.mask": "-Cb --cpu-mask-batch",
    "cpuparams_batch.range": "-Crb --cpu-range-batch",
    "cpuparams_batch.strict_cpu": "--cpu-strict-batch",
    "cpuparams_batch.priority": "--prio-batch",
    "cpuparams_batch.poll": "--poll-batch",
    "numa": "--numa",
    "n_threads_http": "--threads-http",
    "timeout": "-to --timeout",
    "n_gpu_layers": "-ngl --gpu-layers --n-gpu-layers",
    "split_mode": "-sm --split-mode",
    "tensor_split": "-ts --tensor-split",
    "main_gpu": "-mg --main-gpu",
    "devices": "-dev --device",
    "rpc": "--rpc",
    "fit_params": "-fit --fit",
    "fit_params_target": "-fitt --fit-target",
    "fit_params_min_ctx": "-fitc --fit-ctx",
    "tensor_buft_overrides": "-ot --override-tensor",
    "n_cpu_moe": "-ncmoe --n-cpu-moe",
    "n_cpu_ffn": "-ncffn --n-cpu-ffn",
    "moe_cache_mib": "--moe-cache-mib",
    "load_mode": "-lm --load-mode",
    "lazy_mode": "-lzm --lazy-mode",
    "kv_overrides": "--override-kv",
    "defrag_threshold": "-dt --defrag-thold",
    "flash_attn_type": "-fa --flash-attn",
    "cache_type_k": "-ctk --cache-type-k",
    "cache_type_v": "-ctv --cache-type-v",
    "cache_ram_mib": "-cram --cache-ram",
    "n_ctx_checkpoints": "-ctxcp --ctx-checkpoints --swa-checkpoints",
    "checkpoint_min_step": "-cms --checkpoint-min-step",
    "rope_scaling_type": "--rope-scaling",
    "rope_scale": "--rope-scale",
    "rope_freq_base": "--rope-freq-base",
    "rope_freq_scale": "--rope-freq-scale",
    "yarn_orig_ctx": "--yarn-orig-ctx",
    "yarn_ext_factor": "--yarn-ext-factor",
    "yarn_attn_factor": "--yarn-attn-factor",
    "yarn_beta_slow": "--yarn-beta-slow",
    "yarn_beta_fast": "--yarn-beta-fast",
    "lora": "--lora",
    "lora_scaled": "--lora-scaled",
    "control_vector": "--control-vector",
    "control_vector_scaled": "--control-vector-scaled",
    "control_vector_layers": "--control-vector-layer-range",
    "pooling_type": "--pooling",
    "embd_normalize": "--embd-normalize",
    "slot_prompt_similarity": "-sps --slot-prompt-similarity",
    "slot_save_path": "--slot-save-path",
    "sleep_idle_seconds": "--sleep-idle-seconds",
    "mmproj.path": "-mm --mmproj",
    "mmproj.url": "-mmu --mmproj-url",
    "mmproj_device": "-mmdev --mmproj-device",
    "image_min_tokens": "--image-min-tokens",
    "image_max_tokens": "--image-max-tokens",
    "mtmd_batch_max_tokens": "--mtmd-batch-max-tokens",
    "media_path": "--media-path",
    "video_fps": "--video-fps",
    "video_timestamp_interval_ms": "--video-timestamp-interval",
    "video_ffmpeg_bin_dir": "--video-ffmpeg-dir",
    "chat_template": "--chat-template",
    "chat_template_file": "--chat-template-file",
    "chat_template_kwargs": "--chat-template-kwargs",
    "reasoning": "-rea --reasoning",
    "reasoning_format": "--reasoning-format",
    "reasoning_effort": "--reasoning-effort",
    "sampling.reasoning_budget_tokens": "--reasoning-budget",
    "sampling.reasoning_budget_message": "--reasoning-budget-message",
    "sampling.samplers": "--samplers",
    "sampler_sequence": "--sampler-seq --sampling-seq",
    "sampling.seed": "-s --seed",
    "sampling.temp": "--temp --temperature",
    "sampling.top_k": "--top-k",
    "sampling.top_p": "--top-p",
    "sampling.min_p": "--min-p",
    "sampling.top_n_sigma": "--top-nsigma --top-n-sigma",
    "sampling.xtc_probability": "--xtc-probability",
    "sampling.xtc_threshold": "--xtc-threshold",
    "sampling.typ_p": "--typical --typical-p",
    "sampling.penalty_last_n": "--repeat-last-n",
    "sampling.penalty_repeat": "--repeat-penalty",
    "sampling.penalty_present": "--presence-penalty",
    "sampling.penalty_freq": "--frequency-penalty",
    "sampling.dry_multiplier": "--dry-multiplier",
    "sampling.dry_base": "--dry-base",
    "sampling.dry_allowed_length": "--dry-allowed-length",
    "sampling.dry_penalty_last_n": "--dry-penalty-last-n",
    "sampling.dry_sequence_breakers": "--dry-sequence-breaker",
    "sampling.adaptive_target": "--adaptive-target",
    "sampling.adaptive_decay": "--adaptive-decay",
    "sampling.dynatemp_range": "--dynatemp-range",
    "sampling.dynatemp_exponent": "--dynatemp-exp",
    "sampling.mirostat": "--mirostat",
    "sampling.mirostat_eta": "--mirostat-lr",
    "sampling.mirostat_tau": "--mirostat-ent",
    "sampling.logit_bias": "-l --logit-bias",
    "grammar": "--grammar",
    "grammar_file": "--grammar-file",
    "json_schema": "-j --json-schema",
    "json_schema_file": "-jf --json-schema-file",
    "antiprompt": "-r --reverse-prompt",
    "speculative.types": "--spec-type",
    "speculative.synth_len": "--spec-synth-len",
    "speculative.synth_rates": "--spec-synth-rates",
    "speculative.draft.mparams.path": "-md --model-draft --spec-draft-model",
    "speculative.draft.mparams.hf_repo": "-hfd -hfrd --hf-repo-draft --spec-draft-hf",
    "speculative.draft.n_max": "--spec-draft-n-max",
    "speculative.draft.n_min": "--spec-draft-n-min",
    "speculative.draft.p_split": "--draft-p-split --spec-draft-p-split",
    "speculative.draft.p_min": "--draft-p-min --spec-draft-p-min",
    "speculative.draft.sampling": "--spec-draft-sampling",
    "speculative.draft.devices": "-devd --device-draft --spec-draft-device",
    "speculative.draft.n_gpu_layers": "-ngld --gpu-layers-draft --n-gpu-layers-draft --spec-draft-ngl",
    "speculative.draft.cache_type_k": "-ctkd --cache-type-k-draft --spec-draft-type-k",
    "speculative.draft.cache_type_v": "-ctvd --cache-type-v-draft --spec-draft-type-v",
    "speculative.draft.tensor_buft_overrides": "-otd --override-tensor-draft --spec-draft-override-tensor",
    "speculative.draft.n_cpu_moe": "-ncmoed --n-cpu-moe-draft --spec-draft-n-cpu-moe --spec-draft-ncmoe",
    "speculative.draft.cpuparams.n_threads": "-td --threads-draft --spec-draft-threads",
    "speculative.draft.cpuparams.mask": "-Cd --cpu-mask-draft --spec-draft-cpu-mask",
    "speculative.draft.cpuparams.range": "-Crd --cpu-range-draft --spec-draft-cpu-range",
    "speculative.draft.cpuparams.strict_cpu": "--cpu-strict-draft --spec-draft-cpu-strict",
    "speculative.draft.cpuparams.priority": "--prio-draft --spec-draft-prio",
    "speculative.draft.cpuparams.poll": "--poll-draft --spec-draft-poll",
    "speculative.draft.cpuparams_batch.n_threads": "-tbd --threads-batch-draft --spec-draft-threads-batch",
    "speculative.draft.cpuparams_batch.mask": "-Cbd --cpu-mask-batch-draft --spec-draft-cpu-mask-batch",
    "speculative.draft.cpuparams_batch.strict_cpu": "--cpu-strict-batch-draft --spec-draft-cpu-strict-batch",
    "speculative.draft.cpuparams_batch.priority": "--prio-batch-draft --spec-draft-prio-batch",
    "speculative.draft.cpuparams_batch.poll": "--poll-batch-draft --spec-draft-poll-batch",
    "speculative.ngram_mod.n_min": "--spec-ngram-mod-n-min",
    "speculative.ngram_mod.n_max": "--spec-ngram-mod-n-max",
    "speculative.ngram_mod.n_match": "--spec-ngram-mod-n-match",
    "speculative.ngram_simple.size_n": "--spec-ngram-simple-size-n",
    "speculative.ngram_simple.size_m": "--spec-ngram-simple-size-m",
    "speculative.ngram_simple.min_hits": "--spec-ngram-simple-min-hits",
    "speculative.ngram_map_k.size_n": "--spec-ngram-map-k-size-n",
    "speculative.ngram_map_k.size_m": "--spec-ngram-map-k-size-m",
    "speculative.ngram_map_k.min_hits": "--spec-ngram-map-k-min-hits",
    "speculative.ngram_map_k4v.size_n": "--spec-ngram-map-k4v-size-n",
    "speculative.ngram_map_k4v.size_m": "--spec-ngram-map-k4v-size-m",
    "speculative.ngram_map_k4v.min_hits": "--spec-ngram-map-k4v-min-hits",
    "speculative.ngram_cache.lookup_cache_static": "-lcs --lookup-cache-static",
    "speculative.ngram_cache.lookup_cache_dynamic": "-lcd --lookup-cache-dynamic",
    "hostnames": "--host",
    "port": "--port",
    "public_path": "--path",
    "api_prefix": "--api-prefix",
    "api_keys": "--api-key",
    "api_key_file": "--api-key-file",
    "ssl_file_key": "--ssl-key-file",
    "ssl_file_cert": "--ssl-cert-file",
    "sse_ping_interval": "--sse-ping-interval",
    "cors_origins": "--cors-origins",
    "cors_methods": "--cors-methods",
    "cors_headers": "--cors-headers",
    "ui_config_json": "--ui-config --webui-config",
    "ui_config_file": "--ui-config-file --webui-config-file",
    "server_tools": "--tools",
    "server_tools_runtime": "--tools-runtime",
    "mcp_servers_config": "--mcp-servers-config",
    "mcp_servers_json": "--mcp-servers-json",
    "verbosity": "-lv --verbosity --log-verbosity",
    "log_file": "--log-file",
    "log_colors": "--log-colors",
    "path_prompts_log_dir": "--log-prompts-dir",
}
# By parameter, the names of the arguments whose presence sets it, and of those that unset it.
_SWITCHES = {
    "swa_full": ("--swa-full", ""),
    "no_perf": ("--no-perf", "--perf"),
    "escape": ("-e --escape", "--no-escape"),
    "no_kv_offload": ("-nkvo --no-kv-offload", "-kvo --kv-offload"),
    "no_extra_bufts": ("-nr --no-repack", "--repack"),
    "no_host": ("--no-host", ""),
    "no_op_offload": ("--no-op-offload", "--op-offload"),
    "cpu_moe": ("-cmoe --cpu-moe", ""),
    "speculative.draft.cpu_moe": ("-cmoed --cpu-moe-draft --spec-draft-cpu-moe", ""),
    "speculative.draft.backend_sampling": (
        "--spec-draft-backend-sampling",
        "--no-spec-draft-backend-sampling",
    ),
    "speculative.default": ("--spec-default", ""),
    "mmap": ("--mmap", "--no-mmap"),  # llama-server had these three before `--load-mode`
    "mlock": ("--mlock", ""),
    "direct_io": ("-dio --direct-io", "-ndio --no-direct-io"),
    "check_tensors": ("--check-tensors", ""),
    "offline": ("--offline", ""),
    "sampling.ignore_eos": ("--ignore-eos", ""),
    "sampling.backend_sampling": ("-bs --backend-sampling", ""),
    "kv_unified": ("-kvu --kv-unified", "-no-kvu --no-kv-unified"),
    "cache_idle_slots": ("--cache-idle-slots", "--no-cache-idle-slots"),
    "cache_prompt": ("--cache-prompt", "--no-cache-prompt"),
    "ctx_shift": ("--context-shift", "--no-context-shift"),
    "cont_batching": ("-cb --cont-batching", "-nocb --no-cont-batching"),
    "special": ("-sp --special", ""),
    "warmup": ("--warmup", "--no-warmup"),
    "spm_infill": ("--spm-infill", ""),
    "rerank": ("--rerank --reranking", ""),
    "no_mmproj": ("--no-mmproj --no-mmproj-auto", "--mmproj-auto"),
    "mmproj_offload": ("--mmproj-offload", "--no-mmproj-offload"),
    "use_jinja": ("--jinja", "--no-jinja"),
    "reasoning_preserve": ("--reasoning-preserve", "--no-reasoning-preserve"),
    "force_pure_content_parser": ("--skip-chat-parsing", "--no-skip-chat-parsing"),
    "prefill_assistant": ("--prefill-assistant", "--no-prefill-assistant"),
    "lora_init_without_apply": ("--lora-init-without-apply", ""),
    "endpoint_metrics": ("--metrics", ""),
    "endpoint_props": ("--props", ""),
    "endpoint_slots": ("--slots", "--no-slots"),
    "embedding": ("--embedding --embeddings", ""),
    "reuse_port": ("--reuse-port", ""),
    "cors_credentials": ("--cors-credentials", "--no-cors-credentials"),
    "ui": ("--ui --webui", "--no-ui --no-webui"),
    "ui_mcp_proxy": ("--ui-mcp-proxy --webui-mcp-proxy", "--no-ui-mcp-proxy --no-webui-mcp-proxy"),
    "agent": ("-ag --agent", "-no-ag --no-agent"),
    "models_autoload": ("--models-autoload", "--no-models-autoload"),
    "verbose": ("-v --verbose --log-verbose", ""),
    "log_disable": ("--log-disable", ""),
    "log_jsonl": ("--log-jsonl", "--no-log-jsonl"),
    "log_prefix": ("--log-prefix", "--no-log-prefix"),
    "log_timestamps": ("--log-timestamps", "--no-log-timestamps"),
    "information": (
        "-h --help --usage --version --license -cl --cache-list --completion-bash --list-devices",
        "",
    ),
    "model.preset": (
        (
            "--embd-gemma-default --fim-qwen-1.5b-default --fim-qwen-3b-default --fim-qwen-7b-default"
            " --fim-qwen-7b-spec --fim-qwen-14b-spec --fim-qwen-30b-default --gpt-oss-20b-default"
            " --gpt-oss-120b-default --vision-gemma-4b-default --vision-gemma-12b-default"
        ),
        "",
    ),
}
_BY_NAME = {name: Argument(path) for path, names in _VALUES.items() for name in names.split()} | {
    name: Argument(path, switch)
    for path, both in _SWITCHES.items()
    for names, switch in zip(both, (True, False), strict=True)
    for name in names.split()
}
NAMES = frozenset(_BY_NAME)
"""All names that llama-server has for arguments."""
