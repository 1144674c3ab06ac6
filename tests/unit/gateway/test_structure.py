"""The bound on values and depth agrees with what a parser finds, whatever texts hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import MalformedBody, PayloadTooLarge
from services.gateway.http.bodies.strict_json import parse
from services.gateway.http.bodies.structure import MAX_DEPTH, check_structure

TEXT = st.text('a,[]{}":\\\n\u00e4', max_size=8)
DOCUMENTS = st.recursive(
    st.none() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=60,
)


def num_separators(document: Any) -> int:
    """Return how many commas and opening brackets a document has outside of its texts."""
    if not isinstance(document, list | dict):
        return 0
    items = document if isinstance(document, list) else list(document.values())
    return 1 + max(len(items) - 1, 0) + sum(map(num_separators, items))


@given(document=DOCUMENTS, ascii_only=st.booleans())
def test_the_number_of_values_is_what_a_parser_would_find(document: Any, ascii_only: bool) -> None:
    raw = json.dumps(document, ensure_ascii=ascii_only).encode()
    num = num_separators(document)
    check_structure(raw, max_values=num + 1)
    if num > 0:
        with pytest.raises(PayloadTooLarge, match=f"more than {num - 1} values"):
            check_structure(raw, max_values=num - 1)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"[":', "}]"), ('[0,"]",[', "]]")])
def test_the_limit_of_depth_is_exact(opening: str, closing: str) -> None:
    levels = opening.count("[") + opening.count("{") - opening.count('"["')
    times = MAX_DEPTH // levels
    document = opening * times + "0" + closing * times
    assert parse(document.encode()) == json.loads(document)
    with pytest.raises(MalformedBody, match="nested too deeply"):
        parse(f"[{document}]".encode())
    # Side by side they are no deeper, however many brackets there are.
    parse(f"[{','.join([document[len(opening) : -len(closing)]] * 50)}]".encode())


def test_a_body_that_ends_early_is_not_called_deep() -> None:
    pairs = '{"inputs":[' + '{"text":"a","text_pair":"b"},' * 200
    with pytest.raises(MalformedBody, match="not JSON"):
        parse(pairs.encode())


def test_texts_of_brackets_and_commas_are_fine() -> None:
    text = ',[{"\\' * 100_000
    assert parse(json.dumps([text]).encode()) == [text]
