"""The `models` command: shows and changes which model runs the requests of a task that name none."""

import argparse
import sys
from collections.abc import Mapping

from contracts.settings import SettingsError, StoreSettings
from contracts.store.redis_client import connect
from contracts.store.registry import KnownModels, Registry
from contracts.task_names import parse_task
from contracts.tasks import TASKS
from services.gateway.settings import GatewaySettings

FAILED = 1


def run(arguments: argparse.Namespace, settings: GatewaySettings, store_settings: StoreSettings) -> int:
    """Run the action that the arguments name; return the exit code.

    Raises:
        SettingsError: the arguments name no task, or contradict each other.
        redis.RedisError: the store refuses, or does not answer.
    """
    if arguments.unset and (arguments.model or not arguments.task):
        raise SettingsError("--unset: needs a TASK, and no MODEL")
    task = _task(arguments.task)
    registry = Registry(connect(store_settings.redis_url, timeout_s=5.0, retries=1, max_connections=1))
    if arguments.unset:
        return _unset(registry, task)
    if arguments.model:
        return _set(registry, task, arguments.model, settings.default_models)
    return _list(registry.known(), [task] if task else list(TASKS), settings.default_models)


def _task(name: str | None) -> str:
    try:
        return parse_task(name, among=TASKS) if name else ""
    except ValueError as error:
        raise SettingsError(f"TASK: {error}") from error


def _list(known: KnownModels, tasks: list[str], configured: Mapping[str, str]) -> int:
    _print(f"{'TASK':12}  {'DEFAULT':32}  {'ANNOUNCED':9}  OTHER MODELS")
    for task in tasks:
        default = configured.get(task) or known.default_of(task)
        names = [card.name for card in known.of_task(task)]
        others = ", ".join(name for name in names if name != default)
        origin = " (TRIPTYCH_DEFAULT_MODELS)" if task in configured else ""
        announced = "yes" if default in names else "no" if default else ""
        _print(f"{task:12}  {(default or 'none') + origin:32}  {announced:9}  {others}".rstrip())
    return 0


def _set(registry: Registry, task: str, model: str, configured: Mapping[str, str]) -> int:
    names = [card.name for card in registry.known().of_task(task)]
    # A name with a typing error would make the task unavailable.
    if model not in names:
        _print_error(f"error: no worker has announced {model!r} for {task}. Announced: {', '.join(names) or 'none'}")
        return FAILED
    registry.set_default(task, model)
    _print(f"Requests of {task} that name no model go to {model} from now on.")
    if task in configured:
        _print_error(f"Not while TRIPTYCH_DEFAULT_MODELS says {task}={configured[task]}, which counts first.")
    return 0


def _unset(registry: Registry, task: str) -> int:
    if not registry.forget_default(task):
        _print_error(f"error: no default is recorded for {task}")
        return FAILED
    default = registry.known().default_of(task)
    _print(f"Forgotten. Now it is {default}, which was announced first." if default else "Forgotten.")
    return 0


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _print_error(text: str) -> None:
    sys.stderr.write(text + "\n")
