"""What the small functions do: how each may be called, what its docstring says, its body, and what it must answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onnx_models.starter.templates import words

NAMES: dict[str, tuple[str, ...]] = {
    "number": words("a, b, c, x, y, z, n, m, number, value, count, size, amount, total, price, speed, age, score"),
    "text": words("text, name, word, line, title, message, label, sentence, key, phrase"),
    "list": words("numbers, values, items, scores, prices, ages, sizes, points, counts, amounts"),
}
"""What parameters are called, by what they hold."""
CONSTANTS = tuple(str(number) for number in range(2, 21))
"""What the gap ``k`` of a docstring may be."""


@dataclass(frozen=True)
class Operation:
    """One thing to do. Docstrings and the body have gaps ``p``, ``q``, ``r``, the parameters, and maybe ``k``."""

    kinds: tuple[str, ...]
    """What each parameter holds."""
    names: tuple[str, ...]
    """What the function may be called."""
    docstrings: tuple[str, ...]
    body: str
    rule: Callable[..., Any]
    """Takes the arguments, and behind them the constant if there is one."""

    @property
    def gaps(self) -> str:
        """The gaps that stand for parameters."""
        return "pqr"[: len(self.kinds)]

    @property
    def takes_constant(self) -> bool:
        """Whether there is a constant in it."""
        return "{k}" in self.body


def _operation(kinds: str, names: str, docstrings: str, body: str, rule: Callable[..., Any]) -> Operation:
    """Read an operation from a row of the table: names parted by commas, docstrings by ``;``, lines by ``|``."""
    sayings = tuple(part.strip() for part in docstrings.split(";"))
    return Operation(tuple(kinds.split()), words(names), sayings, body.replace("|", "\n    "), rule)


_ONE, _TWO, _THREE = "number", "number number", "number number number"
OPERATIONS = (
    _operation(_TWO, "add, plus, add_up", "Return the sum of {p} and {q}.; Add {q} to {p}.", "return {p} + {q}",
               lambda p, q: p + q),
    _operation(_TWO, "subtract, minus, difference", "Return {p} minus {q}.; Subtract {q} from {p}.",
               "return {p} - {q}", lambda p, q: p - q),
    _operation(_TWO, "multiply, times, area", "Return the product of {p} and {q}.; Multiply {p} by {q}.",
               "return {p} * {q}", lambda p, q: p * q),
    _operation(_THREE, "add_three, sum_of_three", "Return the sum of {p}, {q} and {r}.", "return {p} + {q} + {r}",
               lambda p, q, r: p + q + r),
    _operation(_TWO, "perimeter, fence_length", "Return the perimeter of a rectangle of {p} by {q}.",
               "return 2 * ({p} + {q})", lambda p, q: 2 * (p + q)),
    _operation(_TWO, "average, mean, middle", "Return the average of {p} and {q}.", "return ({p} + {q}) / 2",
               lambda p, q: (p + q) / 2),
    _operation(_TWO, "larger, maximum, biggest", "Return the larger of {p} and {q}.",
               "if {p} > {q}:|    return {p}|return {q}", max),
    _operation(_TWO, "smaller, minimum, least", "Return the smaller of {p} and {q}.",
               "if {p} < {q}:|    return {p}|return {q}", min),
    _operation(_TWO, "same, is_equal", "Tell whether {p} and {q} are equal.", "return {p} == {q}", lambda p, q: p == q),
    _operation(_TWO, "is_above, is_greater", "Tell whether {p} is greater than {q}.", "return {p} > {q}",
               lambda p, q: p > q),
    _operation(_THREE, "clamp, limit", "Return {p}, but at least {q} and at most {r}.",
               "if {p} < {q}:|    return {q}|if {p} > {r}:|    return {r}|return {p}",
               lambda p, q, r: q if p < q else min(p, r)),
    _operation(_ONE, "is_even", "Tell whether {p} is even.; Return True if {p} is even.", "return {p} % 2 == 0",
               lambda p: p % 2 == 0),
    _operation(_ONE, "is_odd", "Tell whether {p} is odd.; Return True if {p} is odd.", "return {p} % 2 == 1",
               lambda p: p % 2 == 1),
    _operation(_ONE, "is_positive", "Tell whether {p} is positive.", "return {p} > 0", lambda p: p > 0),
    _operation(_ONE, "is_negative", "Tell whether {p} is negative.", "return {p} < 0", lambda p: p < 0),
    _operation(_ONE, "square", "Return the square of {p}.; Multiply {p} by itself.",
               "return {p} * {p}", lambda p: p * p),
    _operation(_ONE, "cube", "Return the cube of {p}.", "return {p} * {p} * {p}", lambda p: p**3),
    _operation(_ONE, "negate, opposite", "Return minus {p}.", "return -{p}", lambda p: -p),
    _operation(_ONE, "absolute, distance", "Return the absolute value of {p}.",
               "if {p} < 0:|    return -{p}|return {p}", abs),
    _operation(_ONE, "add_some, increase", "Return {p} plus {k}.; Add {k} to {p}.", "return {p} + {k}",
               lambda p, k: p + k),
    _operation(_ONE, "take_some, decrease", "Return {p} minus {k}.; Subtract {k} from {p}.", "return {p} - {k}",
               lambda p, k: p - k),
    _operation(_ONE, "scale, grow", "Return {p} times {k}.; Multiply {p} by {k}.",
               "return {p} * {k}", lambda p, k: p * k),
    _operation(_ONE, "is_many, is_high", "Tell whether {p} is greater than {k}.",
               "return {p} > {k}", lambda p, k: p > k),
    _operation(_ONE, "is_few, is_low", "Tell whether {p} is less than {k}.", "return {p} < {k}", lambda p, k: p < k),
    _operation("text", "greet, hello", "Say hello to {p}.; Return a greeting for {p}.",
               'return "Hello, " + {p} + "!"', lambda p: f"Hello, {p}!"),
    _operation("text", "shout, upper", "Return {p} in capital letters.", "return {p}.upper()", str.upper),
    _operation("text", "whisper, lower", "Return {p} in small letters.", "return {p}.lower()", str.lower),
    _operation("text", "length, num_letters", "Return the number of letters in {p}.", "return len({p})", len),
    _operation("text", "first_letter, initial", "Return the first letter of {p}.", "return {p}[0]", lambda p: p[0]),
    _operation("text", "is_empty", "Tell whether {p} is empty.", "return len({p}) == 0", lambda p: len(p) == 0),
    _operation("text number", "repeat, echo", "Return {p} repeated {q} times.", "return {p} * {q}", lambda p, q: p * q),
    _operation("text text", "join, glue", "Return {p} and {q} with a space between them.", 'return {p} + " " + {q}',
               lambda p, q: f"{p} {q}"),
    _operation("list", "add_all, sum_up", "Return the sum of all {p}.; Add up all {p}.",
               "total = 0|for item in {p}:|    total += item|return total", sum),
    _operation("list", "num_all, how_many", "Return the number of {p}.", "return len({p})", len),
    _operation("list", "first, head", "Return the first of the {p}.", "return {p}[0]", lambda p: p[0]),
    _operation("list", "last, tail", "Return the last of the {p}.", "return {p}[-1]", lambda p: p[-1]),
    _operation("list", "largest, top", "Return the largest of the {p}.", "return max({p})", max),
    _operation("list", "smallest, lowest", "Return the smallest of the {p}.", "return min({p})", min),
    _operation("list", "in_order, ordered", "Return the {p}, the smallest first.", "return sorted({p})", sorted),
    _operation("list", "backwards, reversed_list", "Return the {p} in reverse order.", "return {p}[::-1]",
               lambda p: p[::-1]),
    _operation("list", "squares, all_squared", "Return the squares of all {p}.", "return [item * item for item in {p}]",
               lambda p: [item * item for item in p]),
    _operation("list", "doubles, all_doubled", "Return twice each of the {p}.", "return [2 * item for item in {p}]",
               lambda p: [2 * item for item in p]),
    _operation("list", "evens, only_even", "Return the {p} that are even.",
               "return [item for item in {p} if item % 2 == 0]", lambda p: [item for item in p if item % 2 == 0]),
    _operation("list number", "contains, has", "Tell whether {q} is one of the {p}.", "return {q} in {p}",
               lambda p, q: q in p),
    _operation("list number", "above, only_above", "Return the {p} that are greater than {q}.",
               "return [item for item in {p} if item > {q}]", lambda p, q: [item for item in p if item > q]),
    _operation("list", "mean_of_all, average_of_all", "Return the average of all {p}.", "return sum({p}) / len({p})",
               lambda p: sum(p) / len(p)),
)  # fmt: skip
