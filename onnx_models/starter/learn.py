"""Train the two starter encoders from random weights; seeded, on one core, a few minutes each.

The classifier learns by cross entropy. The embedder learns by in-batch contrast: of all second sentences in a batch,
the one that says the same as the first must be nearest (multiple negatives ranking, Henderson et al. 2017,
arXiv:1705.00652), over mean-pooled, normalised vectors.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedModel

from onnx_models.starter.feelings import LABELS, labelled_sentences
from onnx_models.starter.meanings import FRAMES, all_meanings, is_held_out
from onnx_models.starter.wordpieces import make_tokenizer, save_for_transformers

MAX_TOKENS = 256
_BATCH = 128
_TEMPERATURE = 0.05
_LEARNING_RATE = 1e-3


def train_classifier(folder: Path, seed: int, num_steps: int) -> None:
    """Train, and write weights, config and tokenizer into ``folder``."""
    sentences = labelled_sentences(num_steps * _BATCH, seed)
    tokenizer = make_tokenizer(text for text, _ in sentences)
    torch.manual_seed(seed)
    model = BertForSequenceClassification(
        _config(tokenizer, id2label=dict(enumerate(LABELS)), problem_type="single_label_classification")
    )

    def loss_of(step: int) -> Tensor:
        batch = sentences[step * _BATCH : (step + 1) * _BATCH]
        logits = model(**_tensors(tokenizer, [text for text, _ in batch])).logits
        return nn.functional.cross_entropy(logits, torch.tensor([label for _, label in batch]))

    optimise(model, loss_of, num_steps, _adam(model))
    _save(model, tokenizer, folder)


def train_embedder(folder: Path, seed: int, num_steps: int) -> None:
    """Train, and write weights, config and tokenizer into ``folder``."""
    batches = list(_pair_batches(num_steps, seed))
    tokenizer = make_tokenizer(text for batch in batches for pair in batch for text in pair)
    torch.manual_seed(seed)
    model = BertModel(_config(tokenizer), add_pooling_layer=False)

    def loss_of(step: int) -> Tensor:
        firsts, seconds = zip(*batches[step], strict=True)
        vectors = _mean_pooled(model, _tensors(tokenizer, [*firsts, *seconds]))
        similarities = vectors[: len(firsts)] @ vectors[len(firsts) :].T / _TEMPERATURE
        right = torch.arange(len(firsts))
        forth, back = (nn.functional.cross_entropy(table, right) for table in (similarities, similarities.T))
        return (forth + back) / 2

    optimise(model, loss_of, num_steps, _adam(model))
    _save(model, tokenizer, folder)


def _pair_batches(num_batches: int, seed: int) -> Iterator[list[tuple[str, str]]]:
    """Yield batches of two ways to say a meaning.

    Half of the batches come from one family alone: there the others differ in one word group, which is what makes the
    model tell "cancel my flight" from "book my flight".
    """
    rng = random.Random(seed)  # noqa: S311 - sentences, not secrets
    families = [[m for m in all_meanings() if m.family == name and not is_held_out(m)] for name in FRAMES]
    for _ in range(num_batches):
        chosen = [rng.choice(families)] if rng.random() < 0.5 else families
        meanings = [meaning for family in chosen for meaning in rng.sample(family, _BATCH // len(chosen))]
        yield [(meaning.say(rng), meaning.say(rng)) for meaning in meanings]


def _config(tokenizer: Tokenizer, **more: object) -> BertConfig:
    return BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=MAX_TOKENS,
        hidden_dropout_prob=0.2,
        **more,
    )


def _tensors(tokenizer: Tokenizer, texts: list[str]) -> dict[str, Tensor]:
    tokenizer.enable_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    rows = tokenizer.encode_batch(texts)
    return {
        "input_ids": torch.tensor([row.ids for row in rows]),
        "attention_mask": torch.tensor([row.attention_mask for row in rows]),
    }


def _mean_pooled(model: BertModel, tensors: dict[str, Tensor]) -> Tensor:
    weights = tensors["attention_mask"].unsqueeze(-1).float()
    vectors = model(**tensors).last_hidden_state
    return nn.functional.normalize((vectors * weights).sum(dim=1) / weights.sum(dim=1), dim=1)


def optimise(
    model: nn.Module, loss_of: Callable[[int], Tensor], num_steps: int, *optimisers: torch.optim.Optimizer
) -> None:
    """Train a model by the loss of each step, on one core, so that each run gives the same weights.

    The optimisers share the model's parameters between them; their learning rates are what is reached a tenth of the
    way, and from there they fall to nothing.
    """
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # sums in another order give other last digits, and so in the end other weights
    rates = [torch.optim.lr_scheduler.OneCycleLR(one, one.defaults["lr"], total_steps=num_steps, pct_start=0.1)
             for one in optimisers]  # fmt: skip
    model.train()
    for step in range(num_steps):
        loss = loss_of(step)
        model.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for one in (*optimisers, *rates):
            one.step()
        if (step + 1) % 50 == 0:
            print(f"step {step + 1} of {num_steps}: loss {loss.item():.4f}", flush=True)


def _adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=0.01)


def _save(model: PreTrainedModel, tokenizer: Tokenizer, folder: Path) -> None:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    model.save_pretrained(folder, safe_serialization=True)
    save_for_transformers(tokenizer, folder, MAX_TOKENS)
