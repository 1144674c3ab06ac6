"""Small Python functions: a signature, a docstring, and the body that does what the docstring says.

A text is accepted if it is what the rules write after its own first two lines. That these bodies do what their
docstrings say is a matter of `operations`, which tests run. **Held out from training** are combinations of an operation
with the names of its parameters and its constant.
"""

import random
import re
from dataclasses import dataclass

from onnx_models.starter.writing.gaps import Gaps, is_held_out
from onnx_models.starter.writing.operations import CONSTANTS, NAMES, OPERATIONS, Operation

_HEAD = re.compile(r'def (?P<name>\w+)\((?P<parameters>[\w, ]+)\):\n    """(?P<docstring>[^"\n]+)"""\n')


@dataclass(frozen=True)
class Head:
    """What a function is to do: the prompt."""

    operation: Operation
    name: str
    docstring: str
    filling: dict[str, str]
    """The parameters' names by gap, and the constant."""

    @property
    def text(self) -> str:
        """Signature and docstring, with a line break at the end."""
        parameters = ", ".join(self.filling[gap] for gap in self.operation.gaps)
        docstring = Gaps(self.docstring, {}).fill(self.filling)
        return f'def {self.name}({parameters}):\n    """{docstring}"""\n'


def random_head(rng: random.Random, *, held_out: bool = False) -> Head:
    """Return a task that training sees, or one that it never sees."""
    while True:
        operation = rng.choice(OPERATIONS)
        name, docstring = rng.choice(operation.names), rng.choice(operation.docstrings)
        filling = {"k": rng.choice(CONSTANTS)} if operation.takes_constant else {}
        for gap, kind in zip(operation.gaps, operation.kinds, strict=True):
            filling[gap] = rng.choice([name for name in NAMES[kind] if name not in filling.values()])
        if is_held_out(operation.names[0], *filling.values()) == held_out:
            return Head(operation, name, docstring, filling)


def write_function(head: Head) -> str:
    """Return the whole function, without a line break at its end."""
    return f"{head.text}    {Gaps(head.operation.body, {}).fill(head.filling)}"


def is_function(text: str) -> bool:
    """Tell whether a text is a function that `write_function` could write, whole and with nothing behind it."""
    head = read_head(text)
    return head is not None and text == write_function(head)


def read_head(text: str) -> Head | None:
    """Return what the function that a text begins with is to do; None: nothing that the rules know."""
    found = _HEAD.match(text)
    if not found:
        return None
    name, parameters = found["name"], found["parameters"].split(", ")
    for operation in OPERATIONS:
        if name in operation.names and len(set(parameters)) == len(parameters) == len(operation.gaps):
            words = dict(zip(operation.gaps, parameters, strict=True))
            return _read_docstring(operation, name, found["docstring"], words)
    return None


def _read_docstring(operation: Operation, name: str, docstring: str, words: dict[str, str]) -> Head | None:
    """Return the head if the parameters are named, and the docstring worded, as the operation allows."""
    if any(words[gap] not in NAMES[kind] for gap, kind in zip(operation.gaps, operation.kinds, strict=True)):
        return None
    gaps = {gap: (word,) for gap, word in words.items()} | {"k": CONSTANTS}
    for text in operation.docstrings:
        found = Gaps(text, gaps).read(docstring)
        if found is not None:
            return Head(operation, name, text, {**found, **words})
    return None
