"""Chat templates: their variables, their refusals, and that none can hang the worker or exhaust its memory."""

import gc
import resource
import threading

import psutil
import pytest

from contracts.errors import InvalidRequest
from contracts.generation import Conversation, Message, TextPart
from contracts.model_package.package import PackageError
from tests.support.waiting import PATIENCE_S, wait_until
from workers.decoder import chat
from workers.decoder.chat import ChatTemplate

PLAIN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{{ eos_token }}"
HELLO = Conversation([Message("user", "hello")])
WHERE = "inputs.messages"
CPU_S = 0.5


def rendered(source: str, conversation: Conversation = HELLO, **tokens: str) -> str:
    return ChatTemplate(source, tokens).render(conversation, param=WHERE)


def refused(source: str, conversation: Conversation = HELLO) -> str:
    with pytest.raises(InvalidRequest) as caught:
        rendered(source, conversation)
    assert (caught.value.http_status, caught.value.param) == (422, WHERE)
    return caught.value.message


@pytest.fixture
def short_cpu_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets a quarter of the usual limit of CPU time, because hostile templates use all of it."""
    monkeypatch.setattr(chat, "CPU_S", CPU_S)


def children() -> set[psutil.Process]:
    gc.collect()  # exceptions that earlier tests caught may still hold a template
    return set(psutil.Process().children())


def test_a_template_sees_messages_and_special_tokens() -> None:
    assert rendered(PLAIN, eos_token="</s>") == "<user>hello</s>"
    assert rendered("{{ bos_token is defined }}") == "False"


def test_message_features_newer_than_the_template_are_translated_for_it() -> None:
    conversation = Conversation([
        Message("developer", "be kind"),
        Message("user", [TextPart("text", "a"), TextPart("text", "b")], "Ann"),
    ])  # fmt: skip
    assert rendered(PLAIN, conversation) == "<system>be kind<user>ab"
    assert rendered("{{ messages[1].name }}{{ messages[0].name is defined }}", conversation) == "AnnFalse"


def test_message_texts_are_not_rendered_as_templates() -> None:
    hostile = "{{ 1 + 1 }}{% for %} \u2028 é \x00 \n"
    assert rendered(PLAIN, Conversation([Message("user", hostile)])) == "<user>" + hostile


def test_a_template_refuses_a_conversation_with_its_own_message() -> None:
    assert refused("{{ raise_exception('Roles must alternate') }}") == "Roles must alternate"


@pytest.mark.parametrize("source", ["{% for %}", "{{ 'a' | no_such_filter }}", "{{ " + "(" * 9000 + ")" * 9000 + " }}"])
def test_a_package_with_an_invalid_template_is_refused(source: str) -> None:
    before = children()
    with pytest.raises(PackageError, match=r"chat_template\.jinja: "):
        ChatTemplate(source, {})
    assert children() <= before


def test_the_process_of_a_template_has_no_environment_and_no_way_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPTYCH_REDIS_URL", "redis://:secret@127.0.0.1:6379/0")
    before = children()
    template = ChatTemplate(PLAIN, {})
    (process,) = children() - before
    assert process.environ() == {}
    assert process.rlimit(psutil.RLIMIT_FSIZE) == process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert process.rlimit(psutil.RLIMIT_NPROC) == (0, 0)
    assert process.rlimit(psutil.RLIMIT_NOFILE)[1] <= 32
    assert process.rlimit(psutil.RLIMIT_AS)[1] == chat.MEMORY_BYTES
    assert template.render(HELLO, param=WHERE) == "<user>hello"


HOSTILE = {
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "a recursive loop": "{% for i in range(9) recursive %}{{ loop(range(9)) if loop.depth < 12 }}{% endfor %}",
    "a macro that calls itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a list of a billion": "{{ range(10**9) | list }}",
    "a long text": "{{ 'a' * 10**10 }}",
    "a long text, not known at once": "{{ 'a' * (10**10 * messages | length) }}",
    "a long number": "{% set n = 9999 + messages | length %}{{ n ** n ** n }}",
    "a wide format": "{{ '%10000000000d' % 1 }}",
    "a wide format method": "{{ '{:>10000000000}'.format(1) }}",
    "a wide time format": "{{ strftime_now('%1000000000d') | length }}{{ 'a'.ljust(10**10) }}",
    "a wide filter": "{{ 'a' | center(10**10) }}",
    "deep indents": "{{ [[1]] | tojson(indent=10**9) }}",
    "a tree that shares its branches": "{% set ns = namespace(x=[1]) %}"
    "{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "megabytes": "{% for i in range(99999) %}{{ '%999d' % 1 }}{% endfor %}",
}


@pytest.mark.usefixtures("short_cpu_limit")
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_template_that_runs_too_long_or_takes_too_much_memory_is_stopped(kind: str) -> None:
    before_s = children_cpu_s()
    message = refused(HOSTILE[kind])
    assert message.startswith("The model's chat template can't render these messages: "), message
    assert len(message) < 2000
    assert children_cpu_s() - before_s < CPU_S + 4, "the limit, and the start of the process"


def children_cpu_s() -> float:
    """Return the processor time of child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.usefixtures("short_cpu_limit")
def test_after_a_hostile_conversation_others_are_served() -> None:
    source = "{% if messages[0].content == 'loop' %}" + HOSTILE["loops"] + "{% else %}fine{% endif %}"
    template = ChatTemplate(source, {})
    for _ in range(2):
        with pytest.raises(InvalidRequest):
            template.render(Conversation([Message("user", "loop")]), param=WHERE)
        assert template.render(HELLO, param=WHERE) == "fine"


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ raise_exception.__globals__.sys }}",
        "{% include 'x' %}",
        "{{ '{0.__class__.__mro__}'.format(messages) }}",
        "{{ '\\ud800' }}",
    ],
)
def test_a_template_can_not_leave_its_sandbox(source: str) -> None:
    assert "can't render these messages" in refused(source)


def test_a_killed_process_is_restarted() -> None:
    before = children()
    template = ChatTemplate(PLAIN, {})
    (child,) = children() - before
    child.kill()
    wait_until(lambda: child.status() == psutil.STATUS_ZOMBIE, "the process was not killed")
    assert template.render(HELLO, param=WHERE) == "<user>hello"


def test_many_threads_share_a_template() -> None:
    template, wrong = ChatTemplate(PLAIN, {}), []

    def render_texts(number: int) -> None:
        for _ in range(50):
            text = f"text {number} " * 3000
            if template.render(Conversation([Message("user", text)]), param=WHERE) != "<user>" + text:
                wrong.append(number)

    threads = [threading.Thread(target=render_texts, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not wrong


def test_the_process_of_a_deleted_template_is_gone() -> None:
    before = children()
    template = ChatTemplate(PLAIN, {})
    assert len(children() - before) == 1
    del template
    assert children() <= before


def test_a_conversation_of_megabytes_is_rendered() -> None:
    messages = [Message("user", "word " * 1500)] * 1024
    assert len(rendered(PLAIN, Conversation(messages))) > 7_000_000
    assert chat.MAX_CHARACTERS > 8 * 1024 * 1024, "more than a request can have"
