"""Encoder-decoders."""

from tests.architectures.cases.case import Case

CASES: tuple[Case, ...] = (
    Case("T5", "summarize", "seq2seq:t5"),
    Case("T5 v1.1", "text2text", "seq2seq:t5_gated"),
    Case("mT5", "text2text", "seq2seq:mt5"),
    Case("BART", "denoise", "seq2seq:bart"),
    Case("Pegasus", "summarize", "seq2seq:pegasus"),
    Case("Marian", "translate", "seq2seq:marian"),
    Case("Marian multilingual", "translate", "seq2seq:marian_many"),
    Case("M2M100", "translate", "seq2seq:m2m100"),
    Case("NLLB", "translate", "seq2seq:nllb"),
    Case("mBART-50", "translate", "seq2seq:mbart"),
    Case("BERT+GPT-2", "summarize", "seq2seq:bert_gpt2"),
    Case("Whisper", "transcribe", "speech:whisper"),
    Case("ViT+GPT-2", "caption", "captions:vit_gpt2"),
    Case("TrOCR", "caption", "captions:vit_trocr"),
)
