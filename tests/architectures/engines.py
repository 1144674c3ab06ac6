"""What the decoding engine needs around it: a model that is nothing but a package, a job, and an audience."""

from collections.abc import Mapping

from tokenizers import Tokenizer

from contracts.generation import TextDelta
from contracts.model_package.package import ModelPackage
from contracts.settings import StoreSettings
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.caches.cache import Cache
from workers.runtime.decoding.caches.encoder_decoder.open_cache import open_encoder_decoder_cache
from workers.runtime.decoding.caches.open_cache import open_cache
from workers.runtime.decoding.text.text_stream import Vocabulary
from workers.runtime.settings import WorkerSettings


class Model:
    """A package as the engine runs it."""

    def __init__(self, package: ModelPackage, max_rows: int) -> None:
        self.name = package.manifest.name
        opened = open_cache if package.manifest.family == "decoder" else open_encoder_decoder_cache
        self.cache: Cache = opened(package, WorkerSettings(StoreSettings(), max_rows=max_rows))
        self.tokenizer = Tokenizer.from_file(str(package.file("tokenizer.json")))
        self.vocabulary = Vocabulary(self.tokenizer)


class Nobody:
    """An audience that keeps how many pieces it heard."""

    num_pieces = 0

    def emit(self, deltas: Mapping[Attempt, list[TextDelta]]) -> None:
        self.num_pieces += sum(map(len, deltas.values()))

    def flush(self, attempt: Attempt, timeout_s: float) -> bool:
        return True
