"""From a decoder's package to its cache: which one its graph needs, and how many texts it has room for."""

from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage, PackageError
from workers.runtime.decoding.caches.cache import Cache
from workers.runtime.decoding.caches.concat_cache import ConcatGraph
from workers.runtime.decoding.caches.memory_cache import MemoryCache, MemoryGraph
from workers.runtime.decoding.caches.slot_cache import SlotCache
from workers.runtime.decoding.caches.stateful_cache import CarriedCache
from workers.runtime.inference.budget import cache_rows
from workers.runtime.inference.session import Session, open_graphs
from workers.runtime.settings import WorkerSettings

GRAPH = "model.onnx"


def open_cache(package: ModelPackage, settings: WorkerSettings) -> Cache:
    """Load a decoder's graph; return its cache, on the settings' device.

    Raises:
        DeviceError: see ``Session``.
        PackageError: the graph is not what its kind and the manifest say, or its cache has no room for a single text.
    """
    session = open_graphs(package, device=settings.device, threads=settings.threads)[GRAPH]
    vocabulary = vocabulary_of(package.manifest, session)
    if package.manifest.graph == "decoder-slots":
        return _slots(package.manifest, settings, session, vocabulary)
    if package.manifest.graph == "decoder-concat":
        return _concat(package.manifest, settings, session, vocabulary)
    return _memory(package.manifest, settings, session, vocabulary)


def _slots(manifest: Manifest, settings: WorkerSettings, session: Session, vocabulary: int) -> SlotCache:
    max_tokens = manifest.limits.max_tokens
    rows = cache_rows(manifest, settings, max_tokens)
    return SlotCache(session, max_rows=rows, max_tokens=max_tokens, vocabulary=vocabulary)


def _concat(manifest: Manifest, settings: WorkerSettings, session: Session, vocabulary: int) -> CarriedCache:
    """Short texts need less than long ones, so there are as many places as may be, and tokens decide."""
    max_tokens = manifest.limits.max_tokens
    fits = cache_rows(manifest, settings, max_tokens)
    return CarriedCache(
        ConcatGraph(session),
        max_rows=settings.max_rows if manifest.batch_safe else fits,
        max_tokens=max_tokens,
        capacity_tokens=settings.max_cache_tokens,
        vocabulary=vocabulary,
    )


def _memory(manifest: Manifest, settings: WorkerSettings, session: Session, vocabulary: int) -> MemoryCache:
    """A text takes its whole memory from the start."""
    graph = MemoryGraph(session)
    rows = cache_rows(manifest, settings, graph.memory)
    return MemoryCache(graph, max_rows=rows, max_tokens=manifest.limits.max_tokens, vocabulary=vocabulary)


def vocabulary_of(manifest: Manifest, session: Session) -> int:
    """Return the length of the logits, as the manifest says it and the graph does not deny."""
    if manifest.decoder is None:
        raise PackageError(f"{manifest.name}: the manifest has no [decoder]")
    told, declared = manifest.decoder.vocabulary, session.outputs["logits"].shape[-1]
    if declared not in (told, None):
        raise PackageError(f"{manifest.name}: decoder.vocabulary is {told}, but the graph's logits are {declared} long")
    return told
