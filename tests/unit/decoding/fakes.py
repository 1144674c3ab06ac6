"""Fakes for the decoding engine: caches whose outputs are known in advance, a model, and a sink for deltas."""

import hashlib
import threading
from collections.abc import Collection, Mapping, Sequence
from functools import partial

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from contracts.figures import GenerationFigures
from contracts.generation import TextDelta
from tests.support.waiting import PATIENCE_S
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.caches.cache import Floats, Saved
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.flush import Flush
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.request import GenerationOutput, GenerationRequest, Ids
from workers.runtime.decoding.sequences.prefill import ChunkedPrefill, EncoderPrefill, Prefill
from workers.runtime.decoding.text.text_stream import Vocabulary

VOCABULARY = 64
EOS = 0


def next_token(history: Sequence[int]) -> int:
    """Return the token that the fake decoder generates after ``history``."""
    digest = hashlib.sha256(bytes(str(list(history)), "ascii")).digest()
    return 1 + digest[0] % (VOCABULARY - 1)


def answer(prompt: Sequence[int], num_tokens: int) -> list[int]:
    """Return the tokens that the fake decoder generates after a prompt."""
    history = list(prompt)
    for _ in range(num_tokens):
        history.append(next_token(history))
    return history[len(prompt) :]


def text_of(token_ids: Sequence[int]) -> str:
    """Return the text of tokens that follow a prompt."""
    return "".join(f" t{token_id}" for token_id in token_ids)


def prompt(*token_ids: int) -> Ids:
    return np.array(token_ids, np.int64)


class FakeCache:
    """Keeps the tokens of each slot and records all calls. A call that breaks a cache's contract fails the test."""

    vocab_size = VOCABULARY

    def __init__(self, *, max_slots: int = 4, max_tokens: int = 4096) -> None:
        self.max_slots, self.max_tokens = max_slots, max_tokens
        self.capacity_tokens = max_slots * max_tokens
        self.held: dict[int, list[int]] = {}
        self.calls: list[tuple[str, int, int]] = []
        """(prefill, step or source; tokens; allocated slots) of each call."""
        self.peak = 0
        self.poisoned: set[int] = set()
        """A call with one of these tokens fails. A negative one makes the logits after its absolute value NaN."""
        self.gate = threading.Event()
        self.gate.set()

    @property
    def tokens_held(self) -> int:
        return sum(map(len, self.held.values()))

    def allocate(self, num_tokens: int) -> int | None:
        assert 0 < num_tokens <= self.max_tokens
        free = [slot for slot in range(self.max_slots) if slot not in self.held]
        if not free:
            return None
        self.held[free[0]] = []
        self.peak = max(self.peak, len(self.held))
        return free[0]

    def prefill(self, slot: int, token_ids: Ids) -> Floats:
        assert len(token_ids)
        self._note("prefill", len(token_ids))
        return self._append(slot, token_ids.tolist())

    def step(self, slots: Sequence[int], token_ids: Sequence[int]) -> Floats:
        assert len(slots) == len(set(slots)) == len(token_ids)
        self._note("step", len(slots))
        if self.poisoned & set(token_ids):
            raise RuntimeError("a poisoned token")
        return np.stack([self._append(slot, [token]) for slot, token in zip(slots, token_ids, strict=True)])

    def reorder_cache(self, slots: Sequence[int], beam_idx: Sequence[int]) -> None:
        assert len(slots) == len(set(slots)) == len(beam_idx) and min(beam_idx) >= 0
        held = {slot: list(self.held[slots[index]]) for slot, index in zip(slots, beam_idx, strict=True)}
        lengths = {len(self.held[slot]) for slot in slots}
        assert len(lengths - {0}) <= 1 and len({len(tokens) for tokens in held.values()}) == 1
        self.held |= held

    def free(self, slot: int) -> None:
        del self.held[slot]

    def has_room(self, num_slots: int, num_tokens: int, without: Collection[int] = ()) -> bool:
        assert set(without) <= set(self.held)
        return len(self.held) - len(set(without)) + num_slots <= self.max_slots

    def saved_bytes(self, slots: Sequence[int]) -> int:
        return sum(len(self.held[slot]) for slot in slots)

    def save(self, slots: Sequence[int]) -> Saved:
        content = [list(self.held[slot]) for slot in slots]
        self.calls.append(("save", self.saved_bytes(slots), len(self.held)))
        return Saved(self.saved_bytes(slots), partial(self._restore, content))

    def _restore(self, content: Sequence[list[int]], slots: Sequence[int]) -> None:
        assert not any(self.held[slot] for slot in slots)
        self.calls.append(("restore", sum(map(len, content)), len(self.held)))
        self.held |= {slot: list(tokens) for slot, tokens in zip(slots, content, strict=True)}

    def _note(self, kind: str, num_tokens: int) -> None:
        assert self.gate.wait(PATIENCE_S)
        self.calls.append((kind, num_tokens, len(self.held)))

    def _append(self, slot: int, token_ids: list[int]) -> Floats:
        if self.poisoned & set(token_ids):
            raise RuntimeError("a poisoned token")
        history = self.held[slot]
        assert len(history) + len(token_ids) <= self.max_tokens
        history += token_ids
        poisoned = -token_ids[-1] in self.poisoned
        return np.full(VOCABULARY, np.nan, np.float32) if poisoned else self._logits(slot)

    def _logits(self, slot: int) -> Floats:
        logits = np.zeros(VOCABULARY, np.float32)
        logits[next_token(self.held[slot])] = 5.0
        return logits


