"""Completions and chat completions, made of jobs that have succeeded: large ones in the gateway's child process.

A sequence is decoded, formatted and encoded before the next one: its tokens are many times as large in Python as
in JSON.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from contracts.generation import GeneratedSequence
from services.gateway.jobs.outputs.answers import MIB, AnswerFormat
from services.gateway.jobs.outputs.packing import unpack
from services.gateway.openai.responses import (
    FINISH_REASONS,
    ChatChoice,
    ChatCompletion,
    ChatMessage,
    Completion,
    CompletionChoice,
    chat_logprobs_of,
    completion_logprobs_of,
    completion_usage,
    head_of,
)

CHAT_PREFIX, COMPLETION_PREFIX = "chatcmpl-", "cmpl-"


class ChatDetails(msgspec.Struct, frozen=True):
    """What a chat completion depends on besides its job."""

    logprobs: bool


class CompletionDetails(msgspec.Struct, frozen=True):
    """What a completion depends on besides its job: the prompts that precede the texts, if that was requested."""

    echoed: list[str]


class _Output(msgspec.Struct, frozen=True):
    sequences: list[msgspec.Raw] = []


def make_chat(packed: bytes) -> bytes:
    """Return a chat completion of a job with one conversation."""
    job, details = unpack(packed, ChatDetails)
    choices: list[Any] = [
        _encoded(
            ChatChoice(
                index,
                ChatMessage(sequence.generated_text),
                chat_logprobs_of(sequence) if details.logprobs else None,
                FINISH_REASONS[sequence.finish_reason],
            )
        )
        for index, sequence in enumerate(_sequences(msgspec.Raw(job.output or b"{}")))
    ]
    return msgspec.json.encode(
        ChatCompletion(
            **head_of(job, CHAT_PREFIX),
            choices=choices,
            usage=completion_usage(job),
            system_fingerprint=job.model_revision,
        )
    )


def make_completion(packed: bytes) -> bytes:
    """Return the completions of a job with a list of prompts."""
    job, details = unpack(packed, CompletionDetails)
    outputs = msgspec.json.decode(job.output or b"[]", type=list[msgspec.Raw])
    choices: list[Any] = []
    for number, output in enumerate(outputs):
        echoed = details.echoed[number] if details.echoed else ""
        choices += [
            _encoded(
                CompletionChoice(
                    index,
                    echoed + sequence.generated_text,
                    completion_logprobs_of(sequence),
                    FINISH_REASONS[sequence.finish_reason],
                )
            )
            for index, sequence in enumerate(_sequences(output), len(choices))
        ]
    return msgspec.json.encode(
        Completion(
            **head_of(job, COMPLETION_PREFIX),
            choices=choices,
            usage=completion_usage(job),
            system_fingerprint=job.model_revision,
        )
    )


CHAT = AnswerFormat(make_chat, MIB // 8)
COMPLETION = AnswerFormat(make_completion, MIB // 4)


def _sequences(output: msgspec.Raw) -> Iterator[GeneratedSequence]:
    """Yield the sequences of one output of the generate task."""
    for raw in msgspec.json.decode(output, type=_Output).sequences or [output]:
        yield msgspec.json.decode(raw, type=GeneratedSequence)


def _encoded(choice: msgspec.Struct) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(choice))
