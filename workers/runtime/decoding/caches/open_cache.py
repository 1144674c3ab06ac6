"""Opens the cache that a decoder's package needs, and computes how many sequences it has room for."""

from contracts.model_package.graphs import Decoder, DecoderConcat, DecoderGraph, DecoderSlots
from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage, PackageError
from workers.runtime.decoding.caches.cache import Cache
from workers.runtime.decoding.caches.slots.cache import SlotCache
from workers.runtime.decoding.caches.stateful.cache import StatefulCache
from workers.runtime.decoding.caches.stateful.concat import ConcatGraph
from workers.runtime.decoding.caches.stateful.memory import MemoryCache, MemoryGraph
from workers.runtime.inference.budget import num_cache_slots
from workers.runtime.inference.session import Session, open_graphs
from workers.runtime.settings import WorkerSettings

GRAPH = "model.onnx"


def open_cache(package: ModelPackage, settings: WorkerSettings) -> Cache:
    """Load a decoder's graph and return its cache, on the settings' device.

    Raises:
        DeviceError: the configured device is not available.
        PackageError: the graph does not match its kind or the manifest, or not even one sequence fits the token budget.
    """
    session = open_graphs(package, device=settings.device, threads=settings.threads)[GRAPH]
    graph = package.manifest.graph_as(DecoderGraph)
    vocab_size = checked_vocab_size(package.manifest.name, graph.decoder, session)
    if isinstance(graph, DecoderSlots):
        return _slot_cache(package.manifest, settings, session, vocab_size)
    if isinstance(graph, DecoderConcat):
        return _concat_cache(package.manifest, settings, session, vocab_size)
    return _memory_cache(package.manifest, settings, session, vocab_size)


def _slot_cache(manifest: Manifest, settings: WorkerSettings, session: Session, vocab_size: int) -> SlotCache:
    max_tokens = manifest.limits.max_tokens
    max_slots = num_cache_slots(manifest, settings, max_tokens)
    return SlotCache(session, max_slots=max_slots, max_tokens=max_tokens, vocab_size=vocab_size)


def _concat_cache(manifest: Manifest, settings: WorkerSettings, session: Session, vocab_size: int) -> StatefulCache:
    max_tokens = manifest.limits.max_tokens
    num_longest = num_cache_slots(manifest, settings, max_tokens)
    return StatefulCache(
        ConcatGraph(session),
        # Short sequences need less of the budget than the longest, so the token budget alone limits their number.
        max_slots=settings.max_rows if manifest.batch_safe else num_longest,
        max_tokens=max_tokens,
        capacity_tokens=settings.max_cache_tokens,
        vocab_size=vocab_size,
    )


def _memory_cache(manifest: Manifest, settings: WorkerSettings, session: Session, vocab_size: int) -> MemoryCache:
    graph = MemoryGraph(session)
    # A sequence occupies its whole memory from the first token on, so the length of texts does not matter.
    max_slots = num_cache_slots(manifest, settings, graph.memory)
    return MemoryCache(graph, max_slots=max_slots, max_tokens=manifest.limits.max_tokens, vocab_size=vocab_size)


def checked_vocab_size(name: str, decoder: Decoder, session: Session) -> int:
    """Return the length of the logits: the manifest declares it, and the graph must not contradict it."""
    expected, actual = decoder.vocabulary, session.outputs["logits"].shape[-1]
    # A graph with a dynamic last axis has no length of its own.
    if actual not in (expected, None):
        raise PackageError(f"{name}: decoder.vocabulary is {expected}, but the graph's logits are {actual} long")
    return expected
