"""HTML: markup is kept byte for byte, and only its texts are split and translated."""

import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.seq2seq.chunking.joining import ChunkAnswer, PostprocessOptions, join_answers
from workers.seq2seq.chunking.markup import escaped, segments, unescaped
from workers.seq2seq.chunking.plan import plan_html_texts, plan_sentences

FRAGMENTS = [
    "<p>", "</p>", "<b class='x>y'>", "<br/>", "<!-- a <b> -->", "<!--", "<script>if (a<b) x()</script>", "<script>",
    "<pre>", "</pre>", "<code>", "</code>", '<i translate="no">', "</i>", "<", ">", "&amp;", "&", "&nbsp;", '"', "'",
    "Hello. ", "world", " ", "\n", "<a href=\"", "<?xml ?>", "<![CDATA[ x ]]>", "<!DOCTYPE html>", "</", "<3",
]  # fmt: skip

MORE_FRAGMENTS = [
    "&#", "&#x", "&#9999999999", "&#0", "&lt;", "&lt", "&notit;", "&amp;lt;", "&#xD83D;", ";", "&#1;", "\xa0", "\u2028",
    "<a b=c d='e' f=\"g\">", "<P/>", "<xmp>", "</xmp", "<svg>", "</SVG>", "<a\n>", "<!doctype", "-->", "--!>", "=",
    "/>", "日本。語", "e.g. this", "Mr. X", "...", "\x00", "\ud800", "é\u0301",
]  # fmt: skip


def texts(document: str) -> list[str]:
    return [segment.text for segment in segments(document) if segment.is_text]


def characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('<p title="a > b">Hello <b>you</b>!</p>', ["Hello ", "you", "!"]),
        ("a < b and c > d", ["a < b and c > d"]),
        ("x <!-- not <i>this</i> --> y", ["x ", " y"]),
        ("x <!-- never closed", ["x "]),
        ("<style>p > a {}</style>a<script>if (1 < 2) '<b>'</script>b", ["a", "b"]),
        ("a<pre>no <pre>no</pre> no</pre>b<code>no</code>c", ["a", "b", "c"]),
        ("a<p translate=no>no<p>no</p></p>b<i class='big notranslate'>no</i>c", ["a", "b", "c"]),
        ("a<img translate=no>b<p translate='no'/>c", ["a", "b", "c"]),
        ("a<p data-translate='no' class='notranslated'>b</p>", ["a", "b"]),
        ('<a href="never closed>b</a> c', ["b", " c"]),
        ("a <unclosed", ["a <unclosed"]),
        ("<!DOCTYPE html><?php echo 1 ?>a<![CDATA[<b>]]>b", ["a", "b"]),
        ("I <3 you & me </ 3", ["I <3 you & me </ 3"]),
    ],
)
def test_texts_and_markup_are_separated(document: str, expected: list[str]) -> None:
    assert "".join(segment.text for segment in segments(document)) == document
    assert texts(document) == expected


@settings(derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join) | st.text(alphabet="<>/!-'\"ab =&;", max_size=40))
def test_markup_comes_back_byte_for_byte(document: str) -> None:
    found = segments(document)
    assert "".join(segment.text for segment in found) == document
    options = PostprocessOptions(strip=True, escape_html=True)
    for plan in (
        *plan_sentences([document], html=True, max_tokens=5, count_tokens=characters),
        *plan_html_texts([document]),
    ):
        same = join_answers(plan, options, [ChunkAnswer(chunk, "eos_token") for chunk in plan.chunks]).text
        kept = [segment.text for segment in found if not segment.is_text]
        position = 0
        for text in kept:
            assert text in same[position:]
            position = same.index(text, position) + len(text)
        assert unescaped(same) == unescaped("".join(segment.text for segment in found)), (
            "nothing but entities may change"
        )


