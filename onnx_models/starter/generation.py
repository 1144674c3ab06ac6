"""Generate texts with a starter's package, in the plainest way: one batch of rows after another. For evaluation only.

Each kind of graph has an adapter to the same calls, so that there is one loop.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from contracts.model_package.graphs import DecoderSlots, GeneratorGraph, Recurrent
from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import TranslateTask
from onnx_models.classic.recurrent.served import ServedRecurrent
from onnx_models.decoders.slot_model import SlotModel
from onnx_models.seq2seq.served_slots import NUM_SLOTS, ServedSlots, Slot

Logits = Mapping[int, NDArray[np.float32]]
"""By row of the batch, float32 [vocabulary]."""


class _Model(Protocol):
    """The graphs of a package, which serve one batch of rows at a time."""

    num_rows: int

    def start(self, prompts: Sequence[Sequence[int]]) -> Logits:
        """Begin a batch; return the logits of the first token of each row."""
        ...

    def step(self, tokens: Mapping[int, int]) -> Logits:
        """Append a token to some rows; return their next logits."""
        ...


class _Decoder:
    """Graph kind ``decoder-slots``."""

    num_rows = 16

    def __init__(self, package: ModelPackage) -> None:
        self._model = SlotModel(package, self.num_rows)
        self.step = self._model.step

    def start(self, prompts: Sequence[Sequence[int]]) -> Logits:
        for row in range(self.num_rows):
            self._model.free(row)
        return {row: self._model.prefill(row, prompt) for row, prompt in enumerate(prompts)}


class _EncoderDecoder:
    """Graph kind ``encoder-decoder-slots``."""

    num_rows = NUM_SLOTS

    def __init__(self, package: ModelPackage) -> None:
        self._start_token = package.manifest.graph_as(GeneratorGraph).generation.decoder_start_token_id or 0
        self._served = ServedSlots(package)
        self._slots: list[Slot] = []

    def start(self, prompts: Sequence[Sequence[int]]) -> Logits:
        self._served.free(self._slots)
        sources = self._served.encode([list(prompt) for prompt in prompts])
        logits, self._slots = self._served.prefill(sources, [self._start_token])
        return {row: values[-1] for row, values in enumerate(logits)}

    def step(self, tokens: Mapping[int, int]) -> Logits:
        logits, _ = self._served.append([self._slots[row] for row in tokens], [[token] for token in tokens.values()])
        return {row: values[-1] for row, values in zip(tokens, logits, strict=True)}


class _Recurrent:
    """Graph kind ``recurrent``. Rows that have ended run on, and their logits are ignored."""

    num_rows = 64

    def __init__(self, package: ModelPackage) -> None:
        self._served = ServedRecurrent(package)

    def start(self, prompts: Sequence[Sequence[int]]) -> Logits:
        self._tokens = np.zeros(len(prompts), np.int64)
        self._feed = self._served.encode(prompts)
        return self.step(dict.fromkeys(range(len(prompts)), self._served.start_token))

    def step(self, tokens: Mapping[int, int]) -> Logits:
        for row, token in tokens.items():
            self._tokens[row] = token
        logits, self._feed = self._served.step(self._tokens, self._feed)
        return {row: logits[row] for row in tokens}


def generate(
    package: ModelPackage,
    texts: Sequence[str],
    *,
    target: str | None = None,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[str | None]:
    """Return what a model generates for each text.

    Args:
        package: of a generating starter.
        texts: prompts of a decoder, of at least one token; else sources.
        target: code of the language to translate into, for a model that reads its token before the text.
        temperature: 0 for greedy decoding; else tokens are sampled by their probability.
        seed: of the sampling; text ``i`` has random numbers of its own, whatever else is in its batch.

    Returns:
        The texts, without their prompts; None for one that did not end within the model's limit of tokens.
    """
    model = _open(package)
    tokenizer = Tokenizer.from_file(str(package.file("tokenizer.json")))
    prefix = [package.manifest.task_as(TranslateTask).translate.languages[target]] if target else []
    prompts = [[*prefix, *tokenizer.encode(text).ids] for text in texts]
    generated: list[list[int] | None] = []
    for start in range(0, len(prompts), model.num_rows):
        batch = prompts[start : start + model.num_rows]
        rngs = [np.random.default_rng((seed, start + row)) for row in range(len(batch))]
        generated += _generate_batch(model, package, batch, temperature, rngs)
    # A special token inside a text must count as an error, not disappear.
    return [None if ids is None else tokenizer.decode(ids, skip_special_tokens=False) for ids in generated]


def _open(package: ModelPackage) -> _Model:
    if isinstance(package.manifest.graph, DecoderSlots):
        return _Decoder(package)
    return _Recurrent(package) if isinstance(package.manifest.graph, Recurrent) else _EncoderDecoder(package)


def _generate_batch(
    model: _Model,
    package: ModelPackage,
    prompts: Sequence[Sequence[int]],
    temperature: float,
    rngs: Sequence[np.random.Generator],
) -> list[list[int] | None]:
    """Return for each prompt the tokens before the end token; None if there was no end token within the limit."""
    generation, limits = package.manifest.graph_as(GeneratorGraph).generation, package.manifest.limits
    ends = set(generation.eos_token_ids)
    generated: list[list[int]] = [[] for _ in prompts]
    finished: set[int] = set()
    logits = model.start(prompts)
    while logits:
        running: dict[int, int] = {}
        for row, values in logits.items():
            token = _choose(values, temperature, rngs[row])
            if token in ends:
                finished.add(row)
                continue
            generated[row].append(token)
            # An answer's limit counts the start token too; that of a decoder counts the prompt.
            limit = limits.max_new_tokens - 1 if limits.max_new_tokens else limits.max_tokens - len(prompts[row])
            if len(generated[row]) < limit:
                running[row] = token
        logits = model.step(running) if running else {}
    return [ids if row in finished else None for row, ids in enumerate(generated)]


def _choose(logits: NDArray[np.float32], temperature: float, rng: np.random.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    # In float32 the probabilities would not add up to 1 as exactly as numpy requires.
    powers = np.exp((logits.astype(np.float64) - logits.max()) / temperature)
    return int(rng.choice(len(powers), p=powers / powers.sum()))
