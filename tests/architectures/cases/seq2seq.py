"""Encoder-decoders."""

from tests.architectures.cases.case import Case

_TEXTS = {
    "T5": ("summarize", "t5"),
    "T5 v1.1": ("text2text", "t5_gated"),
    "mT5": ("text2text", "mt5"),
    "BART": ("denoise", "bart"),
    "Pegasus": ("summarize", "pegasus"),
    "Marian": ("translate", "marian"),
    "Marian multilingual": ("translate", "marian_many"),
    "M2M100": ("translate", "m2m100"),
    "NLLB": ("translate", "nllb"),
    "mBART-50": ("translate", "mbart"),
}
CASES: tuple[Case, ...] = (
    *(Case(name, task, f"seq2seq:{build}", slots=True) for name, (task, build) in _TEXTS.items()),
    Case("Blenderbot small", "text2text", "seq2seq:blenderbot_small", slots=True),
    *(Case(name, task, f"seq2seq:{build}", {"cache": "concat"}) for name, (task, build) in _TEXTS.items()),
    Case("BERT+GPT-2", "summarize", "seq2seq:bert_gpt2"),
    Case("Whisper", "transcribe", "speech:whisper"),
    Case("ViT+GPT-2", "caption", "captions:vit_gpt2"),
    Case("TrOCR", "caption", "captions:vit_trocr"),
)
