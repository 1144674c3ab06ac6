"""From an encoder-decoder's package to its cache: which one its graphs need, and how many texts it has room for."""

from collections.abc import Mapping

from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage, PackageError
from contracts.model_package.signatures import MERGED_DECODER
from workers.runtime.decoding.caches.cache import SourceCache
from workers.runtime.decoding.caches.merged_cache import MergedGraph
from workers.runtime.decoding.caches.non_autoregressive_cache import WholeAnswerCache
from workers.runtime.decoding.caches.open_cache import GRAPH, vocabulary_of
from workers.runtime.decoding.caches.recurrent_cache import RecurrentGraph
from workers.runtime.decoding.caches.source_slot_cache import SourceSlotCache
from workers.runtime.decoding.caches.stateful_source_cache import ReadingGraph, SourceCarriedCache
from workers.runtime.inference.budget import cache_rows
from workers.runtime.inference.session import Session, open_graphs
from workers.runtime.settings import WorkerSettings

_ENCODER, _DECODER = "encoder_model.onnx", "decoder_model.onnx"


def open_source_cache(package: ModelPackage, settings: WorkerSettings) -> SourceCache:
    """Load an encoder-decoder's graphs, or a text autoencoder's; return their cache, on the settings' device.

    Raises:
        DeviceError: see ``Session``.
        PackageError: a graph is not what its kind and the manifest say, or the cache has no room for a single text.
    """
    manifest = package.manifest
    graphs = open_graphs(package, device=settings.device, threads=settings.threads)
    if manifest.graph == "encoder-decoder-slots":
        return _slots(manifest, settings, graphs)
    if manifest.graph == "encoder-decoder":
        graph = MergedGraph(graphs[_ENCODER], graphs[MERGED_DECODER])
        return _carried(manifest, settings, graph, vocabulary_of(manifest, graphs[MERGED_DECODER]))
    if manifest.graph == "recurrent":
        recurrent = RecurrentGraph(graphs[_ENCODER], graphs[_DECODER])
        return _carried(manifest, settings, recurrent, _declared_vocabulary(manifest, graphs[_DECODER]))
    return _whole_answer(manifest, settings, graphs[GRAPH])


def _slots(manifest: Manifest, settings: WorkerSettings, graphs: Mapping[str, Session]) -> SourceSlotCache:
    max_tokens = _max_tokens(manifest)
    return SourceSlotCache(
        graphs[_ENCODER],
        graphs[_DECODER],
        max_rows=cache_rows(manifest, settings, max_tokens + manifest.limits.max_tokens),
        max_tokens=max_tokens,
        max_source_tokens=manifest.limits.max_tokens,
        vocabulary=vocabulary_of(manifest, graphs[_DECODER]),
    )


def _carried(manifest: Manifest, settings: WorkerSettings, graph: ReadingGraph, vocabulary: int) -> SourceCarriedCache:
    """Short texts need less than long ones, so there are as many places as may be, and tokens decide."""
    max_tokens = _max_tokens(manifest)
    fits = cache_rows(manifest, settings, max_tokens + manifest.limits.max_tokens)
    return SourceCarriedCache(
        graph,
        max_rows=settings.max_rows if manifest.batch_safe else fits,
        max_tokens=max_tokens,
        max_source_tokens=manifest.limits.max_tokens,
        capacity_tokens=settings.max_cache_tokens,
        vocabulary=vocabulary,
    )


def _whole_answer(manifest: Manifest, settings: WorkerSettings, session: Session) -> WholeAnswerCache:
    max_tokens = manifest.limits.max_tokens
    return WholeAnswerCache(
        session,
        max_rows=cache_rows(manifest, settings, max_tokens + 1),
        max_source_tokens=max_tokens,
        vocabulary=_declared_vocabulary(manifest, session),
    )


def _max_tokens(manifest: Manifest) -> int:
    """Return the most tokens of a text, its prefix included."""
    if manifest.limits.max_new_tokens is None:
        raise PackageError(f"{manifest.name}: the manifest has no limits.max_new_tokens")
    return manifest.limits.max_new_tokens


def _declared_vocabulary(manifest: Manifest, session: Session) -> int:
    """Return the length of the logits as the graph says it: manifests of these kinds have no [decoder]."""
    declared = session.outputs["logits"].shape[-1]
    if declared is None:
        raise PackageError(f"{manifest.name}: the graph does not say how long its logits are")
    return declared
