"""The text of an answer as it grows, up to its stop text; and the texts of single tokens, to tell them by."""

from collections.abc import Sequence

from tokenizers import Tokenizer

from workers.runtime.decoding.request import Ids
from workers.runtime.decoding.text.detokenizer import Detokenizer
from workers.runtime.decoding.text.stop_strings import StopFinder


class TextStream:
    """One answer's text. Put together, all that it returns is ``decode(prompt + answer)`` without ``decode(prompt)``.

    Special tokens, and ids that the tokenizer does not know, are written as nothing. Used by one thread.
    """

    def __init__(self, tokenizer: Tokenizer, prompt_ids: Ids, stops: Sequence[str] = ()) -> None:
        self._detokenizer = Detokenizer(tokenizer, prompt_ids)
        self._finder = StopFinder(stops)

    @property
    def stopped(self) -> bool:
        """Whether a stop text has appeared; nothing more will come."""
        return self._finder.stopped

    def add(self, token_id: int) -> str:
        """Return the new text that may be shown: whole characters, and nothing that may become a stop text."""
        return "" if self.stopped else self._finder.add(self._detokenizer.add(token_id))

    def end(self) -> str:
        """Return what was held back, now that the answer has ended; a broken character is U+FFFD."""
        if self.stopped:
            return ""
        return self._finder.add(self._detokenizer.end()) + self._finder.end()


class Vocabulary:
    """The tokens of a tokenizer, each by itself. Safe for threads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        self._specials: dict[int, str] = {id_: token.content for id_, token in added.items() if token.special}
        self._texts: dict[int, str] = {}

    def text(self, token_id: int) -> str:
        """Return a token's text as it is within a text: with its space before it; bytes that are no character, U+FFFD.

        A special token has its name, an id that the tokenizer does not know nothing.
        """
        text = self._texts.get(token_id)
        if text is None:
            text = self._texts[token_id] = self._specials.get(token_id) or self._text_within(token_id)
        return text

    def is_special(self, token_id: int) -> bool:
        """Return whether the token steers the model and is no text, like the end of a text."""
        return token_id in self._specials

    def _text_within(self, token_id: int) -> str:
        # The first token of a text may lose its space, so it is the second of two whose text is taken.
        isolated, twice = (self._tokenizer.decode([token_id] * num, skip_special_tokens=True) for num in (1, 2))
        text: str = twice[len(isolated) :] if twice.startswith(isolated) else isolated
        return text
