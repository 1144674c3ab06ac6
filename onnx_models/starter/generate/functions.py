"""Small Python functions: a signature, a docstring, and the body that does what the docstring says.

A text is accepted if it is what the rules write after its own first two lines. Tests run the bodies to show that they
do what their docstrings say. **Held out from training** are combinations of an operation with the names of its
parameters and its constant.
"""

import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from onnx_models.starter.texts.data import Rows, Words, load
from onnx_models.starter.texts.held_out import is_held_out
from onnx_models.starter.texts.templates import Template, fill

_HEAD = re.compile(r'def (?P<name>\w+)\((?P<parameters>[\w, ]+)\):\n    """(?P<docstring>[^"\n]+)"""\n')


@dataclass(frozen=True)
class Operation:
    """What a function can do. The slots ``p``, ``q`` and ``r`` of its texts are parameters, ``k`` is a constant."""

    parameters: tuple[str, ...]
    """What each parameter holds: a key of `PARAMETER_NAMES`."""
    names: tuple[str, ...]
    docstrings: tuple[str, ...]
    body: str

    @property
    def slots(self) -> str:
        """The slots of the parameters."""
        return "pqr"[: len(self.parameters)]

    @property
    def has_constant(self) -> bool:
        """Whether the body contains a constant."""
        return "{k}" in self.body


class Operations(tuple[Operation, ...]):
    """A table with one operation a row: parameters, names, docstrings separated by ``;``, and body."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the table."""
        return cls(
            Operation(
                Words.parse(parameters),
                Words.parse(names),
                tuple(docstrings.split("; ")),
                body.replace(r"\n", "\n    "),
            )
            for parameters, names, docstrings, body in Rows.parse(text)
        )


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    operations: Operations
    parameters: dict[str, Words]


_FILE = load(Path(__file__).with_name("functions.toml"), _File)
OPERATIONS, PARAMETER_NAMES = _FILE.operations, _FILE.parameters
CONSTANTS = tuple(str(number) for number in range(2, 21))


@dataclass(frozen=True)
class Head:
    """The first two lines of a function, which are the prompt."""

    operation: Operation
    name: str
    docstring: str
    values: dict[str, str]
    """The parameters' names by slot, and the constant."""

    @property
    def text(self) -> str:
        """Signature and docstring, with a line break at the end."""
        parameters = ", ".join(self.values[slot] for slot in self.operation.slots)
        return f'def {self.name}({parameters}):\n    """{fill(self.docstring, self.values)}"""\n'


def random_head(rng: random.Random, *, held_out: bool = False) -> Head:
    """Return the head of a function that is in training, or of one that is held out."""
    while True:
        operation = rng.choice(OPERATIONS)
        name, docstring = rng.choice(operation.names), rng.choice(operation.docstrings)
        values = {"k": rng.choice(CONSTANTS)} if operation.has_constant else {}
        for slot, kind in zip(operation.slots, operation.parameters, strict=True):
            values[slot] = rng.choice([name for name in PARAMETER_NAMES[kind] if name not in values.values()])
        # By the first name: otherwise a held-out function would be in training under another name.
        if is_held_out(operation.names[0], *values.values()) == held_out:
            return Head(operation, name, docstring, values)


def write_function(head: Head) -> str:
    """Return the whole function, without a line break at its end."""
    return f"{head.text}    {fill(head.operation.body, head.values)}"


def is_function(text: str) -> bool:
    """Return whether a text is a function that `write_function` could write, with nothing after it."""
    head = parse_head(text)
    return head is not None and text == write_function(head)


def parse_head(text: str) -> Head | None:
    """Return the head of the function that a text begins with; None if the rules do not know it."""
    found = _HEAD.match(text)
    if not found:
        return None
    name, parameters = found["name"], found["parameters"].split(", ")
    for operation in OPERATIONS:
        if name in operation.names and len(set(parameters)) == len(parameters) == len(operation.slots):
            names = dict(zip(operation.slots, parameters, strict=True))
            return _parse_docstring(operation, name, found["docstring"], names)
    return None


def _parse_docstring(operation: Operation, name: str, docstring: str, names: dict[str, str]) -> Head | None:
    """Return the head if the operation allows these names of parameters and this docstring."""
    allowed = zip(operation.slots, operation.parameters, strict=True)
    if any(names[slot] not in PARAMETER_NAMES[kind] for slot, kind in allowed):
        return None
    choices = {slot: (word,) for slot, word in names.items()} | {"k": CONSTANTS}
    for text in operation.docstrings:
        values = Template(text, choices).parse(docstring)
        if values is not None:
            return Head(operation, name, text, {**values, **names})
    return None
