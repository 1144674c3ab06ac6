"""The corpus of the starter decoder: generators obey the rules, and checkers refuse what breaks one."""

import random
from collections.abc import Callable
from itertools import permutations, product

import pytest

from onnx_models.starter.generate.chat_rules import UNKNOWN, reply
from onnx_models.starter.generate.chats import render, write_chat
from onnx_models.starter.generate.corpus import SPECIAL_TOKENS, training_text
from onnx_models.starter.generate.functions import (
    OPERATIONS,
    PARAMETER_NAMES,
    Operation,
    is_function,
    random_head,
    write_function,
)
from onnx_models.starter.generate.poems import KINDS, RHYMES, is_poem, topics, write_poem
from onnx_models.starter.texts.templates import Template, fill

POEM = """\
Poem: the sleepy cat
The sleepy cat will rest beneath the tree,
It loves to run and play so wild and free.
I watch the sleepy cat in open air,
And we will dance with it without a care."""
FUNCTION = '''\
def add(price, count):
    """Return the sum of price and count."""
    return price + count'''
SHOP = "You work at a bakery. It opens at 8 and closes at 18. It sells bread for 3 euros and tea for 2 euros."
ARGUMENTS = {
    "number": (3, 8, -5, 0, 12, 7),
    "text": ("ocean", "Tea", "big blue sky"),
    "list": ([3, 1, 2], [-4, 10, 10, 7], [5]),
}

RULES: dict[str, Callable[..., object]] = {
    "add": lambda p, q: p + q,
    "subtract": lambda p, q: p - q,
    "multiply": lambda p, q: p * q,
    "add_three": lambda p, q, r: p + q + r,
    "perimeter": lambda p, q: 2 * (p + q),
    "average": lambda p, q: (p + q) / 2,
    "larger": max,
    "smaller": min,
    "same": lambda p, q: p == q,
    "is_above": lambda p, q: p > q,
    "clamp": lambda p, q, r: q if p < q else min(p, r),
    "is_even": lambda p: p % 2 == 0,
    "is_odd": lambda p: p % 2 == 1,
    "is_positive": lambda p: p > 0,
    "is_negative": lambda p: p < 0,
    "square": lambda p: p * p,
    "cube": lambda p: p**3,
    "negate": lambda p: -p,
    "absolute": abs,
    "add_some": lambda p, k: p + k,
    "take_some": lambda p, k: p - k,
    "scale": lambda p, k: p * k,
    "is_many": lambda p, k: p > k,
    "is_few": lambda p, k: p < k,
    "greet": lambda p: f"Hello, {p}!",
    "shout": str.upper,
    "whisper": str.lower,
    "length": len,
    "first_letter": lambda p: p[0],
    "is_empty": lambda p: len(p) == 0,
    "repeat": lambda p, q: p * q,
    "join": lambda p, q: f"{p} {q}",
    "add_all": sum,
    "num_all": len,
    "first": lambda p: p[0],
    "last": lambda p: p[-1],
    "largest": max,
    "smallest": min,
    "in_order": sorted,
    "backwards": lambda p: p[::-1],
    "squares": lambda p: [item * item for item in p],
    "doubles": lambda p: [2 * item for item in p],
    "evens": lambda p: [item for item in p if item % 2 == 0],
    "contains": lambda p, q: q in p,
    "above": lambda p, q: [item for item in p if item > q],
    "mean_of_all": lambda p: sum(p) / len(p),
}
"""By the first name of an operation, what it computes; a constant comes after the arguments."""


def test_generators_write_the_same_each_time() -> None:
    first, second = ([training_text(random.Random(seed)) for seed in range(200)] for _ in range(2))

    assert first == second
    assert all(spans[-1].text.endswith(SPECIAL_TOKENS[0]) for spans in first)


def test_the_held_out_set_is_not_trained_on() -> None:
    rng = random.Random(4)
    texts = ["".join(span.text for span in training_text(rng)).lower() for _ in range(3000)]
    functions = {text.partition("(")[2] for text in texts}
    titles = {text.partition("\n")[0] for text in texts}

    assert not titles & {topic.title.lower() for topic in topics(held_out=True)}
    for _ in range(150):
        function = write_function(random_head(rng, held_out=True)).lower()
        assert f"{function.partition('(')[2]}<|endoftext|>" not in functions
        chat = write_chat(rng, held_out=True)
        exchange = render(chat[-2:]).lower()
        shop = render(chat[:1]).lower() if chat[0]["role"] == "system" else ""
        assert not any(exchange in text and shop in text for text in texts)


