"""What a request says about writing, put together with what the package says where it is silent. Step 5 of a job."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from tokenizers import Tokenizer

from contracts.errors import InvalidRequest
from contracts.generation_parameters import GenerationParameters
from contracts.model_package.manifest import Generation
from workers.runtime.decoding.request import Beams, Constraints, GenerationRequest, Ids, Sampling
from workers.runtime.decoding.sampling.defaults import (
    SAMPLING_PARAMETERS,
    constraints_of,
    default_sampling,
    does_sample,
    given,
    seed_of,
)
from workers.seq2seq.lengths import WHERE, Lengths, lengths_of
from workers.seq2seq.sources import Instruction


@dataclass(frozen=True)
class Scope:
    """What a model has and can do."""

    generation: Generation
    tokenizer: Tokenizer
    max_tokens: int
    """Of the decoder, its prefix included."""
    max_rows: int
    """Texts side by side."""
    vocabulary: int


@dataclass(frozen=True)
class Writing:
    """How a job's answers are written, whatever their sources."""

    prefix_ids: Ids
    sampling: Sampling
    beams: Beams | None
    eos_token_ids: frozenset[int]
    stops: tuple[str, ...]
    lengths: Lengths
    num_sequences: int

    def request(self, source_ids: Ids, bound: int) -> GenerationRequest:
        """Return what is asked of the decoding loop for one source; ``bound``: see ``Lengths.max_new_tokens``."""
        return GenerationRequest(
            prompt_ids=self.prefix_ids,
            source_ids=source_ids,
            max_new_tokens=self.lengths.max_new_tokens(bound),
            sampling=self.sampling,
            beams=self.beams,
            eos_token_ids=self.eos_token_ids,
            stop_strings=self.stops,
        )

    def once(self) -> "Writing":
        """Return the same for one answer to each source."""
        beams = replace(self.beams, num_return_sequences=1) if self.beams else None
        return replace(self, num_sequences=1, beams=beams)


def writing_of(parameters: GenerationParameters, scope: Scope, instruction: Instruction, job_id: str) -> Writing:
    """Return how the answers of a job are written.

    Raises:
        InvalidRequest: the parameters are not for this model, or contradict what its package says.
    """
    generation = scope.generation
    beams = _beams(parameters, generation, scope.max_rows)
    seed = seed_of(job_id) if parameters.seed is None else parameters.seed
    sampling = default_sampling(parameters, generation, seed=seed)
    if parameters.num_return_sequences > 1 and not beams and not sampling.do_sample:
        raise InvalidRequest(
            "Without beams and without drawing there is one answer only: set num_beams or do_sample, or leave out "
            "num_return_sequences.",
            param=f"{WHERE}.num_return_sequences",
        )
    start = given(instruction.start_token, generation.decoder_start_token_id)
    prefix = np.array([given(start, generation.bos_token_id) or 0], np.int64)
    lengths = lengths_of(parameters, generation, num_prefix=len(prefix), max_tokens=scope.max_tokens)
    return Writing(
        prefix_ids=prefix,
        sampling=replace(
            sampling,
            do_sample=sampling.do_sample and beams is None,
            repetition_penalty=given(parameters.repetition_penalty, generation.repetition_penalty),
            constraints=_constraints(parameters, scope, instruction, lengths),
        ),
        beams=beams,
        eos_token_ids=frozenset(generation.eos_token_ids),
        stops=parameters.stops,
        lengths=lengths,
        num_sequences=parameters.num_return_sequences,
    )


def _beams(parameters: GenerationParameters, generation: Generation, max_rows: int) -> Beams | None:
    """Return the search, if there is one: the request's, or the package's where the request draws no tokens."""
    asks_to_draw = does_sample(parameters, Generation())
    if (parameters.num_beams or 1) > 1 and asks_to_draw:
        name = next((name for name in SAMPLING_PARAMETERS if getattr(parameters, name) is not None), "do_sample")
        raise InvalidRequest(
            f"Beams are searched and not drawn: leave out {name}, or num_beams.", param=f"{WHERE}.{name}"
        )
    num_beams = parameters.num_beams
    if num_beams is None:
        num_beams = 1 if does_sample(parameters, generation) else generation.num_beams
    if num_beams == 1:
        return None
    _check_beams(parameters, num_beams, max_rows)
    return Beams(
        num_beams=num_beams,
        num_return_sequences=parameters.num_return_sequences,
        length_penalty=given(parameters.length_penalty, generation.length_penalty),
        early_stopping=given(parameters.early_stopping, generation.early_stopping),
    )


