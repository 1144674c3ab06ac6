"""Resolves how a job's answers are generated: the request's parameters, completed by the package's defaults.

Step 5 on the path of a job. What `transformers` does in ``generate`` when it merges its arguments into the model's
``generation_config``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from tokenizers import Tokenizer

from contracts.errors import InvalidRequest
from contracts.generation_parameters import GenerationParameters
from contracts.model_package.graphs import Generation
from workers.runtime.decoding.request import Beams, Constraints, Ids, Sampling
from workers.runtime.decoding.sampling.defaults import (
    SAMPLING_PARAMETERS,
    constraints_of,
    default_sampling,
    does_sample,
    given,
    seed_of,
)
from workers.seq2seq.lengths import PARAM, LengthLimits, length_limits
from workers.seq2seq.source_tokenizer import Conditioning


@dataclass(frozen=True)
class ModelConfig:
    """The defaults and limits of one model."""

    generation: Generation
    """The package's defaults."""
    tokenizer: Tokenizer
    max_tokens: int
    """Most tokens that the decoder can hold, including those that it starts with."""
    max_rows: int
    """Most sequences of full length that the cache can hold at once."""
    vocab_size: int


@dataclass(frozen=True)
class GenerationConfig:
    """How the answers of a job are generated, whatever their sources."""

    decoder_input_ids: Ids
    """int64 [tokens], what the decoder starts with."""
    sampling: Sampling
    beams: Beams | None
    """None: no beam search."""
    eos_token_ids: frozenset[int]
    stop_strings: tuple[str, ...]
    lengths: LengthLimits
    num_return_sequences: int

    def single_sequence(self) -> "GenerationConfig":
        """Return the same with one sequence for each source."""
        beams = replace(self.beams, num_return_sequences=1) if self.beams else None
        return replace(self, num_return_sequences=1, beams=beams)


def resolve_generation_config(
    parameters: GenerationParameters, model: ModelConfig, conditioning: Conditioning, job_id: str
) -> GenerationConfig:
    """Return how the answers of a job are generated.

    Raises:
        InvalidRequest: the model cannot follow the parameters, or they contradict its package's defaults.
    """
    generation = model.generation
    beams = _beams(parameters, generation, model.max_rows)
    # A retried attempt must generate the text that was streamed already, so a job without a seed gets one from its id.
    seed = seed_of(job_id) if parameters.seed is None else parameters.seed
    sampling = default_sampling(parameters, generation, seed=seed)
    if parameters.num_return_sequences > 1 and not beams and not sampling.do_sample:
        raise InvalidRequest(
            "Greedy decoding gives one answer only: set num_beams or do_sample, or leave out num_return_sequences.",
            param=f"{PARAM}.num_return_sequences",
        )
    start = given(conditioning.decoder_start_token_id, generation.decoder_start_token_id)
    decoder_input_ids = np.array([given(start, generation.bos_token_id) or 0], np.int64)
    lengths = length_limits(
        parameters, generation, num_start_tokens=len(decoder_input_ids), max_tokens=model.max_tokens
    )
    return GenerationConfig(
        decoder_input_ids=decoder_input_ids,
        sampling=replace(
            sampling,
            do_sample=sampling.do_sample and beams is None,
            repetition_penalty=given(parameters.repetition_penalty, generation.repetition_penalty),
            constraints=_constraints(parameters, model, conditioning, lengths),
        ),
        beams=beams,
        eos_token_ids=frozenset(generation.eos_token_ids),
        stop_strings=parameters.stops,
        lengths=lengths,
        num_return_sequences=parameters.num_return_sequences,
    )


def _beams(parameters: GenerationParameters, generation: Generation, max_rows: int) -> Beams | None:
    """Return the beam search that the request wants, or the package unless the request samples. None: there is none."""
    wants_sampling = does_sample(parameters, Generation())
    if (parameters.num_beams or 1) > 1 and wants_sampling:
        name = next((name for name in SAMPLING_PARAMETERS if getattr(parameters, name) is not None), "do_sample")
        raise InvalidRequest(f"Beam search does not sample: leave out {name}, or num_beams.", param=f"{PARAM}.{name}")
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
    # The request's own parameters were checked when they were decoded: from the second check on, the beams are the
    # package's.
    if num_beams > max_rows:
        raise InvalidRequest(
            f"num_beams is {num_beams}; this worker has room for {max_rows} sequences (TRIPTYCH_MAX_ROWS).",
            param=f"{PARAM}.num_beams",
        )
    if parameters.num_return_sequences > num_beams:
        raise InvalidRequest(
            f"num_return_sequences is {parameters.num_return_sequences}, but the model's default is a search with "
            f"{num_beams} beams: set num_beams.",
            param=f"{PARAM}.num_return_sequences",
        )
    if parameters.stops:
        raise InvalidRequest(
            f"The model's default is a search with {num_beams} beams, which cannot stop at a text: set num_beams to 1, "
            "or leave out stop.",
            param=f"{PARAM}.stop",
        )


