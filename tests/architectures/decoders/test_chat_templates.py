"""Chat templates render like transformers' `apply_chat_template`: templates modelled on those in use."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from contracts.errors import InvalidRequest
from contracts.generation import Conversation, Message
from workers.decoder.chat import ChatTemplate

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
TEMPLATES = {
    "chatml": """\
{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}
{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
""",
    "llama 3": """\
{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "mistral": """\
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('After the optional system message, conversation roles must alternate user/assistant!') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {%- if loop.first and system_message is defined %}
            {{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}
        {%- else %}
            {{- ' [INST] ' + message['content'] + ' [/INST]' }}
        {%- endif %}
    {%- elif message['role'] == 'assistant' %}
        {{- ' ' + message['content'] + eos_token}}
    {%- endif %}
{%- endfor %}
""",
    "gemma": """\
{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}\
{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}\
{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}\
{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}\
{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}""",
    "zephyr": """\
{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
""",
    "with macros, namespaces and filters": """\
{%- macro show(text, mark='#') %}
{{- mark ~ text | replace('\\n', ' ') | upper ~ mark }}
{%- endmacro %}
{%- set ns = namespace(turns=0, names=[]) %}
{%- for message in messages %}
    {%- if message.role == 'tool' %}{% continue %}{% endif %}
    {%- set ns.turns = ns.turns + 1 %}
    {%- set ns.names = ns.names + [message.name | default('nobody')] %}
{{ message | tojson }} {{ show(message.content) }} {{ loop.index }}/{{ loop.length }}
    {%- if ns.turns == 3 %}{% break %}{% endif %}
{%- endfor %}

{{ ns.names | join(', ') }} {{ ns.names | unique | list | tojson(indent=2) }} {{ '%03d' | format(ns.turns) }}
{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list }}
{{ messages[::-1] | length }} {{ documents is none }} {{ tools }} {{ pad_token }} {{ unk_token }}
""",
    "marked for training": """\
{% for message in messages %}
{% if message['role'] == 'assistant' %}
<|assistant|>{% generation %}{{ message['content'] }}{{ eos_token }}{% endgeneration %}

{% else %}
<|{{ message['role'] }}|>{{ message['content'] }}
{% endif %}
{% endfor %}
""",
}
CONVERSATIONS = {
    "a question": [("user", "What is the sea?")],
    "with a system message": [("system", "  Be kind.\n"), ("user", "Hello"), ("assistant", " Hi! "), ("user", "Who?")],
    "odd characters": [("user", "{{ 1 }} <b>&amp;</b> \"'\\ \n\n é ü 漢字 🙂 \u2028 \t")],
    "not in turns": [("user", "a"), ("user", "b"), ("assistant", "c")],
    "of tools": [("user", "a"), ("tool", "4"), ("assistant", "c"), ("user", "d"), ("user", "e")],
    "empty": [("user", "")],
}


@pytest.fixture(scope="module")
def reference() -> Callable[[str, list[dict[str, str]]], str]:
    """Return a function that renders as transformers does."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: number for number, token in enumerate(TOKENS.values())}
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(vocabulary)), **TOKENS)

    def render(template: str, messages: list[dict[str, str]]) -> str:
        return str(
            tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=True)
        )

    return render


@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_renders_as_in_transformers(
    reference: Callable[[str, list[dict[str, str]]], str], template: str, conversation: str
) -> None:
    source, turns = TEMPLATES[template], CONVERSATIONS[conversation]
    ours = ChatTemplate(source, TOKENS)
    messages = Conversation([Message(role, content) for role, content in turns])  # type: ignore[arg-type]
    today = datetime.now().date()
    try:
        expected = reference(source, [{"role": role, "content": content} for role, content in turns])
    except Exception as error:
        with pytest.raises(InvalidRequest) as caught:
            ours.render(messages, param="inputs.messages")
        assert caught.value.message == str(error)
    else:
        got = ours.render(messages, param="inputs.messages")
        assert got == expected or datetime.now().date() != today, "a template may contain the date"
