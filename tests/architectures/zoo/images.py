"""Models that look at pictures of 32 x 32, and their image processors."""

from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizerFast,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    ViTModel,
)

from tests.architectures.zoo.common import TINY, WIDE, save

_SIZE = {"image_size": 32, "patch_size": 8}
_START, _END = "<|startoftext|>", "<|endoftext|>"
_TOWERS = {
    "text": CLIPTextModelWithProjection,
    "image": CLIPVisionModelWithProjection,
    "plain_text": CLIPTextModel,
    "plain_image": CLIPVisionModel,
}


def vit(folder: Path, task: str) -> None:
    """Labels of pictures or vectors of patches; pictures are squeezed into a square."""
    torch.manual_seed(31)
    config = ViTConfig(**TINY, **_SIZE, initializer_range=WIDE, num_labels=5)
    save(folder, ViTForImageClassification(config) if task == "classify-image" else ViTModel(config))
    ViTImageProcessor(size={"height": 32, "width": 32}, resample=2).save_pretrained(folder)


def clip(folder: Path, end_token: str) -> None:
    """Both towers, as published models are. With ``end_token`` "highest" the config has the 2 that older ones have.

    transformers then takes the highest token id of a text for its end.
    """
    torch.manual_seed(32)
    tokenizer = _tokenizer()
    save(folder, CLIPModel(_config(tokenizer, 2 if end_token == "highest" else tokenizer.eos_token_id)), tokenizer)
    _processor().save_pretrained(folder)


def clip_tower(folder: Path, kind: str) -> None:
    """One tower saved by itself."""
    torch.manual_seed(33)
    tokenizer = _tokenizer()
    config = _config(tokenizer, tokenizer.eos_token_id)
    if "text" in kind:
        save(folder, _TOWERS[kind](config.text_config), tokenizer)
    else:
        save(folder, _TOWERS[kind](config.vision_config))
        _processor().save_pretrained(folder)


def _config(tokenizer: CLIPTokenizerFast, end: int) -> CLIPConfig:
    tower = {**TINY, "initializer_factor": 4.0, "projection_dim": 24}
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": end, "pad_token_id": tokenizer.pad_token_id}
    return CLIPConfig(
        text_config={**tower, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 64},
        vision_config={**tower, **_SIZE},
        projection_dim=24,
    )


def _processor() -> CLIPImageProcessor:
    """The shortest edge to a little more than the model takes, then the middle."""
    return CLIPImageProcessor(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32})


def _tokenizer() -> CLIPTokenizerFast:
    """Lower-case byte pairs with a mark for the end of a word; the end token pads, too, and has the highest id."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e</w>"), ("o", "w</w>"), ("a", "n"), ("an", "d</w>")]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges), _START, _END]
    tokenizer = Tokenizer(
        models.BPE(
            {piece: index for index, piece in enumerate(pieces)}, merges, end_of_word_suffix="</w>", unk_token=_END
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = Regex(r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    end, start = ((name, pieces.index(name)) for name in (_END, _START))
    tokenizer.post_processor = processors.RobertaProcessing(end, start, trim_offsets=False, add_prefix_space=False)
    return CLIPTokenizerFast(tokenizer_object=tokenizer, model_max_length=64)
