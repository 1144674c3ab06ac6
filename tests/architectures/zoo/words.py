"""Word-level tokenizers, for networks from before subwords."""

from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from tests.architectures.zoo.common import SENTENCES


def word_tokenizer(sentences: list[str] = SENTENCES, *, end: bool = False) -> Tokenizer:
    """Words between blanks; ids 0 to 3 are <pad>, <s>, </s>, <unk>. With ``end`` every text ends in </s>."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(special_tokens=["<pad>", "<s>", "</s>", "<unk>"], show_progress=False)
    tokenizer.train_from_iterator(sentences, trainer)
    if end:
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return tokenizer
