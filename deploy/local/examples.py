"""The demo's inputs for each task that is not streamed, and how it shows the answers."""

from dataclasses import dataclass, field
from typing import Any


class DemoError(Exception):
    """The demo failed; the message says where."""


@dataclass(frozen=True)
class Example:
    """The inputs for a task. The first one is also submitted as a background job."""

    inputs: list[str]
    parameters: dict[str, Any] = field(default_factory=dict)


EXAMPLES: dict[str, Example] = {
    "embed": Example(
        [
            "How do I reset my password?",
            "I need help to change my password.",
            "A man is playing the guitar in the park.",
        ]
    ),
    "classify": Example(
        [
            "The staff were wonderful and the food was delicious.",
            "Terrible service, I waited two hours and nobody came.",
            "The shop is closed on Sundays.",
        ]
    ),
    "translate": Example(
        [
            "The train leaves at half past seven on Monday, 3 March. It costs 12 euros.",
            "There are eighty-one cats in the garden.",
        ],
        {"src_lang": "en", "tgt_lang": "de"},
    ),
    "summarize": Example(
        [
            "It rained for most of the match. The teams met in Leeds on Sunday. Anna Ashford scored after 12 minutes. "
            "United lost 1-3 to Rovers. The next match is on Friday in York.",
        ]
    ),
    "denoise": Example(["Teh dog is sleeping in the gardn.", "My brother plays the guitar."]),
}
_TEXTS = {"translate": "translation_text", "summarize": "summary_text", "denoise": "corrected_text"}
"""The field that holds the text, for tasks that answer with a text."""


def example_of(model: dict[str, Any]) -> Example:
    """Return the example for a model.

    Raises:
        DemoError: there is no example for its task.
    """
    try:
        return EXAMPLES[model["task"]]
    except KeyError:
        raise DemoError(f"no example for the task {model['task']} of {model['id']}") from None


def lines_of(task: str, answers: list[Any]) -> list[str]:
    """Return one readable line for each answer."""
    if task in _TEXTS:
        return [answer[_TEXTS[task]] for answer in answers]
    if task == "classify":
        return [", ".join(f"{best['label']} {best['score']:.3f}" for best in answer[:2]) for answer in answers]
    first = answers[0]
    head = f"{len(first)} numbers: " + " ".join(f"{number:+.2f}" for number in first[:4]) + " …"
    return [head] + [f"similarity to the first: {_cosine(first, other):.2f}" for other in answers[1:]]


def _cosine(one: list[float], other: list[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    lengths = sum(a * a for a in one) * sum(b * b for b in other)
    return float(dot / lengths**0.5)
