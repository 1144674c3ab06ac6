"""Looks up languages in model cards, for routes whose clients name languages and no models."""

from collections.abc import Iterable

from contracts.cards import ModelCard
from contracts.errors import InvalidRequest

AUTO = "auto"
UNKNOWN = ("zz", "Unknown")
"""For a model whose card names no languages; `zz` is LanguageTool's own code for that."""
MAX_LISTED = 60
"""Most codes in an error: a multilingual translator may have 200, which nobody reads in a sentence."""


def translated_languages(cards: Iterable[ModelCard]) -> dict[str, str]:
    """Return the English names of all languages that these models read or write, by code."""
    found: dict[str, str] = {}
    for card in cards:
        found = {**(card.source_languages or {}), **(card.target_languages or {}), **found}
    return dict(sorted(found.items()))


def languages_read(cards: Iterable[ModelCard]) -> dict[str, str]:
    """Return the English names of all languages that these models read, by code."""
    found: dict[str, str] = {}
    for card in cards:
        found = {**(card.source_languages or {}), **found}
    return dict(sorted(found.items()))


def targets_of(cards: Iterable[ModelCard], source: str) -> list[str]:
    """Return the codes of the languages that ``source`` is translated into. It is one of them: no change at all."""
    reading = [card for card in cards if source in (card.source_languages or {})]
    return sorted({source}.union(*(card.target_languages or {} for card in reading)))


def check_known(cards: Iterable[ModelCard], code: str, field: str) -> None:
    """Raise InvalidRequest, naming the field, for a language that these models neither read nor write."""
    known = translated_languages(cards)
    if code not in known:
        raise InvalidRequest(f"{code!r} is not supported. Languages: {_listed(known) or 'none'}.", param=field)


def translator(cards: list[ModelCard], source: str, target: str) -> tuple[ModelCard, str]:
    """Return the first of these models that reads ``source`` and writes ``target``, and the source's code.

    ``source`` may be ``AUTO`` if the models translate only one language into the target.

    Raises:
        InvalidRequest: a language is not known, no model has this pair, or ``AUTO`` is ambiguous.
    """
    known = translated_languages(cards)
    if source != AUTO:
        check_known(cards, source, "source")
    check_known(cards, target, "target")
    writing = [card for card in cards if target in (card.target_languages or {})]
    if source == AUTO:
        return _only_source(writing, target)
    for card in writing:
        if source in (card.source_languages or {}):
            return card, source
    others = _listed(code for code in targets_of(cards, source) if code != source) or "nothing"
    raise InvalidRequest(
        f"{known[target]} ({target}) is not available from {known[source]} ({source}). From there: {others}.",
        param="target",
    )


def _only_source(writing: list[ModelCard], target: str) -> tuple[ModelCard, str]:
    # Compared by name, since models may have several codes for one language. The order is reversed, so that of these
    # codes the first one of the first model is kept.
    codes = {name: code for card in reversed(writing) for code, name in reversed((card.source_languages or {}).items())}
    if len(codes) == 1:
        return writing[0], next(iter(codes.values()))
    if not codes:
        raise InvalidRequest(f"No model translates into {target}.", param="target")
    raise InvalidRequest(
        f"Languages are not detected here. Name the source language, one of {_listed(sorted(codes.values()))}.",
        param="source",
    )


def reader(cards: list[ModelCard], code: str) -> tuple[ModelCard, tuple[str, str]]:
    """Return the first of these models that reads a language, and the language's code and name.

    A model that reads ``en`` reads ``en-US`` too. The first model reads ``AUTO``, and one whose card names no languages
    reads all.

    Raises:
        InvalidRequest: none of them reads it.
    """
    for card in cards:
        languages = card.source_languages or {}
        if code == AUTO:
            return card, next(iter(languages.items()), UNKNOWN)
        for known in (code, code.partition("-")[0]):
            if known in languages:
                return card, (code, languages[known])
        if not languages:
            return card, (code, code)
    listed = _listed([*languages_read(cards), AUTO])
    raise InvalidRequest(f"{code!r} is not a language code known here. Languages: {listed}.", param="language")


def _listed(codes: Iterable[str]) -> str:
    found = list(codes)
    return ", ".join(found[:MAX_LISTED]) + (" and others" if len(found) > MAX_LISTED else "")