def test_about_one_in_five_is_held_out_and_titles_do_not_meet() -> None:
    seen, unseen = ({topic.title for topic in topics(held_out=held_out)} for held_out in (False, True))

    assert not seen & unseen
    assert 0.15 < len(unseen) / len(seen | unseen) < 0.25


def test_poems_are_accepted() -> None:
    rng = random.Random(1)
    for topic in [*topics(), *topics(held_out=True)]:
        poem = write_poem(rng, topic)
        assert is_poem(poem), poem
    assert is_poem(POEM)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("beneath the tree", "upon the hill"),  # no rhyme
        ("beneath the tree", "for you and me"),  # an end for the second line of a couplet
        ("so wild and free", "beside the sea"),  # an end for the first one
        ("without a care", "for you and me"),  # a rhyme of the first couplet
        ("The sleepy", "The silver"),  # a star's adjective
        ("watch the sleepy cat", "watch the hungry cat"),  # not the title's
        ("cat will", "dog will"),
        ("will rest", "will bloom"),  # a plant's verb
        ("It loves", "They love"),
        ("It loves", "It love"),
        ("with it", "with him"),
        ("run and play", "run and run"),
        ("run and play", "rise and shine"),
        ("tree,", "tree"),
        ("free.", "free,"),
        ("I watch", "I hear"),
        (" sleepy", " sleepy sleepy"),
        ("care.", "care.\n"),
        ("care.", "care.\nAnd I can play with it both here and there."),
        ("\nAnd we will dance with it without a care.", ""),
        ("Poem: the", "Poem: a"),
    ],
)
def test_a_poem_that_breaks_a_rule_is_refused(old: str, new: str) -> None:
    assert old in POEM
    assert not is_poem(POEM.replace(old, new, 1))


def test_lines_that_belong_to_another_kind_of_thing_are_refused() -> None:
    rng = random.Random(5)
    by_kind = {kind.nouns: [topic for topic in topics() if topic.kind is kind] for kind in KINDS}
    for one, other in permutations(by_kind.values(), 2):
        title = rng.choice(one).title
        assert not is_poem("\n".join([title, *write_poem(rng, rng.choice(other)).split("\n")[1:]]))


def test_words_of_a_poem_belong_to_one_list_each() -> None:
    """Otherwise a checker would not know what a word is."""
    nouns = [noun for kind in KINDS for noun in kind.nouns]
    ends = [end for rhyme in RHYMES.values() for end in rhyme]
    assert len(set(nouns)) == len(nouns)
    assert len(set(ends)) == len(ends)
    assert all(len(rhyme) == 6 for rhyme in RHYMES.values())
    assert {name for kind in KINDS for couplet in kind.rhymes for name in couplet} == RHYMES.keys()
    assert all(len(set(kind.rhymes[0]) | set(kind.rhymes[1])) == 6 for kind in KINDS)


def test_functions_are_accepted() -> None:
    rng = random.Random(2)
    assert all(is_function(write_function(random_head(rng))) for _ in range(1000))
    assert is_function(FUNCTION)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("price + count", "price - count"),
        ("price + count", "price + price"),
        ("price + count", "price + size"),
        ("return price", "price"),
        ("    return", "  return"),
        ("price, count", "count, price"),
        ("add(", "subtract("),
        ("Return the sum", "Return the product"),
        ("+ count", "+ count\n"),
        ("+ count", "+ count\n    return count"),
        ("+ count", "+ count\nimport os"),
        ("def add", "def subtract"),
        ("price, count", "price, price"),
        ("price, count", "price"),
    ],
)
def test_a_function_that_breaks_a_rule_is_refused(old: str, new: str) -> None:
    assert old in FUNCTION
    assert not is_function(FUNCTION.replace(old, new, 1))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.names[0])
