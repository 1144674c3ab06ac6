"""Makes the starter models the defaults of a new store, whatever other packages there are.

Otherwise the models that are announced first would be the defaults, and of these the first ones in the alphabet.
"""

from collections.abc import Iterator

from contracts.model_package.files import PackageError
from contracts.model_package.manifest_file import read_manifest
from contracts.store.redis_client import connect
from contracts.store.registry import Registry
from deploy.local.settings import LocalSettings

_TIMEOUT_S = 5.0


def record_defaults(redis_url: str, settings: LocalSettings) -> None:
    """Record the starter models that will be served as the defaults of tasks of which the store knows no model.

    Raises:
        redis.RedisError: the store does not answer, or takes no writes.
    """
    client = connect(redis_url, timeout_s=_TIMEOUT_S, retries=1)
    registry = Registry(client)
    try:
        known = registry.known()
        for task, name in _starters(settings):
            # A store of an earlier run has its defaults, which must not change.
            if known.default_of(task) is None:
                registry.set_default(task, name)
    finally:
        client.connection_pool.disconnect()


def _starters(settings: LocalSettings) -> Iterator[tuple[str, str]]:
    """Yield the tasks and names of the starter models among the packages."""
    for folder in settings.models_dir:
        for path in sorted(folder.glob("starter-*")):
            try:
                manifest = read_manifest(path)
            except PackageError:
                continue  # its worker says what is wrong with it
            if not settings.models or manifest.name in settings.models:
                yield manifest.task.name, manifest.name
