"""Encoder-decoders of texts: two layers on each side, and a vocabulary of a few hundred pieces.

Output layers share their weights with the embeddings, as in the real models: without that BART's family loses its
embeddings when it is loaded again. What such a random model writes is mostly the token that it read, over and over;
`stir` and the seeds see to it that it writes several tokens, and others for other sources.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from math import log
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModelForSeq2SeqLM,
    BartConfig,
    BertConfig,
    BlenderbotSmallConfig,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    GenerationConfig,
    GPT2Config,
    M2M100Config,
    MarianConfig,
    MBart50TokenizerFast,
    MBartConfig,
    MT5Config,
    PegasusConfig,
    PegasusTokenizerFast,
    PreTrainedTokenizerFast,
    T5Config,
    T5TokenizerFast,
)

from tests.architectures.zoo import sentencepieces
from tests.architectures.zoo.common import TINY, WIDE, byte_pairs, pieces, save

MAX_TOKENS = 64
"""Positions of every encoder and decoder; T5 has none."""
_BART: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": MAX_TOKENS,
    "init_std": WIDE,
}
_T5: dict[str, Any] = {
    "d_model": 32,
    "d_kv": 16,  # more than d_model / num_heads, as T5 has it in some sizes
    "d_ff": 64,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,
}
_LOOKED_UP = ("embed", "shared", "wte", "wpe", "relative_attention_bias", "lm_head", "output_projection")
_FACTORS = ((("fc", "wi", "wo", "mlp"), 4.0), (("encoder_attn", "EncDecAttention", "crossattention"), 0.5))
"""What `stir` multiplies by: feed-forward layers, attention to the source; the rest of attention twofold."""


def unigrams(special: list[str], *, end: str | None = "</s>") -> Tokenizer:
    """A Unigram tokenizer in the manner of SentencePiece; ``special`` tokens get the first ids, ``end`` ends a text.

    Its pieces are the commonest stretches of words, by count: the library's trainer finds others at every run.
    """
    words = [f"▁{word}" for text in sentencepieces.sentences(("latin", "greek"), 300, 7) for word in text.split()]
    starts = [(word, start) for word in words for start in range(len(word))]
    counts = Counter(word[start : start + size] for word, start in starts for size in range(1, 5))
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:200]
    scores = [(token, 0.0) for token in special] + [(piece, log(count / len(starts))) for piece, count in common]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=special.index("<unk>")))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    if end:
        ids = [(end, tokenizer.token_to_id(end))]
        tokenizer.post_processor = processors.TemplateProcessing(f"$A {end}", f"$A $B {end}", special_tokens=ids)
    return tokenizer


def stir(model: Any) -> None:
    """Make more of what the decoder computes and less of what it reads: its answers vary, from token to token too."""
    with torch.no_grad():
        for name, parameter in model.get_decoder().named_parameters():
            if parameter.dim() == 2 and not any(word in name for word in _LOOKED_UP):
                parameter.mul_(next((factor for words, factor in _FACTORS if any(map(name.count, words))), 2.0))
            elif parameter.dim() == 1 and name.endswith("weight"):  # of a normalization
                parameter.normal_()


def _settings(start: int, pad: int, end: int, **more: Any) -> GenerationConfig:
    """What a source says of its generation, with defaults that a comparison has to leave aside."""
    return GenerationConfig(
        decoder_start_token_id=start, pad_token_id=pad, eos_token_id=end, num_beams=4, length_penalty=0.8,
        no_repeat_ngram_size=3, early_stopping=True, max_length=40, **more,
    )  # fmt: skip


def _t5(config_class: Any, seed: int, **sizes: Any) -> Callable[[Path], None]:
    """Return a function that writes a T5."""

    def write(folder: Path) -> None:
        torch.manual_seed(seed)
        tokenizer = T5TokenizerFast(
            tokenizer_object=unigrams(["<pad>", "</s>", "<unk>"]), extra_ids=10, model_max_length=MAX_TOKENS
        )
        tasks = {"summarization": {"prefix": "summarize: ", "max_length": 20}}
        config = config_class(**{**_T5, "vocab_size": len(tokenizer) + 3, **sizes}, task_specific_params=tasks)
        model = AutoModelForSeq2SeqLM.from_config(config)
        model.generation_config = _settings(0, 0, 1)
        stir(model)
        save(folder, model, tokenizer)

    return write


def _bart(
    config_class: Any, seed: int, tokenizer_in: Callable[[Path], Any], *, starts_with_padding: bool = False, **more: Any
) -> Callable[[Path], None]:
    """Return a function that writes a model of BART's family, whose decoder starts with ``</s>`` or the padding.

    ``tokenizer_in`` may write files of its own into the folder; ``more`` are settings of its generation.
    """

    def write(folder: Path) -> None:
        torch.manual_seed(seed)
        tokenizer = tokenizer_in(folder)
        pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
        start = pad if starts_with_padding else end
        ids = {"pad_token_id": pad, "eos_token_id": end, "decoder_start_token_id": start, "bos_token_id": None}
        scaled = config_class is not BartConfig  # embeddings, as in the real ones
        config = config_class(
            **_BART, **ids, vocab_size=len(tokenizer), forced_eos_token_id=None, scale_embedding=scaled
        )
        model = AutoModelForSeq2SeqLM.from_config(config)
        if hasattr(model, "final_logits_bias"):  # M2M100 has none
            model.final_logits_bias.normal_(std=0.3)
        model.generation_config = _settings(start, pad, end, forced_eos_token_id=end, **more)
        stir(model)
        save(folder, model, tokenizer)

    return write


def _bytes(folder: Path) -> PreTrainedTokenizerFast:
    return byte_pairs(start="<s>", end="</s>", special=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>")


def _pegasus(folder: Path) -> PegasusTokenizerFast:
    tokenizer = unigrams(["<pad>", "</s>", "<unk>"])
    return PegasusTokenizerFast(tokenizer_object=tokenizer, offset=0, mask_token_sent=None, model_max_length=MAX_TOKENS)


def _mbart50(folder: Path) -> MBart50TokenizerFast:
    tokenizer = unigrams(["<s>", "<pad>", "</s>", "<unk>"], end=None)
    return MBart50TokenizerFast(
        tokenizer_object=tokenizer, src_lang="en_XX", tgt_lang="fr_XX", model_max_length=MAX_TOKENS
    )


t5 = _t5(T5Config, 23)
t5_gated = _t5(T5Config, 8, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
mt5 = _t5(MT5Config, 4, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
bart = _bart(BartConfig, 12, _bytes, forced_bos_token_id=0)
pegasus = _bart(PegasusConfig, 10, _pegasus, starts_with_padding=True)
mbart = _bart(MBartConfig, 1, _mbart50)
blenderbot_small = _bart(BlenderbotSmallConfig, 1, _bytes)
marian = _bart(MarianConfig, 11, partial(sentencepieces.marian, languages=()), starts_with_padding=True)
marian_many = _bart(MarianConfig, 9, sentencepieces.marian, starts_with_padding=True)
m2m100 = _bart(M2M100Config, 5, sentencepieces.m2m100)
nllb = _bart(M2M100Config, 9, sentencepieces.nllb)
nllb_legacy = _bart(M2M100Config, 3, partial(sentencepieces.nllb, legacy_behaviour=True))


def bert_gpt2(folder: Path) -> None:
    """BERT reads, GPT-2 writes, one vocabulary for both; the encoder is wider than the decoder."""
    torch.manual_seed(10)
    tokenizer = pieces()
    bert = BertConfig(**TINY, vocab_size=len(tokenizer), max_position_embeddings=MAX_TOKENS, initializer_range=WIDE)
    gpt2 = GPT2Config(
        n_embd=24, n_layer=2, n_head=4, n_positions=48, vocab_size=len(tokenizer), initializer_range=WIDE,
        add_cross_attention=True, is_decoder=True, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    config = EncoderDecoderConfig.from_encoder_decoder_configs(bert, gpt2)
    start, end, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    config.decoder_start_token_id, config.eos_token_id, config.pad_token_id = start, end, pad
    model = EncoderDecoderModel(config)
    model.generation_config = _settings(start, pad, end)
    stir(model)
    save(folder, model, tokenizer)
