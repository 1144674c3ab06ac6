"""The demo's text generation: a poem, a function and a conversation, printed while the model writes them."""

import time
from collections.abc import Callable, Iterator

from deploy.local.client import stream

POEM = "Poem: the silver moon\n"
CODE = 'def area(x, y):\n    """Return the product of x and y."""\n'
SHOP = "You work at a bakery. It opens at 7 and closes at 18. It sells bread for 3 euros and cake for 9 euros."
QUESTIONS = ("Hello, I am Clara.", "When do you close?", "What is my name?")
MAX_NEW_TOKENS = 120
_INDENT = "    "
Grown = tuple[str, int]
"""What a text has grown by, and the number of its tokens up to now; 0 where the route does not tell."""


def show_writing(url: str, model: str, *, chat: bool, between: Callable[[], None]) -> None:
    """Let a model write, and print each piece as it comes.

    Args:
        url: the gateway, ready to serve.
        model: its name; it does the task `generate`.
        chat: whether it takes conversations.
        between: called before each text.

    Raises:
        CallError: a call failed.
    """
    for prompt in (POEM, CODE):
        between()
        print(f"POST /v1/generate, streamed: {model}\n\n{_INDENT}{_indented(prompt)}", end="")
        _print_growing(_continue(url, model, prompt))
    if not chat:
        return
    print(f"POST /v1/chat/completions, streamed: {model}\n\n{_INDENT}system: {_indented(SHOP)}")
    messages = [{"role": "system", "content": SHOP}]
    for question in QUESTIONS:
        between()
        print(f"{_INDENT}user: {question}\n{_INDENT}assistant: ", end="")
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": _print_growing(_converse(url, model, messages))})


def _continue(url: str, model: str, prompt: str) -> Iterator[Grown]:
    parameters = {"max_new_tokens": MAX_NEW_TOKENS}
    for item in stream(f"{url}/v1/generate", {"model": model, "inputs": prompt, "parameters": parameters}):
        yield item["token"]["text"], item["index"]


def _converse(url: str, model: str, messages: list[dict[str, str]]) -> Iterator[Grown]:
    more = {"max_tokens": MAX_NEW_TOKENS, "stream_options": {"include_usage": True}}
    for chunk in stream(f"{url}/v1/chat/completions", {"model": model, "messages": messages, **more}):
        for choice in chunk["choices"]:
            yield choice["delta"].get("content") or "", 0
        if chunk.get("usage"):
            yield "", chunk["usage"]["completion_tokens"]


def _print_growing(pieces: Iterator[Grown]) -> str:
    """Print pieces as they come, and how fast they came; return the text."""
    text, num_tokens, first_s = "", 0, 0.0
    started = time.perf_counter()
    for piece, num_tokens in pieces:  # noqa: B007 - the last number is used
        first_s = first_s or time.perf_counter() - started
        text += piece
        print(_indented(piece), end="", flush=True)
    speed = num_tokens / (time.perf_counter() - started)
    print(f"\n\n{2 * _INDENT}first token after {1000 * first_s:.0f} ms, {num_tokens} tokens at {speed:.0f} tokens/s\n")
    return text


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + _INDENT)
