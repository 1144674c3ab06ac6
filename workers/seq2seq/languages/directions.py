"""Translation directions: from the languages of a request to the tokens or the prompt that the model needs for them.

Step 5 on the path of a job.
"""

import re
from collections.abc import Mapping
from typing import Protocol

from contracts.errors import InvalidRequest
from contracts.model_package.manifest import Manifest
from contracts.model_package.tasks import Translate, TranslateTask
from workers.seq2seq.languages.matching import LanguageSet, same_language
from workers.seq2seq.source_tokenizer import Conditioning

SOURCE, TARGET = "parameters.src_lang", "parameters.tgt_lang"
_PROMPT = re.compile(r"translation_(.+)_to_(.+)")
"""Names of T5's prompts for translation."""


class Directions(Protocol):
    """The language pairs of one model."""

    sources: LanguageSet
    targets: LanguageSet

    def conditioning(self, source: str | None, target: str | None, *, has_forced_bos: bool) -> Conditioning:
        """Return what the model must be given to translate from one language to another.

        Args:
            source: ``src_lang`` of the request.
            target: ``tgt_lang`` of the request.
            has_forced_bos: whether the request sets ``forced_bos_token_id``, which may name the target language too.

        Raises:
            InvalidRequest: the model does not have this direction, or the request is ambiguous.
        """
        ...


def directions_of(manifest: Manifest) -> Directions:
    """Return the translation directions of a package's model."""
    prompts = {(match[1], match[2]): text for name, text in manifest.prompts.items() if (match := _PROMPT.match(name))}
    table = manifest.task.translate if isinstance(manifest.task, TranslateTask) else Translate()
    # A model with language tokens ignores words in a prompt, so the tokens count if a package has both.
    if table.languages:
        return TokenDirections(table)
    if prompts:
        return PromptDirections(prompts)
    return SingleDirection(table)


class TokenDirections:
    """Languages are tokens: NLLB, M2M100, mBART, and Marian with several target languages."""

    def __init__(self, table: Translate) -> None:
        self._table = table
        codes = list(table.languages)
        self.sources = LanguageSet(table.reads or (codes if table.source else []), "source")
        self.targets = LanguageSet(codes, "target")

    def conditioning(self, source: str | None, target: str | None, *, has_forced_bos: bool) -> Conditioning:
        """Return the language tokens."""
        source_code = self._source_code(source)
        if target is None:
            if has_forced_bos and self._table.target == "forced_bos":
                return self._tokens(source_code, None)
            raise InvalidRequest(
                f"The target language is missing: set tgt_lang to one of {self.targets.listed()}.", param=TARGET
            )
        target_code = self.targets.find(target, TARGET)
        if source_code is not None:
            _check_different(source_code, target_code, is_default=source is None)
        return self._tokens(source_code, target_code)

    def _source_code(self, source: str | None) -> str | None:
        """Return the model's code of the source language; None: it is unknown, and the model does not need it."""
        # Marian packages with several targets may not say what they read. Then src_lang cannot be checked and changes
        # nothing.
        if source is not None and len(self.sources):
            return self.sources.find(source, SOURCE)
        if self._table.source:
            return self._table.default_source
        return self._table.reads[0] if len(self._table.reads) == 1 else None

    def _tokens(self, source_code: str | None, target_code: str | None) -> Conditioning:
        table = self._table
        target_id = None if target_code is None else table.languages[target_code]
        return Conditioning(
            src_lang_token_id=table.languages.get(source_code or "") if table.source else None,
            src_lang_position=table.source or "prefix",
            source_prefix_token_id=target_id if table.target == "source_prefix" else None,
            decoder_start_token_id=target_id if table.target == "decoder_start" else None,
            forced_bos_token_id=target_id if table.target == "forced_bos" else None,
        )


class PromptDirections:
    """Languages are words in a prompt before the text: T5."""

    def __init__(self, prompts: Mapping[tuple[str, str], str]) -> None:
        self._prompts = prompts
        self.sources = LanguageSet(sorted({source for source, _ in prompts}), "source")
        self.targets = LanguageSet(sorted({target for _, target in prompts}), "target")

    def conditioning(self, source: str | None, target: str | None, *, has_forced_bos: bool) -> Conditioning:
        """Return the prompt. One of the languages is enough if the model has only one direction with it."""
        source_code = None if source is None else self.sources.find(source, SOURCE)
        target_code = None if target is None else self.targets.find(target, TARGET)
        if source_code is not None and target_code is not None:
            _check_different(source_code, target_code, is_default=False)
        pairs = [pair for pair in self._prompts if source_code in (None, pair[0]) and target_code in (None, pair[1])]
        if len(pairs) == 1:
            return Conditioning(prompt=self._prompts[pairs[0]])
        if not pairs:
            known = ", ".join(f"{one} to {other}" for one, other in sorted(self._prompts))
            raise InvalidRequest(f"The model does not translate {source} to {target}; it has {known}.", param=TARGET)
        name, param = ("tgt_lang", TARGET) if target is None else ("src_lang", SOURCE)
        languages = self.targets if target is None else self.sources
        raise InvalidRequest(f"The language pair is ambiguous: set {name} to one of {languages.listed()}.", param=param)


class SingleDirection:
    """The model has one language pair and needs neither token nor prompt: Marian with one target, the starters."""

    def __init__(self, table: Translate) -> None:
        self.sources = LanguageSet(table.reads, "source")
        self.targets = LanguageSet(table.writes, "target")

    def conditioning(self, source: str | None, target: str | None, *, has_forced_bos: bool) -> Conditioning:
        """Return nothing to add, if the languages are those of the model."""
        for code, languages, param in ((source, self.sources, SOURCE), (target, self.targets, TARGET)):
            if code is None:
                continue
            if not len(languages):
                name = param.rpartition(".")[2]
                raise InvalidRequest(
                    f"The model has one language pair, and its package does not say which: leave out {name}.",
                    param=param,
                )
            languages.find(code, param)
        return Conditioning()


def _check_different(source: str, target: str, *, is_default: bool) -> None:
    # No model is trained on this direction, and a client that asks for it has usually left out src_lang.
    if same_language(source, target):
        hint = " This is the model's default if src_lang is not set." if is_default else ""
        raise InvalidRequest(
            f"The text is in {source} already: source and target are the same language.{hint}", param=TARGET
        )
