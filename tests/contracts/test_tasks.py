"""What the types of each task accept and refuse: no value is coerced, and no unknown field is accepted."""

from typing import Any

import msgspec
import pytest

from contracts.generation import MAX_MESSAGES, GenerateRequest
from contracts.sampling import MAX_STOPS
from contracts.seq2seq import DenoiseRequest, SummarizeRequest, Text2TextRequest, TranslateRequest
from contracts.shapes import MAX_INPUTS, num_inputs
from contracts.tasks import TASKS
from contracts.tasks.classify import ClassifyRequest
from contracts.tasks.embed import EmbedRequest

REQUESTS = {
    "embed": EmbedRequest,
    "classify": ClassifyRequest,
    "generate": GenerateRequest,
    "translate": TranslateRequest,
    "summarize": SummarizeRequest,
    "denoise": DenoiseRequest,
    "text2text": Text2TextRequest,
}
CHAT = {"messages": [{"role": "user", "content": "Who is there?"}]}
PAIR = {"text": "a", "text_pair": "b"}


def decode(task: str, body: dict[str, Any]) -> Any:
    """Encode and validate a body as gateway and worker do."""
    return msgspec.json.decode(msgspec.json.encode(body), type=REQUESTS[task])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "inputs", ["hello", "é\u0000\U0001f600", " x", ["one"], ["one", "two"], ["x"] * MAX_INPUTS], ids=lambda _: ""
)
def test_a_text_or_a_list_of_texts_is_accepted(task: str, inputs: Any) -> None:
    assert decode(task, {"inputs": inputs}).inputs == inputs


@pytest.mark.parametrize(
    "inputs",
    [
        None,
        1,
        True,
        {},
        [],
        "",
        [""],
        ["fine", ""],
        [1],
        [None],
        [["nested"]],
        {"text": "a"},
        {**PAIR, "x": 1},
        {"text": "", "text_pair": "b"},
        ["x"] * (MAX_INPUTS + 1),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("task", TASKS)
def test_other_inputs_are_refused(task: str, inputs: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"inputs"):
        decode(task, {"inputs": inputs})


def test_only_classify_accepts_pairs() -> None:
    assert decode("classify", {"inputs": PAIR}).inputs.text_pair == "b"
    assert len(decode("classify", {"inputs": [PAIR, "plain"]}).inputs) == 2
    for inputs in (PAIR, [PAIR]):
        with pytest.raises(msgspec.ValidationError):
            decode("embed", {"inputs": inputs})


@pytest.mark.parametrize(
    ("task", "parameters"),
    [
        ("embed", {}),
        ("embed", {"normalize": False, "dimensions": 8, "truncate": "left"}),
        ("embed", {"normalize": None, "dimensions": None}),
        ("classify", {"function_to_apply": "sigmoid", "top_k": 3, "truncate": "right"}),
        ("classify", {"function_to_apply": None, "top_k": None}),
        ("generate", {"max_new_tokens": 1, "temperature": 0, "top_p": 0, "min_p": 1, "top_k": 0}),
        ("generate", {"seed": 2**63 - 1, "stop": ["a", "b"], "n": 2, "best_of": 3}),
        ("generate", {"seed": -(2**63), "stop": "\n", "details": True, "top_n_tokens": 20}),
        ("generate", {"max_new_tokens": None, "temperature": None, "seed": None, "best_of": None}),
    ],
)
def test_valid_parameters_are_accepted(task: str, parameters: dict[str, Any]) -> None:
    decoded = decode(task, {"inputs": "x", "parameters": parameters}).parameters
    assert {name: getattr(decoded, name) for name in parameters} == parameters


@pytest.mark.parametrize(
    ("task", "parameters"),
    [
        ("embed", {"normalise": True}),
        ("embed", {"normalize": 1}),
        ("embed", {"normalize": "true"}),
        ("embed", {"dimensions": 0}),
        ("embed", {"dimensions": 1.5}),
        ("embed", {"dimensions": True}),
        ("embed", {"dimensions": "8"}),
        ("embed", {"truncate": "middle"}),
        ("embed", {"truncate": None}),
        ("embed", {"top_k": 1}),
        ("classify", {"top_k": -1}),
        ("classify", {"function_to_apply": "Softmax"}),
        ("classify", {"dimensions": 8}),
        ("classify", []),
        ("generate", {"max_new_tokens": 0}),
        ("generate", {"max_new_tokens": -1}),
        ("generate", {"max_new_tokens": 10**9}),
        ("generate", {"temperature": 1e9}),
        ("generate", {"temperature": -0.1}),
        ("generate", {"top_p": 1.01}),
        ("generate", {"typical_p": 0}),
        ("generate", {"repetition_penalty": 0}),
        ("generate", {"frequency_penalty": 2.5}),
        ("generate", {"seed": 2**63}),
        ("generate", {"seed": 2**64}),
        ("generate", {"seed": 1.5}),
        ("generate", {"stop": ["x"] * (MAX_STOPS + 1)}),
        ("generate", {"stop": [""]}),
        ("generate", {"stop": "x" * 257}),
        ("generate", {"n": 0}),
        ("generate", {"n": 3, "best_of": 2}),
        ("generate", {"top_n_tokens": 1}),
        ("generate", {"details": True, "top_n_tokens": 21}),
        ("generate", {"grammar": {}}),
    ],
)
def test_invalid_parameters_are_refused_by_name(task: str, parameters: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"parameters|field"):
        decode(task, {"inputs": "x", "parameters": parameters})


def test_only_generate_accepts_conversations() -> None:
    assert decode("generate", {"inputs": CHAT}).inputs.messages[0].text == "Who is there?"
    parts = [{"type": "text", "text": "Who "}, {"type": "text", "text": "is there?"}]
    decoded = decode("generate", {"inputs": ["plain", {"messages": [{"role": "user", "content": parts}]}]}).inputs
    assert decoded[1].messages[0].text == "Who is there?"
    with pytest.raises(msgspec.ValidationError):
        decode("embed", {"inputs": CHAT})


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "wizard", "content": "x"}],
        [{"role": "user"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
        [{"role": "user", "content": "x", "tool_calls": []}],
        CHAT["messages"] * (MAX_MESSAGES + 1),
    ],
    ids=lambda value: str(value)[:40],
)
def test_other_messages_are_refused(messages: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"messages"):
        decode("generate", {"inputs": {"messages": messages}})


@pytest.mark.parametrize("task", TASKS)
def test_unknown_fields_of_a_request_are_refused(task: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `priority`"):
        decode(task, {"inputs": "x", "priority": 1})


def test_each_task_has_types_with_json_schemas() -> None:
    for name, task in TASKS.items():
        assert task.name == name and task.summary
        schemas, _ = msgspec.json.schema_components([task.inputs, task.parameters, task.output])
        assert len(schemas) == 3


def test_a_task_streams_if_its_request_says_so() -> None:
    assert set(REQUESTS) == set(TASKS)
    for name, task in TASKS.items():
        assert ("stream" in REQUESTS[name].__struct_fields__) == bool(task.stream)


def test_a_worker_decodes_what_a_gateway_encoded() -> None:
    request = ClassifyRequest(inputs=["a", "b"])
    assert msgspec.json.decode(msgspec.json.encode(request), type=ClassifyRequest) == request


@pytest.mark.parametrize(("inputs", "expected"), [("abc", 1), (["a", "b"], 2), (object(), 1)])
def test_inputs_are_counted_as_the_client_counts_them(inputs: object, expected: int) -> None:
    assert num_inputs(inputs) == expected
