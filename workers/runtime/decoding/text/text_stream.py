"""The text of one sequence while it is generated, up to its stop string; and the texts of single tokens."""

from collections.abc import Sequence

from tokenizers import Tokenizer

from workers.runtime.decoding.request import Ids
from workers.runtime.decoding.text.detokenizer import Detokenizer
from workers.runtime.decoding.text.stop_strings import StopStringMatcher


class TextStream:
    """Turns the tokens of one sequence into text.

    Concatenated, all that it returns is ``decode(prompt + output)`` without ``decode(prompt)``. Special tokens and ids
    unknown to the tokenizer have no text. Used by one thread.
    """

    def __init__(self, tokenizer: Tokenizer, prompt_ids: Ids, stop_strings: Sequence[str] = ()) -> None:
        self._detokenizer = Detokenizer(tokenizer, prompt_ids)
        self._matcher = StopStringMatcher(stop_strings)

    @property
    def stopped(self) -> bool:
        """Whether a stop string was found; no more text will come."""
        return self._matcher.stopped

    def add(self, token_id: int) -> str:
        """Return the new text that may be shown: whole characters, and no part of a possible stop string."""
        return "" if self.stopped else self._matcher.add(self._detokenizer.add(token_id))

    def end(self) -> str:
        """Return what was held back, now that the sequence has ended; an incomplete character becomes U+FFFD."""
        if self.stopped:
            return ""
        return self._matcher.add(self._detokenizer.end()) + self._matcher.end()


class Vocabulary:
    """The texts of a tokenizer's single tokens. Safe to use from any thread."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        self._specials: dict[int, str] = {id_: token.content for id_, token in added.items() if token.special}
        self._texts: dict[int, str] = {}

    def text(self, token_id: int) -> str:
        """Return a token's text as it is inside of a text: with its leading space; incomplete characters as U+FFFD.

        The text of a special token is its name, that of an unknown id is empty.
        """
        # Without a lock: at worst two threads decode the same token, with the same result.
        text = self._texts.get(token_id)
        if text is None:
            text = self._texts[token_id] = self._specials.get(token_id) or self._text_within(token_id)
        return text

    def is_special(self, token_id: int) -> bool:
        """Return whether the token is a control token, like end-of-sequence, and not text."""
        return token_id in self._specials

    def _text_within(self, token_id: int) -> str:
        # The first token of a text may lose its leading space, so the token is decoded twice in a row and the text of
        # the second one is taken.
        once, twice = (self._tokenizer.decode([token_id] * num, skip_special_tokens=True) for num in (1, 2))
        text: str = twice[len(once) :] if twice.startswith(once) else once
        return text
