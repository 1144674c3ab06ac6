"""A decoder without a graph, whose answers can be known beforehand, and whoever else the decoding loop speaks to."""

import hashlib
import threading
from collections.abc import Mapping, Sequence

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from contracts.generation import Piece
from contracts.jobs import Claim
from workers.runtime.control import Control
from workers.runtime.decoding.cache import Floats
from workers.runtime.decoding.order import Ids, Order, Written
from workers.runtime.decoding.text import Vocabulary
from workers.runtime.decoding.ticket import Ticket

VOCABULARY = 64
EOS = 0
WAIT_S = 20.0


def next_token(history: Sequence[int]) -> int:
    """Return the token that the decoder without a graph writes after these."""
    digest = hashlib.sha256(bytes(str(list(history)), "ascii")).digest()
    return 1 + digest[0] % (VOCABULARY - 1)


def answer(prompt: Sequence[int], num_tokens: int) -> list[int]:
    """Return what it writes to a prompt."""
    history = list(prompt)
    for _ in range(num_tokens):
        history.append(next_token(history))
    return history[len(prompt) :]


def text_of(token_ids: Sequence[int]) -> str:
    """Return the text of tokens that continue a prompt."""
    return "".join(f" t{token_id}" for token_id in token_ids)


def prompt(*token_ids: int) -> Ids:
    return np.array(token_ids, np.int64)


class FakeCache:
    """Keeps each text's tokens; every call is noted, and what breaks the contract of a cache fails the test."""

    vocabulary = VOCABULARY

    def __init__(self, *, max_rows: int = 4, max_tokens: int = 4096) -> None:
        self.max_rows, self.max_tokens = max_rows, max_tokens
        self.capacity_tokens = max_rows * max_tokens
        self.held: dict[int, list[int]] = {}
        self.calls: list[tuple[str, int, int]] = []
        """(prefill or step, tokens, texts with a place) of each call."""
        self.peak = 0
        self.poisoned: set[int] = set()
        """A call that is to read one of these tokens fails; one below zero is written as NaN."""
        self.gate = threading.Event()
        self.gate.set()

    @property
    def tokens_held(self) -> int:
        return sum(map(len, self.held.values()))

    def take(self, num_tokens: int) -> int | None:
        assert 0 < num_tokens <= self.max_tokens
        free = [place for place in range(self.max_rows) if place not in self.held]
        if not free:
            return None
        self.held[free[0]] = []
        self.peak = max(self.peak, len(self.held))
        return free[0]

    def prefill(self, place: int, token_ids: Ids) -> Floats:
        assert len(token_ids)
        self._note("prefill", len(token_ids))
        return self._append(place, token_ids.tolist())

    def step(self, places: Sequence[int], token_ids: Sequence[int]) -> Floats:
        assert len(places) == len(set(places)) == len(token_ids)
        self._note("step", len(places))
        if self.poisoned & set(token_ids):
            raise RuntimeError("a poisoned token")
        return np.stack([self._append(place, [token]) for place, token in zip(places, token_ids, strict=True)])

    def leave(self, place: int) -> None:
        del self.held[place]

    def _note(self, kind: str, num_tokens: int) -> None:
        assert self.gate.wait(WAIT_S)
        self.calls.append((kind, num_tokens, len(self.held)))

    def _append(self, place: int, token_ids: list[int]) -> Floats:
        if self.poisoned & set(token_ids):
            raise RuntimeError("a poisoned token")
        history = self.held[place]
        assert len(history) + len(token_ids) <= self.max_tokens
        history += token_ids
        logits = np.full(VOCABULARY, np.nan if -token_ids[-1] in self.poisoned else 0.0, np.float32)
        logits[next_token(history)] += 5.0
        return logits


class FakeModel:
    """A model over such a cache. Token 7 is the word ``t7``, and so on."""

    def __init__(self, cache: FakeCache | None = None) -> None:
        self.name = "fake"
        self.cache = cache or FakeCache()
        words = {f"t{number}": number for number in range(VOCABULARY)}
        self.tokenizer = Tokenizer(models.WordLevel(words, unk_token="t0"))
        self.tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        self.tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=False)
        self.vocabulary = Vocabulary(self.tokenizer)


class FakeControl:
    """An attempt at a job."""

    def __init__(self, *, alone: bool = False, timeout_s: float = 60.0) -> None:
        self.claim = Claim(
            id="job", attempt=1, task="generate", model="fake", request=b"", timeout_s=timeout_s, suspect=alone
        )
        self.timeout_s = timeout_s
        self.alone = alone
        self.progressed: list[int] = []
        self._stopped = threading.Event()

    def stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        self._stopped.set()

    def progress(self, num_done: int) -> None:
        self.progressed.append(num_done)


class Listener:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.heard: list[Mapping[Control, list[Piece]]] = []
        self.broken = False

    def tell(self, growth: Mapping[Control, list[Piece]]) -> None:
        if self.broken:
            raise OSError("nobody listens")
        self.heard.append(dict(growth))

    def flush(self, control: Control, timeout_s: float) -> bool:
        return True

    def pieces(self, control: Control) -> list[Piece]:
        return [piece for growth in self.heard for piece in growth.get(control, [])]


def order(token_ids: Sequence[int], num_tokens: int, **changes: object) -> Order:
    return Order(prompt_ids=prompt(*token_ids), max_new_tokens=num_tokens, **changes)  # type: ignore[arg-type]


def written(ticket: Ticket) -> list[Written]:
    assert ticket.wait(WAIT_S), "the ticket is never finished"
    return ticket.results()


def texts(ticket: Ticket) -> list[str]:
    return [text.text for text in written(ticket)]
