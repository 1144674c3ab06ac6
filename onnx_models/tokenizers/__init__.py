"""Conversion of tokenizers to the form that workers load, without transformers and sentencepiece.

Every package has a ``tokenizer.json`` of the `tokenizers` library. If transformers runs a tokenizer in Python on top of
sentencepiece (Marian, M2M100), the package has a ``pieces.json``, too, and
`workers.runtime.tokenizing.sentencepiece.open_tokenizer` opens both. Export requires equal token ids: `equality`
compares them on more than a thousand texts each time.

**Languages.** tokenizer.json adds the special tokens that transformers adds for the default source language; the
manifest's [translate] table has the rest. For another source language, its id replaces the default's, which is the
first id (``prefix``) or the last (``suffix``). For a Marian model with several target languages, the id of ``>>code<<``
is put before the ids of the text, which equals ``>>code<<`` before the text itself.

**Decoding.** The same tokenizer.json decodes the model's output: both sides share one table of ids, and its decoder
joins pieces as the target's SentencePiece model does.
"""
