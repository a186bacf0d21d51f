"""The instructions of the 4D component, word for word, against the running product on a real engine."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests

from tests.fakes.documents import README, fenced
from tests.fakes.program import gone, powerinfer_tray, running
from tray_app.cli.progress import curl_line
from tray_app.system.ports import free_port
from tray_app.ui.presenters.snippets import fourd_snippet

SENTENCE = "The quick brown fox jumps over the lazy dog."


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def base_url(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for all tests of this file, which only ask."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POWERINFER_TRAY_HOME", str(tmp_path_factory.mktemp("product")))
        with running("serve", "--model", "test", "--port", str(port)) as program:
            program.line_with("Ready")
            yield f"http://127.0.0.1:{port}/v1"
            engines = program.descendants()
            assert program.interrupt() == 0
            assert gone(engines)


def post(url: str, body: dict[str, Any]) -> requests.Response:
    return requests.post(url, json=body, timeout=60)


def test_the_curl_line_that_serve_prints_gets_a_vector(base_url: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    answer = subprocess.run(
        ["/bin/sh", "-c", f"{curl_line(base_url)} --silent --fail"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert len(json.loads(answer.stdout)["data"][0]["embedding"]) == 64


@pytest.mark.parametrize("body", [{"input": SENTENCE}, {"input": SENTENCE, "model": ""}])
def test_the_documented_bodies_get_200_and_a_vector(base_url: str, body: dict[str, Any]) -> None:
    response = post(f"{base_url}/embeddings", body)

    assert response.status_code == 200
    (item,) = response.json()["data"]
    assert (item["object"], item["index"], len(item["embedding"])) == ("embedding", 0, 64)
    assert sum(x * x for x in item["embedding"]) == pytest.approx(1.0, abs=1e-4)


def test_ai_kit_lists_the_models_with_a_content_type_on_get(base_url: str) -> None:
    response = requests.get(f"{base_url}/models", headers={"Content-Type": "application/json"}, timeout=60)

    assert [model["id"] for model in response.json()["data"]] == ["test"]


def test_ai_kit_chats_with_its_default_model_name(base_url: str) -> None:
    body = {
        "model": "gpt-4o-mini",
        "n": 1,
        "max_completion_tokens": 4,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    response = post(f"{base_url}/chat/completions", body)

    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["role"] == "assistant"


def test_ai_kits_stream_is_made_of_data_lines_alone(base_url: str) -> None:
    body = {"stream": True, "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]}
    response = requests.post(f"{base_url}/chat/completions", json=body, stream=True, timeout=60)
    lines = [line for line in response.iter_lines() if line]

    assert all(line.startswith(b"data: ") and line.isascii() for line in lines)
    assert lines[-1] == b"data: [DONE]"


def test_the_openai_client_embeds_through_base64(base_url: str) -> None:
    with openai.OpenAI(base_url=base_url, api_key="none") as client:
        plain = client.embeddings.create(model="test", input=[SENTENCE, "hi"], encoding_format="float")
        packed = client.embeddings.create(model="test", input=[SENTENCE, "hi"])  # asks for base64 by itself

    assert [item.index for item in packed.data] == [0, 1]
    for one, other in zip(plain.data, packed.data, strict=True):
        assert other.embedding == pytest.approx(one.embedding, abs=1e-5)


def test_the_openai_client_streams_a_completion(base_url: str) -> None:
    with openai.OpenAI(base_url=base_url, api_key="none") as client:
        events = list(client.completions.create(model="test", prompt="Once", max_tokens=5, stream=True))

    assert "".join(event.choices[0].text for event in events if event.choices)
    assert events[-1].choices[0].finish_reason == "length"


def test_the_servers_temperature_reaches_the_engine(base_url: str) -> None:
    """At temperature 0 an answer is always the same; at 2 two answers of 40 tokens are never."""

    def answers(temperature: float) -> set[str]:
        body = {"prompt": "Once", "max_tokens": 40, "temperature": temperature}
        return {post(f"{base_url}/completions", body).json()["choices"][0]["text"] for _ in range(2)}

    assert (len(answers(0.0)), len(answers(2.0))) == (1, 2)


def readme(language: str, base_url: str) -> str:
    """The first example of a language in the README, with the address and the model of this server."""
    example = fenced(README, language)[0]
    return example.replace("http://127.0.0.1:8080/v1", base_url).replace('"bge-m3"', '"test"')


def test_the_readmes_curl_line_works_as_pasted(base_url: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = readme("sh", base_url)
    answer = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)

    assert len(json.loads(answer.stdout)["data"][0]["embedding"]) == 64


def test_the_readmes_python_works_as_pasted(base_url: str) -> None:
    program = readme("python", base_url)
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert len(json.loads(answer.stdout)) == 4


def test_the_readmes_4d_is_what_the_menu_copies(base_url: str) -> None:
    assert readme("4d", base_url).strip() == fourd_snippet(base_url, "test")


def test_a_second_serve_on_the_port_names_the_process_that_has_it(base_url: str, port: int) -> None:
    second = powerinfer_tray("serve", "--model", "test", "--port", str(port))

    assert second.returncode == 1
    assert f"Port {port} is in use by" in second.stderr
    assert "PID" in second.stderr
    assert requests.get(f"{base_url}/models", timeout=60).ok


def test_ending_leaves_no_process_and_frees_the_port() -> None:
    other = free_port()
    with running("serve", "--model", "test", "--port", str(other)) as program:
        program.line_with("Ready")
        engines = program.descendants()
        assert engines
        assert program.interrupt() == 0
        assert gone(engines)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{other}/v1/models", timeout=5)
