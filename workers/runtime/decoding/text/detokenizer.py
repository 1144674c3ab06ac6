"""Tokens to text, one token at a time, as if the whole text were decoded every time.

A token has no text of its own: its bytes may be a part of a character, its first space may belong there or not, its
word may want a space before it. So a window of the last tokens is decoded with each new one, and what its text has
grown by is the new text; so do TGI and vLLM, and so does `tokenizers.decoders.DecodeStream`. That one is not used: its
window grows for as long as the text ends in U+FFFD, which takes a model that writes broken UTF-8 quadratic time, and it
raises an error when bytes that were a character stop being one.
"""

from tokenizers import Tokenizer

from workers.runtime.decoding.request import Ids

_BROKEN = "\ufffd"
_MAX_BYTES = 4
"""Of a character in UTF-8; so many tokens may be needed for one."""
_NUM_CONTEXT = 8
"""Tokens that stay in the window when it is cut, or a few more."""
_MAX_WINDOW = 24


class Detokenizer:
    """The text of one answer. Special tokens, and ids that the tokenizer does not know, are written as nothing."""

    def __init__(self, tokenizer: Tokenizer, prompt_ids: Ids) -> None:
        self._tokenizer = tokenizer
        self._window, self._text = self._context(prompt_ids.tolist())
        self._shown = self._text
        """What of the window's text belongs to the prompt or was returned."""
        self._num_unsure = 0
        """Tokens since the text last ended with a whole character."""

    def add(self, token_id: int) -> str:
        """Return the text that is certain now. What may be the beginning of a character is kept back."""
        text = self._decode([*self._window, token_id])
        if text == self._text and not self._decode([token_id, token_id]):
            return ""  # were it let in, the window could fill with tokens that are nothing
        self._window.append(token_id)
        self._text = text
        self._num_unsure += 1
        if not text.endswith(_BROKEN):
            fresh = self._grow()
        elif self._num_unsure < _MAX_BYTES and not text.startswith(self._shown):
            # Of a run of byte tokens that lacks its last ones `decode` makes nothing but U+FFFD.
            return ""
        else:
            fresh = self._grow(keep_end=True)
        if len(self._window) >= _MAX_WINDOW:
            self._cut()
        return fresh

    def end(self) -> str:
        """Return what was kept back; a character that has not come to its end is U+FFFD, as in `decode`."""
        return self._grow()

    def _grow(self, *, keep_end: bool = False) -> str:
        """Return the text that was not shown yet."""
        if not self._text.startswith(self._shown):
            self._mend()
        certain = _without_broken_end(self._text) if keep_end else self._text
        fresh = certain[len(self._shown) :]
        self._shown += fresh
        if not keep_end:
            self._num_unsure = 0
        return fresh

    def _mend(self) -> None:
        """Find what was shown in a text that has changed there."""
        self._shown = _without_broken_end(self._shown)
        if not self._text.startswith(self._shown):
            # A run of byte tokens is broken by its last ones, and `decode` breaks what was shown with it.
            self._window = self._window[-self._num_unsure :]
            self._text, self._shown = self._decode(self._window), ""

    def _cut(self) -> None:
        num_kept_back = len(self._text) - len(self._shown)
        self._window, self._text = self._context(self._window)
        self._shown = self._text[: max(0, len(self._text) - num_kept_back)]

    def _context(self, token_ids: list[int]) -> tuple[list[int], str]:
        """Return the last tokens and their text, if possible one that begins with a whole character."""
        num_tokens = _NUM_CONTEXT
        while num_tokens < len(token_ids) and not self._decode(token_ids[-num_tokens:]):
            num_tokens *= 2
        for more in range(_MAX_BYTES):
            context = token_ids[-num_tokens - more :]
            text = self._decode(context)
            if not text.startswith(_BROKEN):
                break
        return context, text

    def _decode(self, token_ids: list[int]) -> str:
        text: str = self._tokenizer.decode(token_ids, skip_special_tokens=True)
        return text


def _without_broken_end(text: str) -> str:
    """Return the text without the U+FFFD at its end that may still become a character: at most one for each byte."""
    for _ in range(_MAX_BYTES - 1):
        text = text.removesuffix(_BROKEN)
    return text
