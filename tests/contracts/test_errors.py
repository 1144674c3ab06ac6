"""The docstring of the error tree matches the classes."""

import re

from contracts import errors
from contracts.errors import TriptychError, by_code

LINE = re.compile(r"^ {4}(?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+) +(?P<status>\d{3}) +(?P<code>\w+)", re.M)


def drawn_errors() -> list[tuple[int, str, int, str]]:
    """Return depth, name, status and code of each class in the drawing."""
    return [
        (len(match["branch"]) // 4, match["name"], int(match["status"]), match["code"])
        for match in LINE.finditer(errors.__doc__ or "")
    ]


def defined_errors(cls: type[TriptychError] = TriptychError, depth: int = 0) -> list[tuple[int, str, int, str]]:
    """Return depth, name, status and code of a class and all its subclasses."""
    found = [(depth, cls.__name__, cls.http_status, cls.code)]
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            found += defined_errors(child, depth + 1)
    return found


def test_the_docstring_is_the_tree() -> None:
    assert drawn_errors() == defined_errors()


def test_codes_are_unique_and_lead_back_to_their_class() -> None:
    codes = [code for _, _, _, code in defined_errors()]
    assert len(set(codes)) == len(codes)
    for _, name, _, code in defined_errors():
        assert by_code(code).__name__ == name


def test_a_code_of_another_version_is_an_internal_error() -> None:
    assert by_code("not_yet_known") is TriptychError


def test_only_temporary_errors_are_retryable() -> None:
    for _, name, status, code in defined_errors():
        if 400 <= status < 500 and status != 429:
            assert not by_code(code).retryable, name


def test_an_error_without_text_has_its_fixed_message() -> None:
    assert str(TriptychError()) == TriptychError().message == TriptychError.fixed_message
    error = errors.InvalidRequest("No.", param="inputs")
    assert (error.message, error.param) == ("No.", "inputs")
