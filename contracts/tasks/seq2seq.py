"""The rows of the tasks of encoder-decoders, whose types are in ``contracts.seq2seq``."""

from typing import TypeVar

from contracts.generation import TextDelta
from contracts.generation_parameters import GenerationParameters
from contracts.model_package.graphs import GraphKind
from contracts.price.demand import Demand, text_size
from contracts.seq2seq import (
    DenoiseOutput,
    DenoiseParameters,
    SummarizeOutput,
    SummarizeParameters,
    Text2TextOutput,
    Text2TextParameters,
    Texts,
    TranslateOutput,
    TranslateParameters,
)
from contracts.tasks.spec import TaskSpec
from contracts.tasks.streams import StreamSpec, check_single_text

Parameters = TranslateParameters | SummarizeParameters | DenoiseParameters | Text2TextParameters
Default = TypeVar("Default", int, None)
Output = TranslateOutput | SummarizeOutput | DenoiseOutput | Text2TextOutput


def _demand(inputs: Texts, parameters: Parameters) -> Demand:
    texts = [inputs] if isinstance(inputs, str) else inputs
    size, generation = text_size(texts), parameters.generate_parameters
    truncate = parameters.truncation_policy
    num_sequences = _num_sequences(generation)
    return Demand(
        num_rows=len(texts),
        num_chars=size.num_chars,
        num_bytes=size.num_bytes,
        truncates=truncate in ("left", "right"),
        is_split=truncate == "chunk",
        # The beams of a search share a source, samples do not.
        num_reads=1 if (generation.num_beams or 1) > 1 else generation.num_return_sequences,
        num_sequences=num_sequences,
        follows_input=True,
        min_new_tokens=_first(generation.min_new_tokens, generation.min_length, 0),
        max_new_tokens=_first(generation.max_new_tokens, generation.max_length, None),
    )


def _num_sequences(generation: GenerationParameters) -> int | None:
    """Return how many sequences are decoded at once; None if that is the default of the model."""
    if generation.num_beams is None and generation.num_return_sequences == 1:
        return None
    return max(generation.num_beams or 1, generation.num_return_sequences)


def _first(value: int | None, otherwise: int | None, default: Default) -> int | Default:
    return next((number for number in (value, otherwise) if number is not None), default)


def _check_stream(inputs: Texts, parameters: Parameters) -> None:
    num_answers = parameters.generate_parameters.num_return_sequences
    check_single_text(inputs, num_answers, "parameters.generate_parameters.num_return_sequences")


def _deltas(output: Output) -> list[TextDelta]:
    return [
        TextDelta(sequence=number, text=sequence.text, finish_reason=sequence.finish_reason)
        for number, sequence in enumerate(output.sequences or [output])
    ]


_ATTENTION: tuple[GraphKind, ...] = ("encoder-decoder-slots", "encoder-decoder")
_STREAM = StreamSpec(items="text", check=_check_stream, deltas=_deltas)

TRANSLATE = TaskSpec(
    name="translate",
    family="seq2seq",
    graphs=(*_ATTENTION, "recurrent"),
    summary="Translate texts of any length.",
    inputs=Texts,
    parameters=TranslateParameters,
    output=TranslateOutput,
    example={"inputs": ["Half past four.", "March 3rd."], "parameters": {"src_lang": "en", "tgt_lang": "de"}},
    demand=_demand,
    reads_chunks=True,
    stream=_STREAM,
)
SUMMARIZE = TaskSpec(
    name="summarize",
    family="seq2seq",
    graphs=_ATTENTION,
    summary="Summarise texts of any length.",
    inputs=Texts,
    parameters=SummarizeParameters,
    output=SummarizeOutput,
    example={"inputs": "The first of many sentences. And the next one.", "stream": True},
    demand=_demand,
    reads_chunks=True,
    stream=_STREAM,
)
DENOISE = TaskSpec(
    name="denoise",
    family="seq2seq",
    # Answers of an autoencoder have exactly as many tokens as their sources, which suits no other task.
    graphs=(*_ATTENTION, "recurrent", "text-autoencoder"),
    summary="Correct typing errors.",
    inputs=Texts,
    parameters=DenoiseParameters,
    output=DenoiseOutput,
    example={"inputs": "Ths sentence hsa typing errors."},
    demand=_demand,
    reads_chunks=True,
    stream=_STREAM,
)
TEXT2TEXT = TaskSpec(
    name="text2text",
    family="seq2seq",
    graphs=(*_ATTENTION, "recurrent"),
    summary="Turn texts into whatever the model was trained to write.",
    inputs=Texts,
    parameters=Text2TextParameters,
    output=Text2TextOutput,
    demand=_demand,
    example={"inputs": "A text.", "parameters": {"generate_parameters": {"num_beams": 4}}},
    stream=_STREAM,
)