def source_logits(source: Sequence[int], tokens: Sequence[int]) -> Floats:
    """Return the logits of the fake encoder-decoder after these tokens of an output for a source.

    No two are equal, so beams have a unique ranking. The end-of-sequence token is among the likely ones.
    """
    digest = hashlib.sha256(bytes(f"{list(source)} {list(tokens)}", "ascii")).digest()
    return np.random.default_rng(list(digest)).normal(0.0, 2.0, VOCABULARY).astype(np.float32)


def source_answer(source: Sequence[int], prefix: Sequence[int], num_tokens: int) -> list[int]:
    """Return the tokens of greedy search, continued after an end-of-sequence token."""
    tokens = list(prefix)
    for _ in range(num_tokens):
        tokens.append(int(source_logits(source, tokens).argmax()))
    return tokens[len(prefix) :]


class FakeEncoderDecoderCache(FakeCache):
    """The cache of an encoder-decoder, where each slot also has a source. Its logits are `source_logits`."""

    def __init__(self, *, max_slots: int = 4, max_tokens: int = 64, max_source_tokens: int = 128) -> None:
        super().__init__(max_slots=max_slots, max_tokens=max_tokens)
        self.max_source_tokens = max_source_tokens
        self.sources: dict[int, list[int]] = {}

    def encode(self, slots: Sequence[int], source_ids: Ids) -> None:
        assert 0 < len(source_ids) <= self.max_source_tokens and len(slots) == len(set(slots)) > 0
        assert not any(self.held[slot] or slot in self.sources for slot in slots)
        self._note("source", len(source_ids))
        if self.poisoned & set(source_ids.tolist()):
            raise RuntimeError("a poisoned token")
        self.sources |= {slot: source_ids.tolist() for slot in slots}

    def reorder_cache(self, slots: Sequence[int], beam_idx: Sequence[int]) -> None:
        assert len({tuple(self.sources[slot]) for slot in slots}) == 1, "beams of one search have the same source"
        super().reorder_cache(slots, beam_idx)

    def free(self, slot: int) -> None:
        super().free(slot)
        self.sources.pop(slot, None)

    def save(self, slots: Sequence[int]) -> Saved:
        own, sources = super().save(slots), [self.sources.get(slot) for slot in slots]

        def restore(others: Sequence[int]) -> None:
            own.restore(others)
            self.sources |= {slot: ids for slot, ids in zip(others, sources, strict=True) if ids is not None}

        return Saved(own.num_bytes, restore)

    def _logits(self, slot: int) -> Floats:
        return source_logits(self.sources[slot], self.held[slot])


class FakeModel:
    """A model over a fake cache. Token 7 is the word ``t7``, and so on."""

    def __init__(self, cache: FakeCache | None = None) -> None:
        self.name = "fake"
        self.cache = cache or FakeCache()
        words = {f"t{number}": number for number in range(VOCABULARY)}
        self.tokenizer = Tokenizer(models.WordLevel(words, unk_token="t0"))
        self.tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        self.tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=False)
        self.vocabulary = Vocabulary(self.tokenizer)

    def prefill(self, request: GenerationRequest, slots: list[int]) -> Prefill:
        if isinstance(self.cache, FakeEncoderDecoderCache):
            return EncoderPrefill(self.cache, slots, request.source_ids, request.prompt_ids.tolist())
        return ChunkedPrefill(self.cache, slots[0], request.prompt_ids)


class RecordingSink:
    """Records all deltas; while ``broken``, it refuses them."""

    def __init__(self) -> None:
        self.emitted: list[Mapping[Attempt, list[TextDelta]]] = []
        self.broken = False

    def emit(self, deltas: Mapping[Attempt, list[TextDelta]]) -> None:
        if self.broken:
            raise OSError("broken")
        self.emitted.append(dict(deltas))

    def flush(self, attempt: Attempt) -> Flush:
        return Flush(attempt).end()

    def deltas_of(self, attempt: Attempt) -> list[TextDelta]:
        return [delta for deltas in self.emitted for delta in deltas.get(attempt, [])]


def request(token_ids: Sequence[int], num_tokens: int, **changes: object) -> GenerationRequest:
    return GenerationRequest(prompt_ids=prompt(*token_ids), max_new_tokens=num_tokens, **changes)  # type: ignore[arg-type]


def outputs_of(handle: GenerationHandle) -> list[GenerationOutput]:
    assert handle.wait(PATIENCE_S), "the request was not finished"
    return [output for outputs in handle.results() for output in outputs]


def texts(handle: GenerationHandle) -> list[str]:
    return [output.text for output in outputs_of(handle)]


def generation_figures(engine: DecodingEngine) -> GenerationFigures:
    figures = engine.figures().generation
    assert figures is not None
    return figures
