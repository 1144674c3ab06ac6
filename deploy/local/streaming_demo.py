"""The demo's text generation: a poem, a function and a conversation, printed while the model generates them."""

import time
from collections.abc import Callable, Iterator

from deploy.local.client import stream

POEM = "Poem: the silver moon\n"
CODE = 'def area(x, y):\n    """Return the product of x and y."""\n'
SHOP = "You work at a bakery. It opens at 7 and closes at 18. It sells bread for 3 euros and cake for 9 euros."
QUESTIONS = ("Hello, I am Clara.", "When do you close?", "What is my name?")
MAX_NEW_TOKENS = 120
_INDENT = "    "
Delta = tuple[str, int]
"""New text, and the number of tokens so far; 0 where the route does not report it."""


def show_generation(url: str, model: str, *, chat: bool, between: Callable[[], None]) -> None:
    """Let a model generate texts, and print each delta as it arrives.

    Args:
        url: the gateway, which is ready.
        model: the name of a model for the task `generate`.
        chat: whether the model has a chat template.
        between: called before each text.

    Raises:
        CallError: a call failed.
    """
    for prompt in (POEM, CODE):
        between()
        print(f"POST /v1/generate, streamed: {model}\n\n{_INDENT}{_indented(prompt)}", end="")
        _print_stream(_complete(url, model, prompt))
    if not chat:
        return
    print(f"POST /v1/chat/completions, streamed: {model}\n\n{_INDENT}system: {_indented(SHOP)}")
    messages = [{"role": "system", "content": SHOP}]
    for question in QUESTIONS:
        between()
        print(f"{_INDENT}user: {question}\n{_INDENT}assistant: ", end="")
        messages.append({"role": "user", "content": question})
        # The answer becomes part of the conversation, so the model can use what was said before.
        messages.append({"role": "assistant", "content": _print_stream(_chat(url, model, messages))})


def _complete(url: str, model: str, prompt: str) -> Iterator[Delta]:
    parameters = {"max_new_tokens": MAX_NEW_TOKENS}
    for item in stream(f"{url}/v1/generate", {"model": model, "inputs": prompt, "parameters": parameters}):
        yield item["token"]["text"], item["index"]


def _chat(url: str, model: str, messages: list[dict[str, str]]) -> Iterator[Delta]:
    more = {"max_tokens": MAX_NEW_TOKENS, "stream_options": {"include_usage": True}}
    for chunk in stream(f"{url}/v1/chat/completions", {"model": model, "messages": messages, **more}):
        for choice in chunk["choices"]:
            yield choice["delta"].get("content") or "", 0
        if chunk.get("usage"):
            yield "", chunk["usage"]["completion_tokens"]


def _print_stream(deltas: Iterator[Delta]) -> str:
    """Print deltas as they arrive, and their speed; return the text."""
    text, num_tokens, first_s = "", 0, 0.0
    started = time.perf_counter()
    for delta, num_tokens in deltas:  # noqa: B007 - the last number is used
        first_s = first_s or time.perf_counter() - started
        text += delta
        print(_indented(delta), end="", flush=True)
    speed = num_tokens / (time.perf_counter() - started)
    print(f"\n\n{2 * _INDENT}first token after {1000 * first_s:.0f} ms, {num_tokens} tokens at {speed:.0f} tokens/s\n")
    return text


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + _INDENT)
