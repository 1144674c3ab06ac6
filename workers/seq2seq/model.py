"""A loaded encoder-decoder: package, tokenizer, KV cache, prompt and languages."""

import numpy as np
from tokenizers import Tokenizer

from contracts.cards import ModelCard
from contracts.model_package.graphs import Generation, GeneratorGraph, TextAutoencoder
from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage, PackageError
from contracts.price.profile import ModelProfile
from workers.runtime.decoding.caches.cache import Cache, EncoderDecoderCache
from workers.runtime.decoding.caches.encoder_decoder.open_cache import open_encoder_decoder_cache
from workers.runtime.decoding.measuring import measure_generation
from workers.runtime.decoding.request import GenerationRequest, Sampling
from workers.runtime.decoding.sampling.defaults import check_defaults
from workers.runtime.decoding.sequences.prefill import EncoderPrefill
from workers.runtime.decoding.text.text_stream import Vocabulary
from workers.runtime.decoding.warm_up import warm_up
from workers.runtime.models.served import card_of
from workers.runtime.settings import WorkerSettings
from workers.runtime.tokenizing.tokenizer import load_tokenizer
from workers.seq2seq.languages.directions import directions_of
from workers.seq2seq.languages.matching import LanguageSet
from workers.seq2seq.model_config import ModelConfig
from workers.seq2seq.source_tokenizer import Conditioning, SourceTokenizer

TOKENIZER = "tokenizer.json"
_PROMPTS = {"summarize": ("summarization", "summarize"), "denoise": ("denoising", "denoise")}
"""Names of a task's prompt in a manifest; the first that exists counts. "summarization" is the name that T5's config
uses."""


class Seq2SeqModel:
    """One loaded model. Only the inference thread may use ``cache``; the rest can be used from any thread.

    Raises:
        PackageError: the manifest's generation defaults are invalid, or need a larger cache.
    """

    def __init__(self, manifest: Manifest, tokenizer: Tokenizer, cache: EncoderDecoderCache) -> None:
        self.manifest = manifest
        self.name = manifest.name
        self.task = manifest.task.name
        self.tokenizer = tokenizer
        self.vocabulary = Vocabulary(tokenizer)
        self._source_cache = cache
        self.cache: Cache = cache
        generation = manifest.graph.generation if isinstance(manifest.graph, GeneratorGraph) else Generation()
        check_defaults(manifest, generation, cache.vocab_size)
        self.directions = directions_of(self.manifest)
        self.conditioning = Conditioning(prompt=_prompt_of(self.manifest))
        """Of tasks other than translate, whose prompt depends on the languages."""
        self.output_has_source_length = isinstance(manifest.graph, TextAutoencoder)
        """Whether an answer has exactly as many tokens as its source, and no end-of-text token."""
        self.source_tokenizer = SourceTokenizer(
            tokenizer, max_tokens=cache.max_source_tokens, vocab_size=cache.vocab_size
        )
        self.config = ModelConfig(
            generation=generation,
            tokenizer=tokenizer,
            max_tokens=cache.max_tokens,
            max_sequences=self._max_sequences(),
            vocab_size=cache.vocab_size,
        )
        self._check_default_beams()

    def prefill(self, request: GenerationRequest, slots: list[int]) -> EncoderPrefill:
        """Return the prefill of a source."""
        return EncoderPrefill(self._source_cache, slots, request.source_ids, request.prompt_ids.tolist())

    def warm_up(self) -> None:
        """Encode a source and sample one token, so that the first job neither fails nor waits for one-time costs.

        Raises:
            PackageError: the graphs cannot do it, or the shape of the logits contradicts the manifest.
        """
        start = np.array([self.config.generation.decoder_start_token_id or 0], np.int64)
        source = np.zeros(min(2, self._source_cache.max_source_tokens), np.int64)
        sampling = Sampling(do_sample=True)
        warm_up(self, GenerationRequest(prompt_ids=start, max_new_tokens=1, source_ids=source, sampling=sampling))

    def measure(self) -> ModelProfile:
        """Return what the model costs. Call it after ``warm_up``."""
        start = np.array([self.config.generation.decoder_start_token_id or 0], np.int64)
        longest = self._source_cache.max_source_tokens

        def request_of(num_tokens: int, max_new_tokens: int) -> GenerationRequest:
            # Where an answer has the length of its source, there is no room for more.
            most = min(max_new_tokens, self.cache.max_tokens - len(start))
            return GenerationRequest(start, most, source_ids=np.zeros(num_tokens, np.int64))

        times = measure_generation(self, request_of, longest)
        return ModelProfile(
            row_s=times.read.row_s,
            token_in_s=times.read.token_in_s,
            token_out_s=times.token_out_s,
            step_s=times.step_s,
            max_tokens=longest,
            special_tokens=self.source_tokenizer.num_added_tokens(self.conditioning),
            num_beams=self.config.generation.num_beams,
        )

    def card(self) -> ModelCard:
        """Return what the worker announces about this model to the gateway and its clients."""
        sources, targets = LanguageSet(self.manifest.languages, "source"), LanguageSet([], "target")
        if self.task == "translate":
            sources, targets = self.directions.sources, self.directions.targets
        return card_of(
            self.manifest,
            max_tokens=self._source_cache.max_source_tokens,
            source_languages=sources.names() or None,
            target_languages=targets.names() or None,
        )

    def _check_default_beams(self) -> None:
        num_beams = self.config.generation.num_beams
        if num_beams > self.config.max_sequences:
            raise PackageError(
                f"{self.name}: its default is a search with {num_beams} beams, and the cache has room for "
                f"{self.config.max_sequences} sequences: raise TRIPTYCH_MAX_ROWS or TRIPTYCH_MAX_CACHE_TOKENS"
            )

    def _max_sequences(self) -> int:
        """Return how many sequences of maximum length fit into the cache at once."""
        # Slots are not the only limit: the tokens of sequences and sources share one budget. A beam search is admitted
        # as a whole, so one that needs more than there is would wait forever.
        longest = self.cache.max_tokens + self._source_cache.max_source_tokens
        return max(1, min(self.cache.max_slots, self.cache.capacity_tokens // longest))


def open_model(package: ModelPackage, settings: WorkerSettings) -> Seq2SeqModel:
    """Load the graphs and the tokenizer of a package.

    Raises:
        PackageError: a file of the package is missing or unusable; or as ``Seq2SeqModel``.
        DeviceError: the configured device is not available.
    """
    tokenizer = load_tokenizer(package.file(TOKENIZER))
    return Seq2SeqModel(package.manifest, tokenizer, open_encoder_decoder_cache(package, settings))


def _prompt_of(manifest: Manifest) -> str:
    """Return the prompt that the package has for its task, or ''."""
    names = _PROMPTS.get(manifest.task.name, ())
    return next((manifest.prompts[name] for name in names if name in manifest.prompts), "")