def _constraints(
    parameters: GenerationParameters, model: ModelConfig, conditioning: Conditioning, lengths: LengthLimits
) -> Constraints:
    default = constraints_of(model.generation)
    _check_token_ids(parameters, model.vocab_size)
    bad_words = default.bad_words
    if parameters.bad_words_ids is not None:
        bad_words = tuple(map(tuple, parameters.bad_words_ids))
    return Constraints(
        no_repeat_ngram_size=given(parameters.no_repeat_ngram_size, default.no_repeat_ngram_size),
        bad_words=tuple(dict.fromkeys([*bad_words, *_tokenized(parameters.bad_words, model.tokenizer)])),
        min_length=lengths.min_length,
        min_new_tokens=lengths.min_new_tokens,
        forced_bos_token_id=_forced_bos(parameters, default, conditioning),
        forced_eos_token_ids=_forced_eos(parameters, default),
        suppress_tokens=tuple(given(parameters.suppress_tokens, default.suppress_tokens)),
        begin_suppress_tokens=tuple(given(parameters.begin_suppress_tokens, default.begin_suppress_tokens)),
    )


def _forced_bos(parameters: GenerationParameters, default: Constraints, conditioning: Conditioning) -> int | None:
    target_language = conditioning.forced_bos_token_id
    if target_language is None:
        return given(parameters.forced_bos_token_id, default.forced_bos_token_id)  # type: ignore[no-any-return]
    if parameters.forced_bos_token_id not in (None, target_language):
        raise InvalidRequest(
            "forced_bos_token_id is the token of another language than tgt_lang: leave out one of them.",
            param=f"{PARAM}.forced_bos_token_id",
        )
    return target_language


def _forced_eos(parameters: GenerationParameters, default: Constraints) -> tuple[int, ...]:
    requested = parameters.forced_eos_token_id
    if requested is None:
        return default.forced_eos_token_ids
    return (requested,) if isinstance(requested, int) else tuple(requested)


def _tokenized(words: Iterable[str], tokenizer: Tokenizer) -> Iterator[tuple[int, ...]]:
    """Yield the tokens of each word with and without a space before it, which most tokenizers encode differently."""
    for word in words:
        for text in (word, f" {word}"):
            if token_ids := tokenizer.encode(text, add_special_tokens=False).ids:
                yield tuple(token_ids)


def _check_token_ids(parameters: GenerationParameters, vocab_size: int) -> None:
    """Refuse token ids that the model does not have, and a request that suppresses all of them."""
    forced_eos = parameters.forced_eos_token_id
    requested = {
        "bad_words_ids": [token for word in parameters.bad_words_ids or [] for token in word],
        "forced_bos_token_id": [parameters.forced_bos_token_id or 0],
        "forced_eos_token_id": forced_eos if isinstance(forced_eos, list) else [forced_eos or 0],
        "suppress_tokens": parameters.suppress_tokens or [],
        "begin_suppress_tokens": parameters.begin_suppress_tokens or [],
    }
    for name, token_ids in requested.items():
        unknown = [token for token in token_ids if token >= vocab_size]
        if unknown:
            raise InvalidRequest(
                f"The model has {vocab_size} tokens, so token {unknown[0]} does not exist.", param=f"{PARAM}.{name}"
            )
    suppressed = {*requested["suppress_tokens"], *requested["begin_suppress_tokens"]}
    suppressed |= {word[0] for word in parameters.bad_words_ids or [] if len(word) == 1}
    # Without a token left all logits would be -inf, and sampling would have nothing to choose from.
    if len(suppressed) >= vocab_size:
        raise InvalidRequest("No token is left that the model could generate.", param=f"{PARAM}.suppress_tokens")
