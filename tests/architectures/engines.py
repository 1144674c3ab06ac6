"""What the decoding engine needs around it: a model that is nothing but a package, a job, and an audience."""

from collections.abc import Mapping

from tokenizers import Tokenizer

from contracts.generation import TextDelta
from contracts.jobs import Claim
from contracts.model_package.package import ModelPackage
from contracts.settings import StoreSettings
from tests.support.waiting import PATIENCE_S
from workers.runtime.attempts.control import Control
from workers.runtime.decoding.caches.cache import Cache
from workers.runtime.decoding.caches.open_cache import open_cache
from workers.runtime.decoding.caches.open_source_cache import open_source_cache
from workers.runtime.decoding.text.text_stream import Vocabulary
from workers.runtime.settings import WorkerSettings


class Model:
    """A package as the engine runs it."""

    def __init__(self, package: ModelPackage, max_rows: int) -> None:
        self.name = package.manifest.name
        opened = open_cache if package.manifest.family == "decoder" else open_source_cache
        self.cache: Cache = opened(package, WorkerSettings(StoreSettings(), max_rows=max_rows))
        self.tokenizer = Tokenizer.from_file(str(package.file("tokenizer.json")))
        self.vocabulary = Vocabulary(self.tokenizer)


class Attempt:
    """A job that nobody stops."""

    timeout_s, isolated = PATIENCE_S, False
    claim = Claim(id="job", attempt=1, task="generate", model="m", request=b"", timeout_s=PATIENCE_S, suspect=False)

    def stopped(self) -> bool:
        return False

    def stop(self) -> None:
        raise AssertionError("nobody stops this job")

    def progress(self, num_done: int, num_parts: int | None = None) -> None:
        raise AssertionError("the engine tells no progress")


class Nobody:
    """An audience that keeps how many pieces it heard."""

    num_pieces = 0

    def tell(self, growth: Mapping[Control, list[TextDelta]]) -> None:
        self.num_pieces += sum(map(len, growth.values()))

    def flush(self, control: Control, timeout_s: float) -> bool:
        return True