def check_document(document: str) -> None:
    """Check that nothing is raised, and that the markup of a document comes back in order and byte for byte."""
    found = segments(document)
    assert "".join(segment.text for segment in found) == document
    options = PostprocessOptions(strip=True, escape_html=True)
    for plan in (
        *plan_sentences([document], html=True, max_tokens=7, count_tokens=characters),
        *plan_html_texts([document]),
    ):
        answers = [ChunkAnswer('<answer> & \xa0 "', "eos_token") for _ in plan.chunks]
        answer = join_answers(plan, options, answers).text
        position = 0
        for segment in found:
            if not segment.is_text:
                position = answer.find(segment.text, position)
                assert position >= 0, f"{segment.text!r} is lost in the answer to {document!r}"
                position += len(segment.text)


def test_ten_thousand_documents_keep_their_tags() -> None:
    rng = random.Random(14)
    pieces = [*FRAGMENTS, *MORE_FRAGMENTS]
    for _ in range(10_000):
        document = "".join(rng.choices(pieces, k=rng.randint(1, 25)))
        if rng.random() < 0.3:  # a piece of it, which may begin and end within a tag
            document = document[rng.randrange(len(document)) :][: rng.randint(1, 60)]
        check_document(document)


def test_an_answer_is_escaped() -> None:
    plan = plan_sentences(["<b>Q&amp;A</b>&nbsp;x"], html=True, max_tokens=9, count_tokens=characters)[0]
    assert plan.chunks == ("Q&A", "x")
    answers = [ChunkAnswer("<i>&", "eos_token"), ChunkAnswer("y", "eos_token")]
    assert join_answers(plan, PostprocessOptions(escape_html=True), answers).text == "<b>&lt;i&gt;&amp;</b>&nbsp;y"
    assert escaped("\xa0<") == "&nbsp;&lt;"


@pytest.mark.parametrize(
    ("entity", "character"),
    [
        ("&#" + "9" * 4301, "\ufffd"),
        ("&#" + "9" * 100_000 + ";", "\ufffd"),
        ("&#" + "0" * 5000 + "65;", "A"),
        ("&#" + "0" * 5000, "\ufffd"),
        ("&#x" + "f" * 100_000 + ";", "\ufffd"),
        ("&#x" + "0" * 5000 + "41;", "A"),
        ("&#1114112;", "\ufffd"),
        ("&#1114111;", ""),  # no character of text, and left out
        ("&#99999999999;", "\ufffd"),
        ("&#xD800;", "\ufffd"),
        ("&#65", "A"),
        ("&#", "&#"),
        ("&#x", "&#x"),
        ("&#;", "&#;"),
        ("&#\u0665;", "&#\u0665;"),  # a digit, but not of HTML
    ],
    ids=lambda value: ascii(value[:12]),
)
def test_entities_are_resolved_as_browsers_do(entity: str, character: str) -> None:
    assert unescaped(f"x{entity} y") == f"x{character} y"
    plan = plan_sentences([f"<b>word {entity} word</b>"], html=True, max_tokens=9**9, count_tokens=characters)[0]
    assert plan.chunks == (f"word {character} word",)


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "<a ",
        "<a>",
        '<a ">" ',
        "<!--",
        "<a '\">",
        "<script>",
        "<pre>",
        "</",
        "<a<",
        "<![CDATA[",
        "&amp;",
        "&",
        "&#",
        "&#9",
        "&#x",
        "<a translate ",
        "<a class='notranslat ",
        "]]>",
        "-->",
        '<a class="',
    ],
)
def test_a_megabyte_of_broken_markup_takes_linear_time(unit: str) -> None:
    def cost(size: int) -> float:
        document = unit * (size // len(unit))
        started = time.process_time()
        assert "".join(segment.text for segment in segments(document)) == document
        unescaped(document)
        plan_html_texts([document])
        return time.process_time() - started

    cost(10_000)
    assert cost(320_000) < max(0.5, 40 * min(cost(40_000) for _ in range(3)))
