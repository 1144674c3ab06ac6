"""Write tiny random transformers models into a folder; run by the interpreter of the export environment.

Weights are drawn wide (0.3 instead of 0.02): in a narrow random model every text gets nearly the same answer, and a
comparison of answers would prove nothing.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizerFast,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

from onnx_models.starter.training.word_pieces import make_tokenizer

_SENTENCES = ["the quick brown fox jumps over the lazy dog", "how do i reset my password", "i would buy it again"] * 5
_WIDE = 0.3
_BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


def _pieces() -> Tokenizer:
    return make_tokenizer(_SENTENCES)


def _bytes(*, start: str, end: str, special: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_SENTENCES, trainer)
    ids = [(name, tokenizer.token_to_id(name)) for name in (start, end)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=ids)
    # Settings of a training run that are often left in a tokenizer.json; export and serving must ignore them.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=12)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")


def _save(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)  # so that biases are not all zero
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def bert_embed(folder: Path, seed: int = 1) -> None:
    """A sentence-transformers folder without a Normalize module."""
    torch.manual_seed(seed)
    pieces = _pieces()
    config = BertConfig(
        **_BERT, vocab_size=pieces.get_vocab_size(), max_position_embeddings=64, initializer_range=_WIDE
    )
    _save(folder, BertModel(config, add_pooling_layer=False), BertTokenizerFast(tokenizer_object=pieces))
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling")]
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in kinds]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 48, "do_lower_case": false}')
    (folder / "1_Pooling").mkdir()
    modes = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    (folder / "README.md").write_text("---\nlicense: mit\ntags: [test]\n---\n# A test\n")


def roberta_embed(folder: Path) -> None:
    """Nothing states the pooling; 66 positions with padding id 1 are for 64 tokens."""
    torch.manual_seed(2)
    tokenizer = _bytes(start="<s>", end="</s>", special=["<s>", "<pad>", "</s>", "<unk>"])
    config = RobertaConfig(
        **_BERT, vocab_size=len(tokenizer), max_position_embeddings=66, initializer_range=_WIDE, pad_token_id=1
    )
    _save(folder, RobertaModel(config, add_pooling_layer=False), tokenizer)


def modernbert_embed(folder: Path) -> None:
    """Rotary positions and sliding windows."""
    torch.manual_seed(3)
    tokenizer = _bytes(start="<s>", end="</s>", special=["<pad>", "<s>", "</s>", "<unk>"])
    ids = {"pad_token_id": 0, "bos_token_id": 1, "cls_token_id": 1, "eos_token_id": 2, "sep_token_id": 2}
    config = ModernBertConfig(
        **_BERT, **ids, vocab_size=len(tokenizer), max_position_embeddings=96, initializer_range=_WIDE,
        local_attention=16, global_attn_every_n_layers=2, attn_implementation="sdpa",
    )  # fmt: skip
    _save(folder, ModernBertModel(config), tokenizer)


def bert_classify(folder: Path) -> None:
    """Three named labels, of which one applies."""
    torch.manual_seed(4)
    pieces = _pieces()
    config = BertConfig(
        **_BERT, vocab_size=pieces.get_vocab_size(), max_position_embeddings=64, initializer_range=_WIDE,
        id2label={0: "low", 1: "middle", 2: "high"},
    )  # fmt: skip
    _save(folder, BertForSequenceClassification(config), BertTokenizerFast(tokenizer_object=pieces))


def distilbert_classify(folder: Path) -> None:
    """Four labels, of which any number applies; no token_type_ids."""
    torch.manual_seed(5)
    pieces = _pieces()
    config = DistilBertConfig(
        dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=pieces.get_vocab_size(), max_position_embeddings=64,
        initializer_range=_WIDE, num_labels=4, problem_type="multi_label_classification",
    )  # fmt: skip
    _save(folder, DistilBertForSequenceClassification(config), BertTokenizerFast(tokenizer_object=pieces))


def mpnet_classify(folder: Path) -> None:
    """One number, which is no probability; relative position bias."""
    torch.manual_seed(6)
    tokenizer = _bytes(start="<s>", end="</s>", special=["<s>", "<pad>", "</s>", "<unk>"])
    config = MPNetConfig(
        **_BERT, vocab_size=len(tokenizer), max_position_embeddings=66, initializer_range=_WIDE, num_labels=1,
        problem_type="regression", pad_token_id=1,
    )  # fmt: skip
    _save(folder, MPNetForSequenceClassification(config), tokenizer)


def pickled(folder: Path) -> None:
    """Weights as a pickle only."""
    bert_embed(folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def write_models(folder: str) -> None:
    """Write every model under ``folder``."""
    torch.set_num_threads(1)
    made = (bert_embed, roberta_embed, modernbert_embed, bert_classify, distilbert_classify, mpnet_classify, pickled)
    for make in made:
        make(Path(folder) / make.__name__)
    bert_embed(Path(folder) / "bert_embed_other_weights", seed=99)