def test_each_body_does_what_its_docstring_says(operation: Operation) -> None:
    constant = {"k": "7"} if operation.has_constant else {}
    names = dict(zip(operation.slots, ("one", "two", "three"), strict=False))
    body = fill(operation.body, names | constant)
    parts: dict[str, object] = {}
    exec(f"def function({', '.join(names.values())}):\n    {body}", parts)
    function = parts["function"]
    assert callable(function)

    rule = RULES[operation.names[0]]
    for arguments in samples(operation):
        assert function(*arguments) == rule(*arguments, *map(int, constant.values())), arguments


def samples(operation: Operation) -> list[tuple[object, ...]]:
    """Return arguments to try: different numbers in every order, and every text or list."""
    if set(operation.parameters) == {"number"}:
        return list(permutations(ARGUMENTS["number"], len(operation.parameters)))
    return list(product(*(ARGUMENTS[kind] for kind in operation.parameters)))


def test_each_operation_has_names_of_its_own() -> None:
    names = [name for operation in OPERATIONS for name in operation.names]
    assert len(set(names)) == len(names)
    assert not set(PARAMETER_NAMES["text"]) & set(PARAMETER_NAMES["number"])


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (["What is 3 plus 4?"], "3 plus 4 is 7."),
        (["what is 17 - 9"], "17 minus 9 is 8."),
        (["Is 7 even?"], "No, 7 is odd."),
        (["Is 7 odd?"], "Yes, 7 is odd."),
        (["Count from 8 to 11."], "8, 9, 10, 11."),
        (["What colour is the sky?"], "The sky is blue."),
        (["Which day comes after Sunday?"], "Monday comes after Sunday."),
        (["What day is before monday"], "Sunday comes before Monday."),
        (["Tell me the opposite of hot."], "The opposite of hot is cold."),
        (
            ["How do I get from the park to the station?"],
            "From the park go left. The station is the third house.",
        ),
        (["My name is Anna.", "What is my name?"], "Your name is Anna."),
        (["My name is Anna.", "I am Ben.", "Who am I?"], "Your name is Ben."),
        (["What is my name?"], "You have not told me your name."),
        (["Hi, my name is Tom.", "Goodbye!"], "Goodbye, Tom!"),
        (["My car is red.", "I have a blue hat.", "What colour is my car?"], "Your car is red."),
        (["My car is red.", "What colour is my hat?"], "You have not told me about your hat."),
        (["Good morning!"], "Good morning! How can I help you?"),
        (["When do you open?"], UNKNOWN),
        (["Who is Napoleon?"], UNKNOWN),
    ],
)
def test_answers_follow_by_rule(said: list[str], answer: str) -> None:
    assert reply(talk(said)) == answer


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("When do you open?", "We open at 8."),
        ("When does the shop close?", "We close at 18."),
        ("How much is the bread?", "The bread costs 3 euros."),
        ("What does the tea cost?", "The tea costs 2 euros."),
        ("What does the cake cost?", "We have no cake."),
        ("What do you sell?", "We sell bread and tea."),
        ("Where am I?", "This is the bakery."),
    ],
)
def test_answers_about_a_shop_are_those_of_the_system_message(said: str, answer: str) -> None:
    assert reply([{"role": "system", "content": SHOP}, *talk([said])]) == answer


def talk(said: list[str]) -> list[dict[str, str]]:
    """Return a conversation in which the user says this; what the assistant said changes nothing."""
    messages = [[{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}] for text in said]
    return [message for pair in messages for message in pair][:-1]


def test_chats_alternate_and_each_reply_follows_by_rule() -> None:
    rng = random.Random(3)
    for held_out in (False, True):
        for chat in (write_chat(rng, held_out=held_out) for _ in range(200)):
            turns = chat[1:] if chat[0]["role"] == "system" else chat
            assert [turn["role"] for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
            for place, message in enumerate(chat):
                if message["role"] == "assistant":
                    assert message["content"] == reply(chat[:place])


def test_templates_are_parsed_as_they_are_filled() -> None:
    template = Template("What is {a} plus {b}?", {"a": ("1", "12"), "b": ("2",)}, loose=True)

    assert template.parse(fill(template.text, {"a": "12", "b": "2"})) == {"a": "12", "b": "2"}
    assert template.parse("what is 1 plus 2") == {"a": "1", "b": "2"}
    assert template.parse("What is 3 plus 2?") is None
    assert template.parse("So what is 1 plus 2?") is None
