"""What the decoding engine needs around it: a model that is only a package, and a sink for its deltas."""

from collections.abc import Mapping

from tokenizers import Tokenizer

from contracts.generation import TextDelta
from contracts.model_package.package import ModelPackage
from contracts.settings import StoreSettings
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.caches.cache import Cache
from workers.runtime.decoding.caches.encoder_decoder.open_cache import open_encoder_decoder_cache
from workers.runtime.decoding.caches.open_cache import open_cache
from workers.runtime.decoding.flush import Flush
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.sequences.prefill import ChunkedPrefill, EncoderPrefill, Prefill
from workers.runtime.decoding.text.text_stream import Vocabulary
from workers.runtime.settings import WorkerSettings


class Model:
    """A package as the engine runs it."""

    def __init__(self, package: ModelPackage, max_rows: int) -> None:
        self.name = package.manifest.name
        settings = WorkerSettings(StoreSettings(), max_rows=max_rows)
        if package.manifest.family == "decoder":
            self._encoder_decoder = None
            self.cache: Cache = open_cache(package, settings)
        else:
            self.cache = self._encoder_decoder = open_encoder_decoder_cache(package, settings)
        self.tokenizer = Tokenizer.from_file(str(package.file("tokenizer.json")))
        self.vocabulary = Vocabulary(self.tokenizer)

    def prefill(self, request: GenerationRequest, slots: list[int]) -> Prefill:
        if self._encoder_decoder is not None:
            return EncoderPrefill(self._encoder_decoder, slots, request.source_ids, request.prompt_ids.tolist())
        return ChunkedPrefill(self.cache, slots[0], request.prompt_ids)


class CountingSink:
    """Counts the deltas that are emitted."""

    num_deltas = 0

    def emit(self, deltas: Mapping[Attempt, list[TextDelta]]) -> None:
        self.num_deltas += sum(map(len, deltas.values()))

    def flush(self, attempt: Attempt) -> Flush:
        return Flush(attempt).end()
