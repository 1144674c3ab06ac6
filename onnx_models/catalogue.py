"""The table of packages that `python -m onnx_models list` prints; needs only what a worker has."""

from collections.abc import Iterable
from pathlib import Path

from workers.runtime.model_package import ModelPackage, PackageError, find_packages, load_package

HEAD = ("name", "task", "size", "max tokens", "licence", "quality")


def rows_of(folders: Iterable[Path]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Check every package under the folders.

    Returns:
        One row of texts a sound package, in the order of ``HEAD``; and one message a package that can't be served.
    """
    rows, problems = [], []
    for folder in folders:
        for path in find_packages(folder).values():
            try:
                rows.append(_row(load_package(path)))
            except PackageError as error:
                problems.append(str(error))
    return rows, problems


def _row(package: ModelPackage) -> tuple[str, ...]:
    manifest = package.manifest
    num_bytes = sum(package.file(name).stat().st_size for name in manifest.files)
    figures = {name: value for name, value in manifest.quality.items() if isinstance(value, float)}
    return (
        manifest.name,
        manifest.task,
        f"{num_bytes / 1e6:.1f} MB",
        str(manifest.limits.max_tokens),
        manifest.licence,
        ", ".join(f"{name} {value:.3g}" for name, value in figures.items()) or "not measured",
    )


def as_table(rows: list[tuple[str, ...]]) -> str:
    """Lay rows out under ``HEAD``, columns as wide as their longest text."""
    widths = [max(len(row[column]) for row in [HEAD, *rows]) for column in range(len(HEAD))]
    lines = [[text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in [HEAD, *rows]]
    return "\n".join("  ".join(line).rstrip() for line in lines)
