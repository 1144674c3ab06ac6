"""A task as the encoder worker runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from contracts.model_package.manifest import Manifest
from workers.encoder.head import Head
from workers.encoder.model import EncoderModel
from workers.runtime.batching.work import BatchWork
from workers.runtime.models.served import TaskHandler

Request = TypeVar("Request")


@dataclass(frozen=True, kw_only=True)
class EncoderHandler(TaskHandler[EncoderModel, Request, BatchWork], Generic[Request]):
    """A task on the batching engine, with what it makes of the outputs of its models."""

    make_head: Callable[[Manifest], Head]
    """Raises PackageError if the manifest is that of another task."""
