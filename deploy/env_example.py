"""Writes .env.example: every variable of every settings module, with its default and what it does.

The settings modules are read as text, not imported, so this runs in any environment. A field that comes from the
environment is documented by a string that begins with the variable's name: ``TRIPTYCH_LEASE_S: a running job …``.
"""

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# In the order of a job's path. A variable that two processes read is described where it comes first.
FOLDERS = ("contracts", "services", "workers", "deploy")
VARIABLE = re.compile(r"(TRIPTYCH_[A-Z0-9_]+): (.+)", re.DOTALL)
HEAD = """\
# Triptych's settings. `docker compose` reads a copy of this file named .env; `make run` and processes started by
# hand read the same names from their environment. What is commented out shows the default.
# Written by `make env-example`; a test compares.

# Password of the store, for `docker compose` only; letters and digits, as from `openssl rand -hex 32`. Required there.
TRIPTYCH_REDIS_PASSWORD=
"""


@dataclass(frozen=True)
class Variable:
    """One variable that some process reads."""

    name: str
    default: str
    text: str
    module: str


def variables(root: Path = ROOT) -> list[Variable]:
    """Return the variables of all settings modules under ``root``, each once."""
    found: dict[str, Variable] = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("settings.py")):
            for variable in _of_module(path, root):
                found.setdefault(variable.name, variable)
    return list(found.values())


def render(found: list[Variable]) -> str:
    """Return the text of .env.example."""
    lines = [HEAD]
    module = ""
    for variable in found:
        if variable.module != module:
            module = variable.module
            lines.append(f"# --- {module}\n")
        lines += textwrap.wrap(variable.text, 118, initial_indent="# ", subsequent_indent="# ")
        lines.append(f"#{variable.name}={variable.default}\n")
    return "\n".join(lines)


def _of_module(path: Path, root: Path) -> Iterator[Variable]:
    module = str(path.relative_to(root))
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ClassDef):
            continue
        for statement, after in zip(node.body, node.body[1:], strict=False):
            if not isinstance(statement, ast.AnnAssign) or not isinstance(after, ast.Expr):
                continue
            if match := VARIABLE.match(str(getattr(after.value, "value", ""))):
                yield Variable(match[1], _default(statement.value), " ".join(match[2].split()), module)


def _default(node: ast.expr | None) -> str:
    """Return a default as one would write it into the environment; empty where there is none."""
    match node:
        case None | ast.Constant(value=None) | ast.Call(keywords=[ast.keyword(arg="default_factory"), *_]):
            text = ""
        case ast.Constant(value=bool() | float() as value):
            text = f"{value:.15g}"
        case ast.Constant(value=value):
            text = str(value)
        case (
            ast.Call(func=ast.Name(id="field"), keywords=[ast.keyword(arg="default", value=inner), *_])
            | ast.Call(func=ast.Name(id="Path"), args=[inner])
        ):
            text = _default(inner)
        case ast.Tuple(elts=values):
            text = ":".join(_default(value) for value in values)
        case _:
            text = ast.unparse(node)
    return text


if __name__ == "__main__":
    sys.stdout.write(render(variables()))
