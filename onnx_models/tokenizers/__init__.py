"""Tokenizers as workers load them: by the `tokenizers` library, without transformers and without sentencepiece.

Every package has a ``tokenizer.json``. Where transformers runs a tokenizer in Python on top of sentencepiece (Marian,
M2M100), ``pieces.json`` lies beside it, and `workers.runtime.tokenizing.sentencepiece.open_tokenizer` opens the two.
Their token ids are equal, or export stops: `equality` compares them on more than a thousand texts each time.

**Languages.** tokenizer.json puts around a text what transformers puts there for the default source language, and the
manifest's [translate] table says the rest. For another source language its id replaces the default's, first
(``prefix``) or last (``suffix``) among the ids. For a Marian model with several targets the id of ``>>code<<`` goes
before the ids of the text, which is what ``>>code<<`` before the text itself gives.

**Decoding.** One tokenizer.json decodes what the model writes, too: the table of ids is one for both sides, and its
decoder joins pieces as the target's SentencePiece model does.
"""
