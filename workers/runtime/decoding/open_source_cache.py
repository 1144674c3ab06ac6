"""From an encoder-decoder's package to its cache: which one its graphs need, and how many texts it has room for."""

from collections.abc import Mapping

from workers.runtime.budget import cache_rows
from workers.runtime.decoding.cache import SourceCache
from workers.runtime.decoding.open_cache import vocabulary_of
from workers.runtime.decoding.source_slot_cache import SourceSlotCache
from workers.runtime.manifest import Manifest
from workers.runtime.model_package import ModelPackage, PackageError
from workers.runtime.session import Session, open_graphs
from workers.runtime.settings import WorkerSettings

ENCODER = "encoder_model.onnx"
_DECODER = "decoder_model.onnx"


def open_source_cache(package: ModelPackage, settings: WorkerSettings) -> SourceCache:
    """Load an encoder-decoder's graphs; return their cache, on the settings' device.

    Raises:
        DeviceError: see ``Session``.
        PackageError: a graph is not what its kind and the manifest say, or the cache has no room for a single text.
    """
    manifest = package.manifest
    graphs = open_graphs(package, device=settings.device, threads=settings.threads)
    return _slots(manifest, settings, graphs, _max_tokens(manifest))


def _slots(
    manifest: Manifest, settings: WorkerSettings, graphs: Mapping[str, Session], max_tokens: int
) -> SourceSlotCache:
    return SourceSlotCache(
        graphs[ENCODER],
        graphs[_DECODER],
        max_rows=cache_rows(manifest, settings, max_tokens + manifest.limits.max_tokens),
        max_tokens=max_tokens,
        max_source_tokens=manifest.limits.max_tokens,
        vocabulary=vocabulary_of(manifest, graphs[_DECODER]),
    )


def _max_tokens(manifest: Manifest) -> int:
    """Return the most tokens of a text, its prefix included."""
    if manifest.limits.max_new_tokens is None:
        raise PackageError(f"{manifest.name}: the manifest has no limits.max_new_tokens")
    return manifest.limits.max_new_tokens
