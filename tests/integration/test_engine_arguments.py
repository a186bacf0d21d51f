"""llama-server's arguments for the built-in engine, compared with llama.cpp's own parser of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xllamacpp

from tests.fakes import llamacpp_parser
from tests.fakes.errors import coded
from tests.fakes.launches import PC, model
from tray_app.engine.arguments import NAMES, argument_named
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import plan_launch
from tray_app.engine.llamacpp_child import default_params
from tray_app.engine.owned_arguments import check_extra
from tray_app.engine.parameters import UsageError, apply_arguments
from tray_app.engine.program import Engine
from tray_app.errors import ErrorCode, SettingsError
from tray_app.settings.schema import Settings

REAL = pytest.mark.skipif(not llamacpp_parser.there_is_one(), reason="only Linux's library shows its parser")
LIMIT_S = 30

ALIKE = [
    "-b 100",
    "-ub 64",
    "-n 7",
    "--keep 5",
    "--swa-full",
    "-fa on",
    "-fa 1",
    "-fa off",
    "-fa auto",
    "--no-perf",
    "--no-escape",
    "--rope-scaling linear",
    "--rope-scaling yarn",
    "--rope-scale 2",
    "--rope-freq-base 3",
    "--rope-freq-scale 0.5",
    "--yarn-orig-ctx 3",
    "--yarn-ext-factor 3",
    "--yarn-attn-factor 3",
    "--yarn-beta-slow 3",
    "--yarn-beta-fast 3",
    "-nkvo",
    "--kv-offload",
    "--no-repack",
    "--no-host",
    "-ctk q8_0",
    "-ctv iq4_nl",
    "-np 2",
    "-np -1",
    "-lm mmap+mlock",
    "-lm dio",
    "-lzm on",
    "--numa distribute",
    "-ot blk.*=CPU",
    "-ot a=CPU -ot b=CPU",
    "-cmoe",
    "-ncmoe 2",
    "-ncffn 2",
    "-ngl 2",
    "-ngl all",
    "--gpu-layers auto",
    "-sm row",
    "-ts 3,1",
    "-ts 3/1",
    "-mg 1",
    "-fit off",
    "-fitt 100",
    "-fitt 100,200",
    "--check-tensors",
    "--no-op-offload",
    "--lora {file}",
    "--lora-scaled {file}:0.5",
    "--offline",
    "-v",
    "-lv 4",
    "--samplers top_k;temperature",
    "--sampler-seq kt",
    "-s 42",
    "-s -1",
    "--ignore-eos",
    "--temp 0.5",
    "--top-k 3",
    "--top-p 0.5",
    "--min-p 0.5",
    "--typical 0.5",
    "--repeat-last-n 5",
    "--repeat-penalty 2",
    "--presence-penalty 0.5",
    "--frequency-penalty 0.5",
    "--dry-multiplier 0.5",
    "--mirostat 2",
    "--mirostat-lr 0.5",
    "--mirostat-ent 0.5",
    "--xtc-probability 0.5",
    "--grammar root",
    "--grammar-file {file}",
    "-j {{}}",
    "-ctkd q8_0",
    "-td 3",
    "-ngld all",
    "-otd blk.*=CPU",
    "-ncmoed 2",
    "--spec-draft-n-max 5",
    "--spec-draft-sampling probabilistic",
    "--spec-type ngram-mod,ngram-cache",
    "--spec-default",
    "--spec-ngram-mod-n-min 5",
    "--ctx-checkpoints 5",
    "-cram -1",
    "-kvu",
    "--no-cache-idle-slots",
    "--context-shift",
    "-r stop",
    "-sp",
    "--no-warmup",
    "--pooling mean",
    "-nocb",
    "--mmproj {file}",
    "--no-mmproj",
    "--no-mmproj-offload",
    "--image-max-tokens 5",
    "-a name,other",
    "--embd-normalize 1",
    "-to 5",
    "--threads-http 5",
    "--no-cache-prompt",
    "--cache-reuse 5",
    "--metrics",
    "--no-slots",
    "--slot-save-path {folder}",
    "--media-path {folder}",
    "--no-jinja",
    "--reasoning-format deepseek-legacy",
    "--reasoning-budget 0",
    "--reasoning-budget-message x",
    "--chat-template chatml",
    "--chat-template-file {file}",
    "--skip-chat-parsing",
    "--no-prefill-assistant",
    "-sps 0.5",
    '--chat-template-kwargs {{"present":1,"a":"ü"}}',
    "-rea on",
    "--reasoning-effort low",
    "--no-reasoning-preserve",
    "-t 1 -tb 1 -td 1 -tbd 1 --prio-batch 2 --cpu-range-batch 1-2 --cpu-mask 5 --poll 9 --cpu-strict-draft 1",
    "--lora-init-without-apply",
    "--swa_full --no_mmproj --top_k 3",
]
REFUSED = [
    "--x",
    "--x 1",
    "--flash-attn",
    "--flash-attn=off",
    "--flash-attn maybe",
    "--cache-type-k q3",
    "--cache-type-k count",
    "--temp abc",
    "--batch-size 9999999999",
    "-ngl x",
    "--parallel 0",
    "--ctx 5",
    "--numa foo",
    "-sm foo",
    "--lora-scaled {file}",
    "--tensor-split 1,x",
    "--reasoning-format foo",
    "--reasoning-budget -2",
    "--repeat-last-n -1",
    "--chat-template-file {folder}/nothing",
    "--chat-template-kwargs x",
    "--jinja maybe",
    "--cpu-range 1",
]


def words(line: str, folder: Path) -> list[str]:
    file = folder / "file"
    file.write_text('root ::= "a"\n')
    return [word.format(file=file, folder=folder) for word in line.split()]


def changes(params: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value != before[name]}


def ours(arguments: list[str]) -> dict[str, Any]:
    params = xllamacpp.CommonParams()
    params.default_template_kwargs = {"preserve_reasoning": "true"}  # as llama-server begins
    before = llamacpp_parser.leaves(params)
    apply_arguments(params, arguments)
    return changes(llamacpp_parser.leaves(params), before)


@REAL
@pytest.mark.parametrize("line", ALIKE)
def test_an_argument_sets_what_llama_cpps_own_parser_sets(line: str, tmp_path: Path) -> None:
    before, after = (llamacpp_parser.parsed(each) for each in ([], words(line, tmp_path)))
    assert before is not None
    assert after is not None
    assert ours(words(line, tmp_path)) == changes(after, before)


@REAL
@pytest.mark.parametrize("line", REFUSED)
def test_what_llama_cpps_own_parser_refuses_is_refused_here(line: str, tmp_path: Path) -> None:
    assert llamacpp_parser.parsed(words(line, tmp_path)) is None
    with pytest.raises(UsageError):
        ours(words(line, tmp_path))


@pytest.fixture(scope="module")
def real_names() -> list[list[str]]:
    """llama-server's names, those of one argument together, as its help has them."""
    heads = re.findall(r"^-{1,2}[\w.-]+(?:, +-{1,2}[\w.-]+)*", llamacpp_parser.help_text(), re.MULTILINE)
    return [re.split(", +", head) for head in heads if not head.startswith("---")]


