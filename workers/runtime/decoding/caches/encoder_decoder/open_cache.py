"""Opens the cache that an encoder-decoder's package needs, and computes how many sequences it has room for."""

from collections.abc import Mapping

from msgspec import structs

from contracts.model_package.graphs import Decoder, EncoderDecoder, EncoderDecoderSlots, Recurrent
from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage, PackageError
from contracts.model_package.signatures import MERGED_DECODER
from workers.runtime.decoding.caches.cache import EncoderDecoderCache
from workers.runtime.decoding.caches.encoder_decoder.merged import MergedGraph
from workers.runtime.decoding.caches.encoder_decoder.non_autoregressive import NonAutoregressiveCache
from workers.runtime.decoding.caches.encoder_decoder.recurrent import RecurrentGraph
from workers.runtime.decoding.caches.encoder_decoder.slots import EncoderDecoderSlotCache
from workers.runtime.decoding.caches.encoder_decoder.stateful import EncoderDecoderGraph, EncoderDecoderStatefulCache
from workers.runtime.decoding.caches.open_cache import GRAPH, checked_vocab_size
from workers.runtime.inference.budget import fitting_tokens, num_cache_slots
from workers.runtime.inference.session import Session, open_graphs
from workers.runtime.settings import WorkerSettings

_ENCODER, _DECODER = "encoder_model.onnx", "decoder_model.onnx"


def open_encoder_decoder_cache(package: ModelPackage, settings: WorkerSettings) -> EncoderDecoderCache:
    """Load the graphs of an encoder-decoder or a text autoencoder and return their cache, on the settings' device.

    Raises:
        DeviceError: the configured device is not available.
        PackageError: a graph does not match its kind or the manifest, or not even one sequence fits the token budget.
    """
    manifest = package.manifest
    graphs = open_graphs(package, device=settings.device, threads=settings.threads)
    manifest = _with_fitting_sources(manifest, graphs.get(_ENCODER) or graphs[GRAPH], settings)
    if isinstance(manifest.graph, EncoderDecoderSlots):
        return _slot_cache(manifest, manifest.graph.decoder, settings, graphs)
    if isinstance(manifest.graph, EncoderDecoder):
        merged = MergedGraph(graphs[_ENCODER], graphs[MERGED_DECODER])
        vocab_size = checked_vocab_size(manifest.name, manifest.graph.decoder, graphs[MERGED_DECODER])
        return _stateful_cache(manifest, settings, merged, vocab_size)
    if isinstance(manifest.graph, Recurrent):
        recurrent = RecurrentGraph(graphs[_ENCODER], graphs[_DECODER])
        return _stateful_cache(manifest, settings, recurrent, _vocab_size_of_graph(manifest, graphs[_DECODER]))
    return _non_autoregressive_cache(manifest, settings, graphs[GRAPH])


def _with_fitting_sources(manifest: Manifest, encoder: Session, settings: WorkerSettings) -> Manifest:
    """Return the manifest with the longest source that can be encoded within the memory for model calls."""
    encoder.measure_text_encoder(manifest.limits.max_tokens)
    max_tokens = fitting_tokens(manifest, encoder.memory, settings)
    return structs.replace(manifest, limits=structs.replace(manifest.limits, max_tokens=max_tokens))


def _slot_cache(
    manifest: Manifest, decoder: Decoder, settings: WorkerSettings, graphs: Mapping[str, Session]
) -> EncoderDecoderSlotCache:
    max_tokens = _max_tokens(manifest)
    return EncoderDecoderSlotCache(
        graphs[_ENCODER],
        graphs[_DECODER],
        max_slots=num_cache_slots(manifest, settings, max_tokens + manifest.limits.max_tokens),
        max_tokens=max_tokens,
        max_source_tokens=manifest.limits.max_tokens,
        vocab_size=checked_vocab_size(manifest.name, decoder, graphs[_DECODER]),
    )


def _stateful_cache(
    manifest: Manifest, settings: WorkerSettings, graph: EncoderDecoderGraph, vocab_size: int
) -> EncoderDecoderStatefulCache:
    max_tokens = _max_tokens(manifest)
    num_longest = num_cache_slots(manifest, settings, max_tokens + manifest.limits.max_tokens)
    return EncoderDecoderStatefulCache(
        graph,
        # Short sequences need less of the budget than the longest, so the token budget alone limits their number.
        max_slots=settings.max_rows if manifest.batch_safe else num_longest,
        max_tokens=max_tokens,
        max_source_tokens=manifest.limits.max_tokens,
        capacity_tokens=settings.max_cache_tokens,
        vocab_size=vocab_size,
    )


def _non_autoregressive_cache(manifest: Manifest, settings: WorkerSettings, session: Session) -> NonAutoregressiveCache:
    max_source_tokens = manifest.limits.max_tokens
    return NonAutoregressiveCache(
        session,
        max_slots=num_cache_slots(manifest, settings, max_source_tokens + 1),
        max_source_tokens=max_source_tokens,
        vocab_size=_vocab_size_of_graph(manifest, session),
    )


def _max_tokens(manifest: Manifest) -> int:
    """Return the length of the longest sequence, its prefix included."""
    if manifest.limits.max_new_tokens is None:
        raise PackageError(f"{manifest.name}: the manifest has no limits.max_new_tokens")
    return manifest.limits.max_new_tokens


def _vocab_size_of_graph(manifest: Manifest, session: Session) -> int:
    """Return the length of the logits from the graph: manifests of these kinds have no [decoder]."""
    vocab_size = session.outputs["logits"].shape[-1]
    if vocab_size is None:
        raise PackageError(f"{manifest.name}: the graph does not declare the length of its logits")
    return vocab_size
