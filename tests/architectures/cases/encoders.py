"""Encoders of texts, pictures and sound."""

from tests.architectures.cases.case import Case

_TEXT = ("BERT", "ALBERT", "DistilBERT", "ELECTRA", "RoBERTa", "MPNet", "ModernBERT")
_OPTIONS = {"embed": {"pooling": "mean"}, "classify": {}, "token-classify": {}, "question-answer": {}, "fill-mask": {}}

_PICTURES = (
    Case("ViT", "classify-image", "images:vit:classify-image"),
    Case("ViT", "embed-image", "images:vit:embed-image", {"pooling": "cls"}),
    Case("CLIP text tower", "embed", "images:clip:stated"),
    Case("CLIP image tower", "embed-image", "images:clip:stated"),
    Case("CLIP", "zero-shot-image", "images:clip:highest"),
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
