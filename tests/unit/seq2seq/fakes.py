"""An encoder-decoder without a graph and with predictable answers: it repeats what it reads, in capitals."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

from contracts.generation import TextDelta
from contracts.jobs import Usage
from contracts.model_package.graphs import CrossSlotDecoder, EncoderDecoderSlots, Generation
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.tasks import DenoiseTask, SummarizeTask, Task, Text2TextTask, Translate, TranslateTask
from contracts.settings import StoreSettings
from contracts.task_names import TaskName
from tests.support.attempts import make_attempt
from tests.support.tasks import answer
from tests.unit.decoding.fakes import RecordingSink
from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.served import serve
from workers.runtime.settings import WorkerSettings
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.tasks import HANDLERS

PAD, EOS, UNKNOWN, EN, FR, DE = range(6)
SPECIALS = ["<pad>", "</s>", "<unk>", "__en__", "__fr__", "__de__"]
CHARACTERS = [chr(code) for code in (*range(32, 127), 10, *map(ord, "äöüÄÖÜ你好。\xa0"))]
VOCABULARY = len(SPECIALS) + len(CHARACTERS)
_NUMBER = {text: number for number, text in enumerate([*SPECIALS, *CHARACTERS])}


def tokenizer(template: str = "$A </s>") -> Tokenizer:
    """Return a tokenizer with a token for each character."""
    made = Tokenizer(models.WordLevel(_NUMBER, unk_token="<unk>"))
    made.add_special_tokens(SPECIALS)
    made.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    made.decoder = decoders.Fuse()
    made.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[(text, _NUMBER[text]) for text in SPECIALS]
    )
    return made


def uppercase(token_id: int) -> int:
    """Return the token of a character in capitals."""
    if token_id < len(SPECIALS):
        return token_id
    character = CHARACTERS[token_id - len(SPECIALS)].upper()
    return _NUMBER.get(character, token_id)


TASKS: dict[TaskName, Task] = {
    "translate": TranslateTask(),
    "summarize": SummarizeTask(),
    "denoise": DenoiseTask(),
    "text2text": Text2TextTask(),
}
GREEDY = Generation(eos_token_ids=[EOS], decoder_start_token_id=PAD)


class EchoCache:
    """Generates the source without special tokens, in capitals; with ``initials`` the first letter of each word.

    The second most likely token is always the one with the next id.
    """

    vocab_size = VOCABULARY

    def __init__(
        self, *, max_slots: int = 8, max_tokens: int = 400, max_source_tokens: int = 60, initials: bool = False
    ) -> None:
        self.max_slots, self.max_tokens, self.max_source_tokens = max_slots, max_tokens, max_source_tokens
        self.capacity_tokens = max_slots * (max_tokens + max_source_tokens)
        self.initials = initials
        self.held: dict[int, list[int]] = {}
        self.sources: dict[int, list[int]] = {}
        self.encoded: list[list[int]] = []
        """All sources that were encoded so far."""

    @property
    def tokens_held(self) -> int:
        return sum(map(len, list(self.held.values())))

    def allocate(self, num_tokens: int) -> int | None:
        assert 0 < num_tokens <= self.max_tokens
        slot = next((slot for slot in range(self.max_slots) if slot not in self.held), None)
        if slot is not None:
            self.held[slot] = []
        return slot

    def encode(self, slots: Sequence[int], source_ids: Any) -> None:
        assert 0 < len(source_ids) <= self.max_source_tokens
        self.encoded.append(source_ids.tolist())
        answer = self._answer(source_ids.tolist())
        self.sources |= dict.fromkeys(slots, answer)

    def prefill(self, slot: int, token_ids: Any) -> Floats:
        raise AssertionError("the tokens that a decoder starts with are decoded one by one")

    def step(self, slots: Sequence[int], token_ids: Sequence[int]) -> Floats:
        logits = np.zeros((len(slots), VOCABULARY), np.float32)
        for row, (slot, token) in enumerate(zip(slots, token_ids, strict=True)):
            self.held[slot].append(token)
            generated = [each for each in self.held[slot][1:] if each not in (FR, DE)]
            answer = self.sources[slot]
            right = answer[len(generated)] if len(generated) < len(answer) else EOS
            logits[row, right], logits[row, (right + 1) % VOCABULARY] = 9.0, 6.0
        return logits

    def reorder_cache(self, slots: Sequence[int], beam_idx: Sequence[int]) -> None:
        held = {slot: list(self.held[slots[index]]) for slot, index in zip(slots, beam_idx, strict=True)}
        self.held |= held

    def free(self, slot: int) -> None:
        del self.held[slot]
        self.sources.pop(slot, None)

    def _answer(self, source_ids: list[int]) -> list[int]:
        text = [token for token in source_ids if token >= len(SPECIALS)]
        if not self.initials:
            return [uppercase(token) for token in text]
        words = "".join(CHARACTERS[token - len(SPECIALS)] for token in text).split()
        return [_NUMBER[word[0].upper()] for word in words if word[0].isalpha()]


def manifest(
    task: TaskName, *, generation: Generation = GREEDY, translate: Translate | None = None, **fields: Any
) -> Manifest:
    graph = EncoderDecoderSlots(decoder=CrossSlotDecoder(vocabulary=VOCABULARY), generation=generation)
    tables = TranslateTask(translate=translate) if translate else TASKS[task]
    return Manifest(
        name="echo", family="seq2seq", task=tables, graph=graph, source="tests", revision="1", licence="mit", files={},
        limits=Limits(max_tokens=60), **fields,
    )  # fmt: skip


def echo(task: TaskName, cache: EchoCache | None = None, *, template: str = "$A </s>", **fields: Any) -> Seq2SeqModel:
    """Return a model for a task over an `EchoCache`. ``fields`` are those of ``manifest``."""
    return Seq2SeqModel(manifest(task, **fields), tokenizer(template), cache or EchoCache())


class JobRunner:
    """Runs jobs on one engine."""

    def __init__(self) -> None:
        self.sink = RecordingSink()
        self.engine = DecodingEngine(self.sink)
        self.attempt = make_attempt()
        self.usage = Usage(0, 0, 0, 0)

    def run(self, model: Seq2SeqModel, inputs: Any, *, stream: bool = False, **parameters: Any) -> Any:
        """Run one job; return its output as decoded JSON."""
        self.attempt = make_attempt(msgspec.json.encode({"inputs": inputs, "parameters": parameters, "stream": stream}))
        served = serve(model, model.card(), HANDLERS[model.task], self.engine, WorkerSettings(StoreSettings()))
        answered = answer(served, self.attempt)
        self.usage = msgspec.json.decode(answered.usage, type=Usage)
        return msgspec.json.decode(answered.output)

    @property
    def deltas(self) -> list[TextDelta]:
        """The deltas that the last job streamed."""
        return self.sink.deltas_of(self.attempt)

    def streamed_text(self, index: int = 0, sequence: int = 0) -> str:
        deltas = [delta for delta in self.deltas if (delta.input, delta.sequence) == (index, sequence)]
        assert [delta.finish_reason is not None for delta in deltas] == [*[False] * (len(deltas) - 1), True]
        return "".join(delta.text for delta in deltas)
