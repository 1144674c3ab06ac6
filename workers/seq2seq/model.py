"""An encoder-decoder as the worker serves it: package, tokenizer, cache, and the languages that it knows."""

import numpy as np
from tokenizers import Tokenizer

from contracts.cards import ModelCard
from contracts.model_package.manifest import Generation, Manifest
from contracts.model_package.package import ModelPackage, PackageError
from workers.runtime.decoding.caches.cache import Cache, EncoderDecoderCache
from workers.runtime.decoding.caches.encoder_decoder.open_cache import open_encoder_decoder_cache
from workers.runtime.decoding.request import GenerationRequest, Sampling
from workers.runtime.decoding.sampling.defaults import check_defaults
from workers.runtime.decoding.sampling.sampler import Sampler
from workers.runtime.decoding.sequences.prefill import EncoderPrefill
from workers.runtime.decoding.text.text_stream import TextStream, Vocabulary
from workers.runtime.models.served import card_of
from workers.runtime.settings import WorkerSettings
from workers.runtime.tokenizing.tokenizer import load_tokenizer
from workers.seq2seq.languages.directions import directions_of
from workers.seq2seq.languages.languages import Languages
from workers.seq2seq.parameters import Scope
from workers.seq2seq.sources import Instruction, Sources

TOKENIZER = "tokenizer.json"
_PROMPTS = {"summarize": ("summarization", "summarize"), "denoise": ("denoising", "denoise")}
"""Names under which a source may have its prompt of a task; T5's own come first."""


class Seq2SeqModel:
    """One loaded model. ``cache`` is used by the inference thread only; the rest from any thread.

    Raises:
        PackageError: the manifest's defaults can't be followed, or not with so much room.
    """

    def __init__(self, manifest: Manifest, tokenizer: Tokenizer, cache: EncoderDecoderCache) -> None:
        self.manifest = manifest
        self.name = manifest.name
        self.task = manifest.task
        self.revision = manifest.version
        self.tokenizer = tokenizer
        self.vocabulary = Vocabulary(tokenizer)
        self._source_cache = cache
        self.cache: Cache = cache
        generation = manifest.generation or Generation()
        check_defaults(manifest, generation, cache.vocabulary)
        self.directions = directions_of(self.manifest)
        self.prompt = _prompt_of(self.manifest)
        self.answers_as_long = manifest.graph == "text-autoencoder"
        """Whether an answer has exactly as many tokens as its source, and no end of its own."""
        self.sources = Sources(self.tokenizer, max_tokens=cache.max_source_tokens, vocabulary=self.cache.vocabulary)
        self.scope = Scope(
            generation=generation,
            tokenizer=self.tokenizer,
            max_tokens=self.cache.max_tokens,
            max_rows=self._max_beams(),
            vocabulary=self.cache.vocabulary,
        )
        if generation.num_beams > self.scope.max_rows:
            raise PackageError(
                f"{self.name}: it searches with {generation.num_beams} beams, and there is room for "
                f"{self.scope.max_rows} texts: raise TRIPTYCH_MAX_ROWS or TRIPTYCH_MAX_CACHE_TOKENS"
            )

    @property
    def instruction(self) -> Instruction:
        """What the model is told beside a text where no languages are at stake."""
        return Instruction(prompt=self.prompt)

    def prefill(self, request: GenerationRequest, slots: list[int]) -> EncoderPrefill:
        """Return the prefill of a source."""
        return EncoderPrefill(self._source_cache, slots, request.source_ids, request.prompt_ids.tolist())

    def warm_up(self) -> None:
        """Read a source and draw a token: what does not work fails now, and what is slow the first time is done.

        Raises:
            PackageError: the graphs can't do it, or the logits are not those that the manifest says.
        """
        source = np.zeros(min(2, self._source_cache.max_source_tokens), np.int64)
        start = np.array([self.scope.generation.decoder_start_token_id or 0], np.int64)
        sampler = Sampler(GenerationRequest(prompt_ids=start, max_new_tokens=1, sampling=Sampling(do_sample=True)))
        try:
            slot = self.cache.allocate(2)
            if slot is None:
                raise PackageError(f"{self.name}: the cache has no room for 2 tokens")
            self._source_cache.encode([slot], source)
            logits = self.cache.step([slot], [int(start[0])])[0]
            if logits.shape != (self.cache.vocabulary,):
                raise PackageError(f"{self.name}: the graph's logits are {logits.shape}")
            token_id = sampler.sample(logits, logprobs=True, top_n=1).token_id
            TextStream(self.tokenizer, start).add(token_id)
            self.cache.free(slot)
        except PackageError:
            raise
        except Exception as error:
            raise PackageError(f"{self.name}: the graph can't write a token: {error}") from error

    def card(self) -> ModelCard:
        """Return what the gateway and clients may know of this model."""
        reads, writes = Languages(self.manifest.languages, "source"), Languages([], "target")
        if self.task == "translate":
            reads, writes = self.directions.reads, self.directions.writes
        return card_of(
            self.manifest,
            max_tokens=self._source_cache.max_source_tokens,
            source_languages=reads.told() or None,
            target_languages=writes.told() or None,
        )

    def _max_beams(self) -> int:
        """Return how many texts of any length have room side by side."""
        longest = self.cache.max_tokens + self._source_cache.max_source_tokens
        return max(1, min(self.cache.max_slots, self.cache.capacity_tokens // longest))


def open_model(package: ModelPackage, settings: WorkerSettings) -> Seq2SeqModel:
    """Load the graphs and the tokenizer of a package.

    Raises:
        PackageError: a file of the package is not what an encoder-decoder needs; or as ``Seq2SeqModel``.
        DeviceError: see ``Session``.
    """
    tokenizer = load_tokenizer(package.file(TOKENIZER))
    return Seq2SeqModel(package.manifest, tokenizer, open_encoder_decoder_cache(package, settings))


def _prompt_of(manifest: Manifest) -> str:
    """Return what the source puts before a text for the package's task, if anything."""
    names = _PROMPTS.get(manifest.task, ())
    return next((manifest.prompts[name] for name in names if name in manifest.prompts), "")
