"""The model of requests that name none: recorded in the store, the same in all gateways, changed by a command."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest

from contracts.cards import ModelCard
from contracts.jobs import Answer
from contracts.store.registry import Registry
from tests.gateway.fakes.seq2seq import SEQ2SEQ_CARDS
from tests.gateway.fakes.worker import CARDS, EMBED, running_worker, store_of
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.gateway.server.test_api_keys import command
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until

NEW = "aaa"
"""A model that is announced later, and the first one in the alphabet."""
EMBED_CARD = next(card for card in CARDS if card.name == EMBED)


@dataclass(frozen=True)
class Gateways:
    """Two gateways of one store; the second one has a setting for the task classify."""

    url: str
    registry: Registry
    both: tuple[GatewayProcess, GatewayProcess]

    def submit(self, task: str = "embed", **body: str) -> list[httpx.Response]:
        """Submit the same job to both gateways."""
        document = {"inputs": "x", **body}
        headers = {"Prefer": "respond-async"}  # some of the models have no worker
        urls = [f"{one.url}/v1/{task}" for one in self.both]
        return [httpx.post(url, json=document, headers=headers, timeout=PATIENCE_S) for url in urls]

    def models_used(self, task: str = "embed") -> set[str]:
        """Return the models that run a request which names none."""
        answers = self.submit(task)
        assert {answer.status_code for answer in answers} == {202}, answers[0].text
        return {answer.headers["X-Triptych-Model"] for answer in answers}


@pytest.fixture
def gateways(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Gateways]:
    store = store_of(valkey_server.url)
    registry = Registry(store.client)
    registry.announce(*CARDS)
    url = valkey_server.url
    with (
        running_worker(url),
        running_gateway(url, tmp_path) as one,
        running_gateway(url, tmp_path, TRIPTYCH_DEFAULT_MODELS="classify=gone-classify") as two,
    ):
        yield Gateways(url, registry, (one, two))
    store.client.close()


def renamed(card: ModelCard, name: str) -> ModelCard:
    """Return the card of another model of the same kind."""
    return msgspec.structs.replace(card, name=name)


def test_a_new_model_changes_no_answers_until_a_command_says_so(gateways: Gateways) -> None:
    assert gateways.models_used() == {EMBED}
    gateways.registry.announce(renamed(EMBED_CARD, NEW), *CARDS)
    for gateway in gateways.both:
        wait_until(lambda one=gateway: NEW in httpx.get(f"{one.url}/v1/models").text, "the new model is not known")
        models = httpx.get(f"{gateway.url}/v1/models").json()["data"]
        assert [model["id"] for model in models if model["task"] == "embed" and model["default"]] == [EMBED]
    assert gateways.models_used() == {EMBED}
    assert {answer.status_code for answer in gateways.submit(model=NEW)} == {202}

    listed = command(gateways.url, "models", "default").stdout.splitlines()
    assert any(line.split() == ["embed", EMBED, "yes", "unserved-embed,", NEW] for line in listed), listed
    wrong = command(gateways.url, "models", "default", "embed", "aab")
    assert wrong.returncode == 1 and NEW in wrong.stderr and wrong.stderr.count("\n") == 1
    assert command(gateways.url, "models", "default", "feature-extraction", NEW).returncode == 0
    wait_until(lambda: gateways.models_used() == {NEW}, "the gateways do not follow the command")

    gone = command(gateways.url, "models", "default", "embed", "--unset")
    assert gone.returncode == 0 and EMBED in gone.stdout
    wait_until(lambda: gateways.models_used() == {EMBED}, "the gateways do not follow the command")
    gateways.registry.announce(renamed(EMBED_CARD, NEW), *CARDS)
    # Each gateway has several processes, and some may not have followed the command before.
    in_a_row = [0]

    def all_follow() -> bool:
        in_a_row[0] = in_a_row[0] + 1 if gateways.models_used() == {EMBED} else 0
        return in_a_row[0] > 10

    wait_until(all_follow, "an announcement changes the default")


def test_a_default_that_is_gone_is_a_503_that_names_the_command(gateways: Gateways) -> None:
    client = store_of(gateways.url).client
    client.delete(f"triptych:model:{EMBED}")

    def refusals() -> list[httpx.Response]:
        answers = gateways.submit()
        return answers if {one.status_code for one in answers} == {503} else []

    for answer in wait_until(refusals, "another model answers"):
        error = answer.json()["error"]
        assert error["code"] == "unavailable" and EMBED in error["message"]
        assert "python -m services.gateway models default embed MODEL" in error["message"]
    assert {answer.status_code for answer in gateways.submit(model="unserved-embed")} == {202}
    line = command(gateways.url, "models", "default", "embed").stdout.splitlines()[1]
    assert line.split() == ["embed", EMBED, "no", "unserved-embed"]
    client.close()


def test_the_setting_counts_before_the_record(gateways: Gateways) -> None:
    recorded, configured = gateways.submit("classify")
    assert recorded.status_code == 202
    error = configured.json()["error"]
    assert configured.status_code == 503 and "gone-classify" in error["message"]
    assert "TRIPTYCH_DEFAULT_MODELS" in error["message"]
    setting = {"TRIPTYCH_DEFAULT_MODELS": "classify=gone-classify"}
    found = command(gateways.url, "models", "default", "classify", "tiny-classify", **setting)
    assert found.returncode == 0 and "TRIPTYCH_DEFAULT_MODELS" in found.stderr


def test_a_store_that_has_lost_its_data_starts_anew(gateways: Gateways) -> None:
    client = store_of(gateways.url).client
    client.flushall()
    gateways.registry.announce(*CARDS, renamed(EMBED_CARD, NEW))
    wait_until(lambda: NEW in httpx.get(f"{gateways.both[0].url}/v1/models").text, "the new model is not known")
    wait_until(lambda: gateways.models_used() == {NEW}, "the gateways differ")
    client.close()


def test_clients_that_name_languages_keep_their_model(gateways: Gateways) -> None:
    translator = next(card for card in SEQ2SEQ_CARDS if card.name == "tiny-translator-many")
    gateways.registry.announce(renamed(translator, NEW))
    url = gateways.both[0].url
    wait_until(lambda: NEW in httpx.get(f"{url}/v1/models").text, "the new model is not known")
    # Only the second of the first models has this pair, and now the new one.
    for source, target, model in (("en", "de", "tiny-translator"), ("fr", "ga", "tiny-translator-many")):
        body = {"q": "One.", "source": source, "target": target}
        answer = httpx.post(f"{url}/translate", json=body, timeout=PATIENCE_S)
        assert (answer.status_code, answer.headers["X-Triptych-Model"]) == (200, model)


def test_a_revision_with_any_text_is_a_header(gateways: Gateways) -> None:
    store, url = store_of(gateways.url), gateways.both[0].url
    body = {"inputs": "x", "model": "unserved-embed"}
    headers = {"Idempotency-Key": "revision", "Prefer": "respond-async"}
    job = httpx.post(f"{url}/v1/embed", json=body, headers=headers).json()
    claim = store.claim(job["id"], "w")
    assert claim is not None
    store.succeed(
        claim, Answer(output=b"[1]", usage=b"{}", timings=b"{}", model_revision="v1+ö\r\nX-Evil: 1" + 9999 * "x")
    )
    answer = httpx.post(f"{url}/v1/embed", json=body, headers=headers)
    assert answer.headers["X-Triptych-Revision"].startswith("v1+%C3%B6%0D%0AX-Evil: 1xxx")
    assert len(answer.headers["X-Triptych-Revision"]) < 300 and "X-Evil" not in answer.headers
    store.client.close()


@pytest.mark.parametrize(
    "arguments", [["fly"], ["embed", "--unset", "x"], ["--unset"], ["embed", EMBED, "more"]], ids=" ".join
)
def test_wrong_arguments_are_named(arguments: list[str]) -> None:
    found = command("redis://127.0.0.1:1/0", "models", "default", *arguments)
    assert found.returncode == 2 and "Traceback" not in found.stderr


def test_every_answer_names_its_model_and_revision(gateways: Gateways) -> None:
    url = gateways.both[0].url
    calls = {
        "/v1/embed": {"inputs": "x"},
        "/v1/embeddings": {"input": "x", "model": EMBED},
        "/v1/generate": {"inputs": "x"},
        "/v1/completions": {"prompt": "x", "model": "tiny-generator"},
        "/v1/chat/completions": {"messages": [{"role": "user", "content": "x"}], "model": "tiny-chat"},
        "/translate": {"q": "One.", "source": "en", "target": "de"},
    }
    document = httpx.get(f"{url}/openapi.json").json()["paths"]
    for path, body in calls.items():
        answer = httpx.post(url + path, json=body, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        job = httpx.get(f"{url}/v1/jobs/{answer.headers['X-Triptych-Job-Id']}").json()
        named = answer.headers["X-Triptych-Model"], answer.headers["X-Triptych-Revision"]
        assert named == (job["model"], job["model_revision"]) and all(named)
        assert {"X-Triptych-Model", "X-Triptych-Revision"} <= set(document[path]["post"]["responses"]["200"]["headers"])
    checked = httpx.post(f"{url}/v2/check", data={"text": "teh", "language": "en"}, timeout=PATIENCE_S)
    assert checked.headers["X-Triptych-Model"] == "tiny-corrector" and checked.headers["X-Triptych-Revision"]
    body = {"inputs": "x", "stream": True}
    with httpx.stream("POST", f"{url}/v1/generate", json=body, timeout=PATIENCE_S) as stream:
        assert stream.headers["X-Triptych-Model"] == "tiny-chat"
    job = httpx.post(f"{url}/v1/jobs", json={"task": "embed", "inputs": "x"}, timeout=PATIENCE_S)
    assert job.headers["X-Triptych-Model"] == EMBED and "X-Triptych-Revision" not in job.headers


def test_a_model_is_known_to_every_process_as_soon_as_one_has_shown_it(
    valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    store = store_of(valkey_server.url)
    registry = Registry(store.client)
    registry.announce(EMBED_CARD)
    with running_gateway(valkey_server.url, tmp_path, TRIPTYCH_GATEWAY_PROCESSES="2") as gateway:
        for number in range(20):
            name = f"m{number}"
            body = {"inputs": "x", "model": name}

            def submit(body: dict[str, str] = body) -> int:
                # A new connection each time, which any of the processes may take.
                headers = {"Prefer": "respond-async"}
                return httpx.post(f"{gateway.url}/v1/embed", json=body, headers=headers).status_code

            assert {submit() for _ in range(3)} == {404}
            registry.announce(renamed(EMBED_CARD, name))
            assert {submit() for _ in range(3)} == {202}
    store.client.close()
