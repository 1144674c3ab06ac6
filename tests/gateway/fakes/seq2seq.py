"""The tasks of encoder-decoders without a model, by rule.

A translation is the text in capitals, a summary its first sentence, a text2text answer the text backwards. Corrections
are those of ``ERRORS``. Texts are read sentence by sentence, and each sentence is a delta.
"""

import json
import re
from typing import Any

import msgspec

from contracts.cards import ModelCard
from contracts.generation import TextDelta
from contracts.jobs import Answer, Claim
from contracts.seq2seq import DenoiseOutput, Edit, SummarizeOutput, Text2TextOutput, TranslateOutput
from contracts.tasks import TASKS

TRANSLATOR, MANY_TRANSLATOR, UNSERVED_TRANSLATOR = "tiny-translator", "tiny-translator-many", "unserved-translator"
SUMMARIZER, CORRECTOR, TEXT2TEXT = "tiny-summarizer", "tiny-corrector", "tiny-text2text"
UNSERVED_CORRECTOR = "unserved-corrector"
_EN, _FR, _PT = {"en": "English"}, {"fr": "French"}, {"pt-BR": "Portuguese"}
_CARD: dict[str, Any] = {"family": "seq2seq", "licence": "MIT", "description": "For tests.", "max_tokens": 64}
SEQ2SEQ_CARDS = [
    ModelCard(name=TRANSLATOR, task="translate", revision="t1", source_languages=_EN,
              target_languages={"de": "German", **_FR}, **_CARD),
    ModelCard(name=MANY_TRANSLATOR, task="translate", revision="t2", source_languages={**_EN, **_FR, **_PT},
              target_languages={**_EN, **_FR, "ga": "Irish"}, **_CARD),
    ModelCard(name=UNSERVED_TRANSLATOR, task="translate", revision="t3", source_languages={"xx": "Nobody's"},
              target_languages={"yy": "Nobody else's"}, **_CARD),
    ModelCard(name=SUMMARIZER, task="summarize", revision="s1", **_CARD),
    ModelCard(name=CORRECTOR, task="denoise", revision="d1", source_languages=_EN, **_CARD),
    ModelCard(name=UNSERVED_CORRECTOR, task="denoise", revision="d2", source_languages={"xx": "Nobody's"}, **_CARD),
    ModelCard(name=TEXT2TEXT, task="text2text", revision="r1", **_CARD),
]  # fmt: skip
SEQ2SEQ_MODELS = [TRANSLATOR, MANY_TRANSLATOR, SUMMARIZER, CORRECTOR, TEXT2TEXT]
ERRORS = {"teh": "the", "dont": "don't", "hte": "the", "gooood": "good", "very very": "very", "🎭🎭": "🎭"}
_ERROR = re.compile("|".join(ERRORS))
_SENTENCE = re.compile(r".+?(?:[.!?]\s+|$)", re.DOTALL)


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a text, each with the white space after it."""
    return _SENTENCE.findall(text)


def _edit(place: re.Match[str]) -> Edit:
    """Return the correction of an error: an insertion, a deletion or a replacement."""
    wrong, right = place[0], ERRORS[place[0]]
    same = next((index for index, pair in enumerate(zip(wrong, right, strict=False)) if pair[0] != pair[1]), 0)
    if wrong == "dont":
        return Edit(place.start() + same, 0, ["'"])
    if wrong == "very very":
        return Edit(place.start() + 4, 5, [""])
    return Edit(place.start(), len(wrong), [right])


def output_of(task: str, text: str, num: int = 1) -> Any:
    """Return the answer to one input with ``num`` sequences; all but the first end in their number."""
    if task == "denoise":
        right = _ERROR.sub(lambda place: ERRORS[place[0]], text)
        edits = [_edit(place) for place in _ERROR.finditer(text)]
        return DenoiseOutput(text=right, finish_reason="eos_token", edits=edits)
    generated = {"translate": text.upper(), "summarize": sentences_of(text)[0], "text2text": text[::-1]}[task]
    kind = {"translate": TranslateOutput, "summarize": SummarizeOutput, "text2text": Text2TextOutput}[task]
    # The third is equal to the first: two beams may have the same text after cleaning up.
    texts = [generated if number in {0, 2} else f"{generated} {number}" for number in range(num)]
    every = [kind(text=one, finish_reason="eos_token") for one in texts]
    return msgspec.structs.replace(every[0], sequences=every if num > 1 else [])


def run_seq2seq(claim: Claim) -> tuple[list[list[TextDelta]], Answer]:
    """Return the steps of a job, each with a delta of one sentence, and its answer."""
    request = json.loads(claim.request)
    parameters = msgspec.convert(request["parameters"], TASKS[claim.task].parameters)
    num = parameters.generate_parameters.num_return_sequences  # type: ignore[attr-defined]
    single = isinstance(request["inputs"], str)
    inputs = [request["inputs"]] if single else request["inputs"]
    outputs = [output_of(claim.task, text, num) for text in inputs]
    steps = [[delta] for index, output in enumerate(outputs) for delta in sentence_deltas(output.text, index)]
    num_chunks = sum(len(sentences_of(text)) for text in inputs)
    usage: dict[str, int] = {"items": len(inputs), "tokens_in": 5, "tokens_used": 4, "truncated_items": 0,
                             "tokens_out": 6}  # fmt: skip
    if claim.task != "text2text":
        usage["chunks"] = num_chunks
    return steps, Answer(
        output=msgspec.json.encode(outputs[0] if single else outputs),
        usage=json.dumps(usage).encode(),
        timings=b'{"infer_ms":1.5}',
        model_revision="t1",
    )


def sentence_deltas(text: str, index: int = 0) -> list[TextDelta]:
    """Return a delta for each sentence of a text."""
    *rest, last = sentences_of(text)
    return [
        *(TextDelta(input=index, text=one) for one in rest),
        TextDelta(input=index, text=last, finish_reason="eos_token"),
    ]