@REAL
def test_every_name_of_llama_server_is_known(real_names: list[list[str]]) -> None:
    gone = (
        "--draft",
        "--spec-ngram-size",
        "--spec-ngram-min-hits",
        "--draft-",
    )  # «has been removed», it says
    missed = [name for group in real_names for name in group if name not in NAMES]
    assert [name for name in missed if not name.startswith(gone)] == []
    assert sum(map(len, real_names)) > 350


@REAL
def test_names_of_one_argument_are_names_of_one_here(real_names: list[list[str]]) -> None:
    for group in real_names:
        known = {argument.parameter for name in group if name in NAMES and (argument := argument_named(name))}
        assert len(known) <= 1, group


OWNED = [
    "--model",
    "--model-url",
    "--hf-repo",
    "--hf-file",
    "--hf-token",
    "--docker-repo",
    "--mmproj-url",
    "--hf-repo-draft",
    "--ctx-size",
    "--kv-unified-per-slot",
    "--kv-unified",
    "--no-kv-unified",
    "--port",
    "--host",
    "--path",
    "--api-prefix",
    "--reuse-port",
    "--api-key",
    "--api-key-file",
    "--ssl-key-file",
    "--ssl-cert-file",
    "--embedding",
    "--sse-ping-interval",
    "--no-webui",
    "--webui-config",
    "--webui-config-file",
    "--webui-mcp-proxy",
    "--cors-origins",
    "--cors-methods",
    "--cors-headers",
    "--cors-credentials",
    "--tools",
    "--tools-runtime",
    "--mcp-servers-config",
    "--mcp-servers-json",
    "--agent",
    "--models-dir",
    "--models-preset",
    "--models-max",
    "--models-autoload",
    "--sleep-idle-seconds",
    "--help",
    "--version",
    "--list-devices",
    "--cache-list",
    "--completion-bash",
    "--embd-gemma-default",
    "--fim-qwen-7b-spec",
    "--gpt-oss-20b-default",
]


def spellings(names: list[str]) -> Iterator[str]:
    """All ways to write an argument that some engine may take."""
    for name in names:
        yield from (name, f"{name}=x")
        if name.startswith("--"):
            yield "--" + name[2:].replace("-", "_")
        argument = argument_named(name)
        assert argument
        yield from (f"--{argument.parameter}", f"--{argument.parameter.replace('_', '-')}")


@REAL
@pytest.mark.parametrize("kind", [EngineKind.LLAMA_CPP, EngineKind.LLAMA_SERVER, EngineKind.POWERINFER])
def test_what_this_app_decides_is_refused_under_each_name_that_llama_cpp_takes(
    kind: EngineKind, real_names: list[list[str]]
) -> None:
    for owned in OWNED:
        group = next(group for group in real_names if owned in group)
        for word in spellings(group):
            with pytest.raises(SettingsError) as refused:
                check_extra(("--mlock", word, "1"), kind, sparse=False)
            assert word.partition("=")[0] in refused.value.title
            assert refused.value.message


