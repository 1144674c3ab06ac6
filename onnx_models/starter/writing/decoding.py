"""Continue texts with a package, in the plainest way: numpy, and a slot for each text. For judging only."""

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from contracts.model_package.package import ModelPackage
from onnx_models.decoders.runner import Floats
from onnx_models.decoders.slot_model import SlotModel

_NUM_ROWS = 16


def continue_texts(
    package: ModelPackage, prompts: Sequence[str], *, temperature: float = 0.0, seed: int = 0
) -> list[str | None]:
    """Return what the model writes after each prompt, up to its end token.

    Args:
        package: of graph kind ``decoder-slots``.
        prompts: of at least one token each.
        temperature: 0: always the likeliest token; else tokens are drawn by their probability.
        seed: of the drawing; prompt ``i`` has its own numbers, whatever runs beside it.

    Returns:
        The texts without the prompts; None for one that had not come to its end when there was no more room.
    """
    tokenizer = Tokenizer.from_file(str(package.file("tokenizer.json")))
    model = SlotModel(package, _NUM_ROWS)
    texts: list[str | None] = []
    for start in range(0, len(prompts), _NUM_ROWS):
        some = [tokenizer.encode(prompt).ids for prompt in prompts[start : start + _NUM_ROWS]]
        chance = [np.random.default_rng((seed, start + row)) for row in range(len(some))]
        answers = _continue_rows(model, package, some, temperature, chance)
        texts += [None if ids is None else tokenizer.decode(ids, skip_special_tokens=False) for ids in answers]
    return texts


def _continue_rows(
    model: SlotModel,
    package: ModelPackage,
    prompts: Sequence[Sequence[int]],
    temperature: float,
    chance: Sequence[np.random.Generator],
) -> list[list[int] | None]:
    """Return for each prompt the tokens up to its end token, or None; as many prompts as the model has slots."""
    manifest = package.manifest
    ends = set(manifest.generation.eos_token_ids) if manifest.generation else set()
    logits = {row: model.prefill(row, prompt) for row, prompt in enumerate(prompts)}
    written: list[list[int]] = [[] for _ in prompts]
    finished: set[int] = set()
    while logits:
        tokens = {row: _choose(values, temperature, chance[row]) for row, values in logits.items()}
        finished |= {row for row, token in tokens.items() if token in ends}
        for row in finished & tokens.keys():
            del tokens[row]
        for row, token in tokens.items():
            written[row].append(token)
        running = {
            row: token
            for row, token in tokens.items()
            if len(prompts[row]) + len(written[row]) < manifest.limits.max_tokens
        }
        logits = model.step(running) if running else {}
    for row in range(len(prompts)):
        model.leave(row)
    return [ids if row in finished else None for row, ids in enumerate(written)]


def _choose(logits: Floats, temperature: float, chance: np.random.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    powers = np.exp((logits.astype(np.float64) - logits.max()) / temperature)
    return int(chance.choice(len(powers), p=powers / powers.sum()))
