"""Encoders of texts, pictures and sound."""

from tests.architectures.cases.case import Case

_TEXT = ("BERT", "ALBERT", "DistilBERT", "ELECTRA", "RoBERTa", "MPNet", "ModernBERT")
_OPTIONS = {"embed": {"pooling": "mean"}, "classify": {}, "entities": {}, "answer": {}, "fill_mask": {}}

_PICTURES = (
    Case("ViT", "classify_image", "images:vit:classify_image"),
    Case("ViT", "embed_image", "images:vit:embed_image", {"pooling": "cls"}),
    Case("CLIP text tower", "embed", "images:clip:stated"),
    Case("CLIP image tower", "embed_image", "images:clip:stated"),
    Case("CLIP", "zero_shot_image", "images:clip:highest"),
)

CASES: tuple[Case, ...] = (
    *(
        Case(name, task, f"encoders:text_encoder:{name.lower()}:{task}", options)
        for name in _TEXT
        for task, options in _OPTIONS.items()
    ),
    *_PICTURES,
    Case("wav2vec2", "transcribe", "wav2vec2:wav2vec2"),
)