@REAL
def test_no_model_is_downloaded_by_an_argument() -> None:
    heads = re.findall(r"^(--[\w.-]+) +.*note: can", llamacpp_parser.help_text(), re.MULTILINE)
    assert len(heads) > 5
    for name in heads:
        with pytest.raises(SettingsError):
            check_extra((name,), EngineKind.LLAMA_SERVER, sparse=False)


@pytest.mark.parametrize(
    "word",
    [
        "--model.path",
        "--model.url",
        "--model.hf-repo",
        "--mmproj.url",
        "--mmproj.hf_repo",
        "--speculative.draft.mparams.url",
        "--hostnames",
        "--public-path",
        "--n-ctx",
        "--n_ctx",
        "--ui",
        "--embedding",
        "--webui_mcp_proxy",
        "-hf",
        "-m",
        "--gpt-oss-999b-default",
    ],
)
def test_the_librarys_names_for_what_this_app_decides_are_refused(word: str) -> None:
    with pytest.raises(SettingsError):
        check_extra((word, "x"), EngineKind.LLAMA_CPP, sparse=False)


@pytest.mark.parametrize("word", ["-t", "--threads", "-tb", "--threads-batch", "--cpuparams.n-threads"])
def test_a_sparse_model_keeps_its_one_thread(word: str) -> None:
    with pytest.raises(SettingsError, check=coded(ErrorCode.EXTRA_ARGUMENT_NOT_ALLOWED), match="threads"):
        check_extra((word, "4"), EngineKind.POWERINFER, sparse=True)
    check_extra((word, "4"), EngineKind.POWERINFER, sparse=False)
    check_extra((word, "4"), EngineKind.LLAMA_CPP, sparse=False)


def test_what_the_app_gives_the_built_in_engine_is_known_to_it() -> None:
    plan = plan_launch(Settings(), model(), Engine(EngineKind.LLAMA_CPP, ("child",)), PC)
    apply_arguments(xllamacpp.CommonParams(), plan.command(1)[1:])


def test_the_librarys_own_names_go_on_to_work() -> None:
    line = "--n-parallel 1 --sampling.top-k 7 --load-mode none --warmup false --kv_unified true"
    params = default_params()
    apply_arguments(params, line.split())
    assert (params.n_parallel, params.sampling.top_k, params.warmup, params.kv_unified) == (1, 7, False, True)


def test_both_sizes_of_a_batch_are_alike_unless_one_is_named() -> None:
    params = default_params()
    apply_arguments(params, ["--batch-size", "300"])
    assert params.n_ubatch == 0  # which the child takes for «as the other»


@pytest.mark.parametrize(
    ("line", "mode"),
    [
        ("--mlock", "MMAP_MLOCK"),
        ("--no-mmap", "NONE"),
        ("--no-mmap --mlock", "MLOCK"),
        ("--mlock --no-mmap", "MLOCK"),
        ("--load-mode none --mlock", "MLOCK"),
        ("--no-mmap --mmap", "MMAP"),
        ("--direct-io", "DIRECT_IO"),
    ],
)
def test_names_that_llama_server_had_before_go_on_to_work(line: str, mode: str) -> None:
    params = default_params()
    apply_arguments(params, line.split())
    assert params.load_mode.name == f"LLAMA_LOAD_MODE_{mode}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--flash-atn", "on"], "unknown argument: --flash-atn (did you mean --flash-attn?)"),
        (["--n_gpu_layer", "on"], "unknown argument: --n_gpu_layer (did you mean --n-gpu-layers?)"),
        (["--zzz"], "unknown argument: --zzz"),
        ([""], "unknown argument: ''"),
        (["word"], "unknown argument: word"),
        (["--"], "unknown argument: --"),
        (["-5"], "unknown argument: -5"),
        (["--override-kv", "a=int:3"], "unavailable argument: --override-kv"),
        (["--device", "CUDA0"], "unavailable argument: --device"),
        (["--n-parallel", "1000"], "invalid value for argument: --n-parallel"),
        (["--parallel", "257"], "invalid value for argument: --parallel"),
        (["-ngl"], "missing value for argument: -ngl"),
        (["--top-p", "nan"], "invalid value for argument: --top-p"),
        (["--mmproj", "/no/file"], "no file for argument: --mmproj: /no/file"),
        (["--lora", "/no/file"], "no file for argument: --lora: /no/file"),
        (["--lora", ""], "invalid value for argument: --lora"),
        (["--lora", "/a,,/b"], "invalid value for argument: --lora"),
        (["--chat-template-kwargs", "[1]"], "invalid value for argument: --chat-template-kwargs"),
        (["--chat-template-file", "/no/file"], "no file for argument: --chat-template-file: /no/file"),
    ],
)
def test_an_argument_of_no_use_is_named(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        apply_arguments(default_params(), arguments)
    assert str(refused.value) == message
