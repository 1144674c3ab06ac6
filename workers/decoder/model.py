"""A loaded decoder: its tokenizer, its cache and its chat template."""

import logging

import numpy as np

from contracts.cards import ModelCard
from contracts.model_package.graphs import DecoderGraph
from contracts.model_package.package import ModelPackage, PackageError
from contracts.price.profile import ModelProfile
from workers.decoder.chat import CHAT_TEMPLATE, ChatTemplate
from workers.decoder.parameters import unsupported_defaults
from workers.decoder.prompts import Prompts
from workers.runtime.decoding.caches.open_cache import open_cache
from workers.runtime.decoding.measuring import NEW_TOKENS, measure_generation
from workers.runtime.decoding.request import GenerationRequest, Sampling
from workers.runtime.decoding.sampling.defaults import check_defaults
from workers.runtime.decoding.sequences.prefill import ChunkedPrefill
from workers.runtime.decoding.text.text_stream import Vocabulary
from workers.runtime.decoding.warm_up import warm_up
from workers.runtime.models.served import card_of
from workers.runtime.settings import WorkerSettings
from workers.runtime.tokenizing.tokenizer import load_tokenizer

logger = logging.getLogger(__name__)
TOKENIZER = "tokenizer.json"


class DecoderModel:
    """One loaded decoder. Only the inference thread uses ``cache``; everything else is safe to use from any thread.

    Raises:
        PackageError: a file of the package does not suit a decoder.
        DeviceError: the configured device is not available.
    """

    def __init__(self, package: ModelPackage, settings: WorkerSettings) -> None:
        graph = package.manifest.graph_as(DecoderGraph)
        self.manifest = package.manifest
        self.generation = graph.generation
        self.name = package.manifest.name
        check_defaults(self.manifest, self.generation, graph.decoder.vocabulary)
        self.tokenizer = load_tokenizer(package.file(TOKENIZER))
        self.vocabulary = Vocabulary(self.tokenizer)
        template = self._open_template(package)
        self.has_template = template is not None
        self.cache = open_cache(package, settings)
        self.prompts = Prompts(
            self.tokenizer, template, max_tokens=self.cache.max_tokens, vocab_size=self.cache.vocab_size
        )
        if ignored := unsupported_defaults(self.generation):
            logger.warning(
                "generation defaults of the package are not supported", extra={"model": self.name, "fields": ignored}
            )

    def _open_template(self, package: ModelPackage) -> ChatTemplate | None:
        if CHAT_TEMPLATE not in package.manifest.files:
            return None
        ids = {"bos_token": self.generation.bos_token_id, "pad_token": self.generation.pad_token_id}
        ids["eos_token"] = next(iter(self.generation.eos_token_ids), None)
        tokens = {name: self.tokenizer.id_to_token(number) for name, number in ids.items() if number is not None}
        try:
            source = package.file(CHAT_TEMPLATE).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise PackageError(f"{self.name}: {CHAT_TEMPLATE}: {error}") from error
        return ChatTemplate(source, {name: token for name, token in tokens.items() if token is not None})

    def prefill(self, request: GenerationRequest, slots: list[int]) -> ChunkedPrefill:
        """Return the prefill of a prompt."""
        return ChunkedPrefill(self.cache, slots[0], request.prompt_ids)

    def warm_up(self) -> None:
        """Generate two tokens, so that a broken package fails before it is served, and first-time costs are paid.

        Raises:
            PackageError: the graph fails, or its logits do not have the declared length.
        """
        # The limit counts the generated token, too.
        prompt_ids = np.full(min(2, self.cache.max_tokens - 1), self.generation.bos_token_id or 0, np.int64)
        warm_up(self, GenerationRequest(prompt_ids=prompt_ids, max_new_tokens=1, sampling=Sampling(do_sample=True)))

    def measure(self) -> ModelProfile:
        """Return what the model costs. Call it after ``warm_up``."""
        token_id = self.generation.bos_token_id or 0

        def request_of(num_tokens: int, max_new_tokens: int) -> GenerationRequest:
            return GenerationRequest(np.full(num_tokens, token_id, np.int64), max_new_tokens)

        times = measure_generation(self, request_of, self.cache.max_tokens - NEW_TOKENS)
        return ModelProfile(
            row_s=times.read.row_s,
            token_in_s=times.read.token_in_s,
            token_out_s=times.token_out_s,
            step_s=times.step_s,
            max_tokens=self.cache.max_tokens,
            special_tokens=self.prompts.num_special,
        )

    def card(self) -> ModelCard:
        """Return the card that is announced to the gateway and its clients."""
        return card_of(self.manifest, max_tokens=self.cache.max_tokens, chat=self.has_template)
