"""No answer delays the other clients of a gateway with one process, however much is to be made of its output."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from contracts.generation import Details, GeneratedSequence, GenerateOutput, TextDelta, Token
from contracts.jobs import Answer, Claim, queue_of
from contracts.seq2seq import DenoiseOutput, Edit, TranslateOutput
from tests.gateway.fakes.generation import UNSERVED_GENERATOR
from tests.gateway.fakes.seq2seq import UNSERVED_CORRECTOR, UNSERVED_TRANSLATOR
from tests.gateway.fakes.worker import UNSERVED, announce, store_of
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.gateway.other_client import OtherClient, assert_no_delay
from tests.support.job_store import JobStore
from tests.support.valkey import running_valkey
from tests.support.waiting import PATIENCE_S, wait_until

NUM_SEQUENCES, NUM_TOKENS, NUM_TOP = 16, 600, 20
NUM_WORDS = 9_000
NUM_EVENTS = 3_000


@dataclass(frozen=True)
class LargeAnswer:
    """A request, and the output of its job."""

    name: str
    path: str
    model: str
    body: dict[str, Any]
    output: Callable[[], Any]
    is_form: bool = False


def generated() -> GenerateOutput:
    """Return sequences with many likely tokens at each position: some megabytes."""
    tokens = [Token(number, " word", -1.2345678) for number in range(NUM_TOKENS)]
    top = [[Token(number, f" word{number}", -2.345678) for number in range(NUM_TOP)]] * NUM_TOKENS
    details = Details(finish_reason="length", generated_tokens=NUM_TOKENS, seed=1, tokens=tokens, top_tokens=top)
    one = GeneratedSequence(generated_text=" word" * NUM_TOKENS, finish_reason="length", details=details)
    return GenerateOutput(**msgspec.structs.asdict(one), sequences=[one] * NUM_SEQUENCES)


def vectors() -> list[list[float]]:
    return [[number / 7919 for number in range(384)]] * 2048


def corrected() -> DenoiseOutput:
    plain = "teh " * NUM_WORDS
    edits = [Edit(4 * number, 3, ["the"]) for number in range(NUM_WORDS)]
    return DenoiseOutput(text=plain.replace("teh", "the"), finish_reason="eos_token", edits=edits)


def translated() -> list[TranslateOutput]:
    return [TranslateOutput(text="Half past four. " * 250, finish_reason="eos_token")] * 2048


def marked_up() -> str:
    """Return misspelt words, each followed by markup of many full stops."""
    part = '{"text":"teh"},{"markup":"' + "." * 300 + '","interpretAs":" "}'
    return '{"annotation":[' + ",".join([part] * NUM_WORDS) + "]}"


CHAT = {"model": UNSERVED_GENERATOR, "messages": [{"role": "user", "content": "hi"}], "n": NUM_SEQUENCES}
COMPLETION = {"model": UNSERVED_GENERATOR, "prompt": "hi", "n": NUM_SEQUENCES, "logprobs": 5}
CHECK = {"language": "xx", "data": marked_up()}
TRANSLATE = {"q": ["half past four"] * 2048, "source": "xx", "target": "yy"}
EMBED = {"input": ["a"] * 2048, "model": UNSERVED}
ANSWERS = [
    LargeAnswer("chat", "/v1/chat/completions", UNSERVED_GENERATOR, {**CHAT, "logprobs": True, "top_logprobs": 20},
                generated),
    LargeAnswer("completions", "/v1/completions", UNSERVED_GENERATOR, COMPLETION, lambda: [generated()]),
    LargeAnswer("vectors in base64", "/v1/embeddings", UNSERVED, {**EMBED, "encoding_format": "base64"}, vectors),
    LargeAnswer("vectors", "/v1/embeddings", UNSERVED, EMBED, vectors),
    LargeAnswer("vectors as they are", "/v1/embed", UNSERVED, {"inputs": ["a"] * 2048, "model": UNSERVED}, vectors),
    LargeAnswer("corrections", "/v2/check", UNSERVED_CORRECTOR, CHECK, corrected, is_form=True),
    LargeAnswer("translations", "/translate", UNSERVED_TRANSLATOR, TRANSLATE, translated),
    LargeAnswer("a stream without events", "/v1/chat/completions", UNSERVED_GENERATOR,
                {**CHAT, "logprobs": True, "top_logprobs": 20, "stream": True}, generated),
]  # fmt: skip


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, JobStore]]:
    folder: Path = tmp_path_factory.mktemp("large")
    with running_valkey(folder / "valkey") as valkey:
        announce(valkey.url)
        store = store_of(valkey.url)
        with running_gateway(valkey.url, folder, TRIPTYCH_GATEWAY_PROCESSES="1") as gateway:
            yield gateway, store
        store.client.close()


def claimed(store: JobStore, model: str) -> Claim:
    """Return the next job of a model."""
    return wait_until(lambda: store.claim(queue_of(model), "by hand"), "no job")


def finish(store: JobStore, claim: Claim, output: bytes) -> None:
    """Finish a job with an output."""
    usage = b'{"items":1,"tokens_in":1,"tokens_used":1,"truncated_items":0}'
    assert store.succeed(claim, Answer(output=output, usage=usage, timings=b"{}", model_revision="r1"))


def post(gateway: GatewayProcess, answer: LargeAnswer) -> httpx.Response:
    content: dict[str, Any] = {"data" if answer.is_form else "json": answer.body}
    return httpx.post(gateway.url + answer.path, timeout=PATIENCE_S, **content)


def delay_of(gateway: GatewayProcess, store: JobStore, answer: LargeAnswer, output: bytes) -> float:
    """Return how long another client waits while an answer is made of an output."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post, gateway, answer)
        claim = claimed(store, answer.model)
        with OtherClient(gateway.port) as other:
            finish(store, claim, output)
            response = waiting.result()
            delay_s = other.end()
    assert response.status_code == 200 and len(response.content) > 100_000, response.text[:300]
    return delay_s


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
def test_no_answer_delays_another_client(servers: tuple[GatewayProcess, JobStore], answer: LargeAnswer) -> None:
    gateway, store = servers
    output = msgspec.json.encode(answer.output())
    delay_of(gateway, store, answer, output)  # the first one also starts the child process
    assert_no_delay(gateway, lambda: delay_of(gateway, store, answer, output))


