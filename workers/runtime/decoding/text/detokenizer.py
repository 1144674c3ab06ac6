"""Incremental detokenization: the text that each token adds, equal to decoding all tokens at once.

A token has no text of its own: its bytes may be part of a character, its leading space may be dropped at the beginning
of a text, and the decoder may join words with spaces. So a window of the last tokens is decoded with each new one, and
the text that the window gained is the token's text. TGI, vLLM and `tokenizers.decoders.DecodeStream` work like this.
DecodeStream is not used: its window grows while the text ends in U+FFFD, so a model that generates invalid UTF-8 takes
quadratic time, and it raises an error if bytes that formed a character no longer do.
"""

from tokenizers import Tokenizer

from workers.runtime.decoding.request import Ids

_REPLACEMENT = "\ufffd"
_MAX_CHARACTER_BYTES = 4
"""Of UTF-8. A character may take as many tokens."""
_CONTEXT_TOKENS = 8
"""Tokens that remain in the window when it is cut; a few more if the text would begin within a character."""
_MAX_WINDOW_TOKENS = 24
"""Length at which the window is cut. A longer one costs more with each token, a shorter one is cut more often, and
each cut decodes once more."""


class Detokenizer:
    """The text of one sequence. Special tokens and ids unknown to the tokenizer have no text."""

    def __init__(self, tokenizer: Tokenizer, prompt_ids: Ids) -> None:
        self._tokenizer = tokenizer
        self._window, self._text = self._context(prompt_ids.tolist())
        self._shown = self._text
        """The beginning of the window's text that belongs to the prompt or was returned."""
        self._num_incomplete = 0
        """Tokens since the text last ended with a whole character."""

    def add(self, token_id: int) -> str:
        """Return the text that is certain now. An incomplete character is held back."""
        text = self._decode([*self._window, token_id])
        # Decoded twice in a row, because a token that is only a space has no text at the beginning of a text.
        if text == self._text and not self._decode([token_id, token_id]):
            return ""  # tokens without text must not fill the window and push out the context
        self._window.append(token_id)
        self._text = text
        self._num_incomplete += 1
        if not text.endswith(_REPLACEMENT):
            new_text = self._show()
        elif self._num_incomplete < _MAX_CHARACTER_BYTES and not text.startswith(self._shown):
            # `decode` turns a whole run of byte tokens into U+FFFD while its last character is incomplete, so even
            # text that was shown before seems to have changed.
            return ""
        else:
            new_text = self._show(hold_back_incomplete=True)
        if len(self._window) >= _MAX_WINDOW_TOKENS:
            self._cut()
        return new_text

    def end(self) -> str:
        """Return what was held back; an incomplete character becomes U+FFFD, as in `decode`."""
        return self._show()

    def _show(self, *, hold_back_incomplete: bool = False) -> str:
        """Return the text that was not shown yet, and mark it as shown."""
        if not self._text.startswith(self._shown):
            self._realign()
        certain = _without_incomplete_end(self._text) if hold_back_incomplete else self._text
        new_text = certain[len(self._shown) :]
        self._shown += new_text
        if not hold_back_incomplete:
            self._num_incomplete = 0
        return new_text

    def _realign(self) -> None:
        """Make the shown text a prefix of the window's text again, after `decode` has changed what was shown."""
        self._shown = _without_incomplete_end(self._shown)
        if not self._text.startswith(self._shown):
            # The last bytes of a run of byte tokens are invalid, and `decode` now replaces the whole run, including
            # what was shown. The window restarts with the tokens that were not shown.
            self._window = self._window[-self._num_incomplete :]
            self._text, self._shown = self._decode(self._window), ""

    def _cut(self) -> None:
        num_held_back = len(self._text) - len(self._shown)
        self._window, self._text = self._context(self._window)
        self._shown = self._text[: max(0, len(self._text) - num_held_back)]

    def _context(self, token_ids: list[int]) -> tuple[list[int], str]:
        """Return the last tokens and their text, which begins with a whole character if possible."""
        num_tokens = _CONTEXT_TOKENS
        # A context of tokens without text, such as special tokens, would not show how the text before it ends.
        while num_tokens < len(token_ids) and not self._decode(token_ids[-num_tokens:]):
            num_tokens *= 2
        for more in range(_MAX_CHARACTER_BYTES):
            context = token_ids[-num_tokens - more :]
            text = self._decode(context)
            if not text.startswith(_REPLACEMENT):
                break
        return context, text

    def _decode(self, token_ids: list[int]) -> str:
        text: str = self._tokenizer.decode(token_ids, skip_special_tokens=True)
        return text


def _without_incomplete_end(text: str) -> str:
    """Return the text without the U+FFFD at its end that may still become a character, one for each byte at most."""
    for _ in range(_MAX_CHARACTER_BYTES - 1):
        text = text.removesuffix(_REPLACEMENT)
    return text
