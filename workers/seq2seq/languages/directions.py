"""From which language into which: what a request says, as the model is told it. Step 5 on the path of a job."""

import re
from collections.abc import Mapping
from typing import Protocol

from contracts.errors import InvalidRequest
from contracts.model_package.manifest import Manifest, Translate
from workers.seq2seq.languages.languages import Languages, same_language
from workers.seq2seq.sources import Instruction

SOURCE, TARGET = "parameters.src_lang", "parameters.tgt_lang"
_PROMPT = re.compile(r"translation_(.+)_to_(.+)")


class Directions(Protocol):
    """The ways in which one model translates."""

    reads: Languages
    writes: Languages

    def find(self, source: str | None, target: str | None, *, forced: bool) -> Instruction:
        """Return what the model is told.

        Args:
            source: of the request.
            target: of the request.
            forced: whether the request names the answer's first token itself.

        Raises:
            InvalidRequest: there is no such way, or it is not clear which one is meant.
        """
        ...


def directions_of(manifest: Manifest) -> Directions:
    """Return the ways in which the model of a package translates."""
    prompts = {(match[1], match[2]): text for name, text in manifest.prompts.items() if (match := _PROMPT.match(name))}
    if manifest.translate and manifest.translate.languages:
        return ByToken(manifest.translate)
    if prompts:
        return ByPrompt(prompts)
    return OnePair(manifest.translate or Translate())


class ByToken:
    """Languages are told by tokens: NLLB, M2M100, mBART, Marian with several targets."""

    def __init__(self, facts: Translate) -> None:
        self._facts = facts
        told = list(facts.languages)
        self.reads = Languages(facts.reads or (told if facts.source else []), "source")
        self.writes = Languages(told, "target")

    def find(self, source: str | None, target: str | None, *, forced: bool) -> Instruction:
        """See `Directions`."""
        read = self._source(source)
        if target is None:
            if forced and self._facts.target == "forced_bos":
                return self._instruction(read, None)
            raise InvalidRequest(f"Say into which language: tgt_lang is one of {self.writes.listed()}.", param=TARGET)
        written = self.writes.find(target, TARGET)
        if read is not None:
            _check_different(read, written, is_default=source is None)
        return self._instruction(read, written)

    def _source(self, source: str | None) -> str | None:
        """Return the model's code of the language that is read, if it is known."""
        if source is not None and len(self.reads):
            return self.reads.find(source, SOURCE)
        if self._facts.source:
            return self._facts.default_source
        return self._facts.reads[0] if len(self._facts.reads) == 1 else None

    def _instruction(self, read: str | None, written: str | None) -> Instruction:
        facts = self._facts
        token = None if written is None else facts.languages[written]
        return Instruction(
            source_token=facts.languages.get(read or "") if facts.source else None,
            source_place=facts.source or "prefix",
            target_token=token if facts.target == "source_prefix" else None,
            start_token=token if facts.target == "decoder_start" else None,
            first_token=token if facts.target == "forced_bos" else None,
        )


class ByPrompt:
    """Languages are told in words before the text: T5."""

    def __init__(self, prompts: Mapping[tuple[str, str], str]) -> None:
        self._prompts = prompts
        self.reads = Languages(sorted({source for source, _ in prompts}), "source")
        self.writes = Languages(sorted({target for _, target in prompts}), "target")

    def find(self, source: str | None, target: str | None, *, forced: bool) -> Instruction:
        """See `Directions`. ``forced`` says nothing here."""
        read = None if source is None else self.reads.find(source, SOURCE)
        written = None if target is None else self.writes.find(target, TARGET)
        if read is not None and written is not None:
            _check_different(read, written, is_default=False)
        fitting = [pair for pair in self._prompts if read in (None, pair[0]) and written in (None, pair[1])]
        if len(fitting) == 1:
            return Instruction(prompt=self._prompts[fitting[0]])
        if not fitting:
            pairs = ", ".join(f"{one} to {other}" for one, other in sorted(self._prompts))
            raise InvalidRequest(f"The model does not translate {source} to {target}; it has {pairs}.", param=TARGET)
        name, param = ("tgt_lang", TARGET) if target is None else ("src_lang", SOURCE)
        languages = self.writes if target is None else self.reads
        raise InvalidRequest(f"Say which languages: {name} is one of {languages.listed()}.", param=param)


class OnePair:
    """The model knows one way only, and is told nothing: Marian of two languages, networks of our own."""

    def __init__(self, facts: Translate) -> None:
        self.reads = Languages(facts.reads, "source")
        self.writes = Languages(facts.writes, "target")

    def find(self, source: str | None, target: str | None, *, forced: bool) -> Instruction:
        """See `Directions`. ``forced`` says nothing here."""
        for code, languages, param in ((source, self.reads, SOURCE), (target, self.writes, TARGET)):
            if code is None:
                continue
            if not len(languages):
                name = param.rpartition(".")[2]
                raise InvalidRequest(
                    f"The model has one pair of languages, and its package does not say which: leave out {name}.",
                    param=param,
                )
            languages.find(code, param)
        return Instruction()


def _check_different(read: str, written: str, *, is_default: bool) -> None:
    if same_language(read, written):
        hint = " It is what the model reads where src_lang is not given." if is_default else ""
        raise InvalidRequest(
            f"The text is in {read} already: source and target are the same language.{hint}", param=TARGET
        )