def test_no_job_delays_another_client(servers: tuple[GatewayProcess, JobStore]) -> None:
    """Neither a large output, nor as many events as a job may have, or many clients that follow them at once."""
    gateway, store = servers
    url = f"{gateway.url}/v1/jobs"
    body = {"task": "generate", "model": UNSERVED_GENERATOR, "inputs": "hi", "stream": True}
    job = httpx.post(url, json=body, timeout=PATIENCE_S).json()
    claim = claimed(store, UNSERVED_GENERATOR)
    for number in range(NUM_EVENTS):
        delta = TextDelta(text="word ", tokens=[Token(number, "word ", -1.5)])
        store.publish([(claim, msgspec.json.encode([delta]))], f"{claim.attempt}.{number}")
        if number % 100 == 0:
            store.renew_leases([(claim.id, claim.attempt)])
    finish(store, claim, msgspec.json.encode(generated()))
    for path, num_clients in ((job["urls"]["self"], 1), (job["urls"]["events"], 1), (job["urls"]["events"], 8)):
        assert_no_delay(gateway, lambda: reading_delay(gateway, path, num_clients))  # noqa: B023


def reading_delay(gateway: GatewayProcess, path: str, num_clients: int) -> float:
    """Return how long another client waits while some clients read a path at the same time."""

    def read(_: int) -> int:
        with httpx.stream("GET", gateway.url + path, timeout=PATIENCE_S) as response:
            return sum(map(len, response.iter_raw()))

    with ThreadPoolExecutor(num_clients) as pool, OtherClient(gateway.port) as other:
        sizes = list(pool.map(read, range(num_clients)))
        delay_s = other.end()
    assert min(sizes) > 100_000
    return delay_s