def _check_beams(parameters: GenerationParameters, num_beams: int, max_rows: int) -> None:
    if num_beams > max_rows:
        raise InvalidRequest(
            f"num_beams is {num_beams}; this worker writes {max_rows} texts side by side (TRIPTYCH_MAX_ROWS).",
            param=f"{WHERE}.num_beams",
        )
    if parameters.num_return_sequences > num_beams:
        raise InvalidRequest(
            f"num_return_sequences is {parameters.num_return_sequences}, and by its package the model searches with "
            f"{num_beams} beams: set num_beams.",
            param=f"{WHERE}.num_return_sequences",
        )
    if parameters.stops:
        raise InvalidRequest(
            f"By its package the model searches with {num_beams} beams, and those are chosen at their end: set "
            "num_beams to 1, or leave out stop.",
            param=f"{WHERE}.stop",
        )


def _constraints(
    parameters: GenerationParameters, scope: Scope, instruction: Instruction, lengths: Lengths
) -> Constraints:
    usual = constraints_of(scope.generation)
    _check_tokens(parameters, scope.vocabulary)
    forced_bos = given(parameters.forced_bos_token_id, usual.forced_bos_token_id)
    if instruction.first_token is not None:
        if parameters.forced_bos_token_id not in (None, instruction.first_token):
            raise InvalidRequest(
                "forced_bos_token_id is the token of another language than tgt_lang: leave out one of them.",
                param=f"{WHERE}.forced_bos_token_id",
            )
        forced_bos = instruction.first_token
    words = usual.bad_words if parameters.bad_words_ids is None else tuple(map(tuple, parameters.bad_words_ids))
    return Constraints(
        no_repeat_ngram_size=given(parameters.no_repeat_ngram_size, usual.no_repeat_ngram_size),
        bad_words=tuple(dict.fromkeys([*words, *_bad_words(parameters.bad_words, scope.tokenizer)])),
        min_length=lengths.min_length,
        min_new_tokens=lengths.min_new_tokens,
        forced_bos_token_id=forced_bos,
        forced_eos_token_ids=_forced_eos(parameters, usual),
        suppress_tokens=tuple(given(parameters.suppress_tokens, usual.suppress_tokens)),
        begin_suppress_tokens=tuple(given(parameters.begin_suppress_tokens, usual.begin_suppress_tokens)),
    )


def _forced_eos(parameters: GenerationParameters, usual: Constraints) -> tuple[int, ...]:
    asked = parameters.forced_eos_token_id
    if asked is None:
        return usual.forced_eos_token_ids
    return (asked,) if isinstance(asked, int) else tuple(asked)


def _bad_words(words: Iterable[str], tokenizer: Tokenizer) -> Iterator[tuple[int, ...]]:
    """Yield the tokens of each word at the start of a text and within one, which may be others."""
    for word in words:
        for text in (word, f" {word}"):
            if token_ids := tokenizer.encode(text, add_special_tokens=False).ids:
                yield tuple(token_ids)


def _check_tokens(parameters: GenerationParameters, vocabulary: int) -> None:
    """Refuse tokens that the model does not have, and suppressing all that it has."""
    forced_eos = parameters.forced_eos_token_id
    named = {
        "bad_words_ids": [token for word in parameters.bad_words_ids or [] for token in word],
        "forced_bos_token_id": [parameters.forced_bos_token_id or 0],
        "forced_eos_token_id": forced_eos if isinstance(forced_eos, list) else [forced_eos or 0],
        "suppress_tokens": parameters.suppress_tokens or [],
        "begin_suppress_tokens": parameters.begin_suppress_tokens or [],
    }
    for name, token_ids in named.items():
        unknown = [token for token in token_ids if token >= vocabulary]
        if unknown:
            raise InvalidRequest(
                f"The model has {vocabulary} tokens, and none of number {unknown[0]}.", param=f"{WHERE}.{name}"
            )
    forbidden = {*named["suppress_tokens"], *named["begin_suppress_tokens"]}
    forbidden |= {word[0] for word in parameters.bad_words_ids or [] if len(word) == 1}
    if len(forbidden) >= vocabulary:
        raise InvalidRequest("No token is left that the model could write.", param=f"{WHERE}.suppress_tokens")
