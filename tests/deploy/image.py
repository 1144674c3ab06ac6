"""Simulates Dockerfiles without a container engine: the same installation, files and commands in a folder.

This can't test the base image and the isolation. It does test that the lock is sufficient, that nothing outside of the
copied folders is needed, and that the entry point starts.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.waiting import PROGRAM_S


@dataclass(frozen=True)
class Stage:
    """One stage of a Dockerfile: its base and its instructions in order."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Return the arguments of every instruction of that name."""
        return [value for instruction, value in self.instructions if instruction == name]

    @property
    def env(self) -> dict[str, str]:
        """The variables that ENV sets."""
        pairs = [word.partition("=") for value in self.all("ENV") for word in shlex.split(value)]
        return {name: value for name, _, value in pairs}

    @property
    def copied(self) -> list[str]:
        """The paths of the checkout that COPY copies into the image."""
        return [value.split()[0] for value in self.all("COPY") if not value.startswith("--from")]

    @property
    def command(self) -> list[str]:
        """ENTRYPOINT and CMD, with which the container starts."""
        return [word for name in ("ENTRYPOINT", "CMD") for value in self.all(name) for word in json.loads(value)]

    @property
    def health(self) -> list[str]:
        """The command of HEALTHCHECK."""
        return list(json.loads(self.all("HEALTHCHECK")[0].partition("CMD ")[2]))


def read_dockerfile(path: Path) -> list[Stage]:
    """Return the stages of a Dockerfile. Only the syntax that the project's Dockerfiles use is supported."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE)
    text = re.sub(r"\\\n\s*", "", text)
    stages: list[Stage] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, value = line.partition(" ")
        if name == "FROM":
            stages.append(Stage(value))
        elif stages:
            stages[-1].instructions.append((name, value))
    return stages


@dataclass(frozen=True)
class Image:
    """A simulated image in a folder: ``venv`` is its /venv and ``app`` its /app."""

    folder: Path
    stage: Stage

    @property
    def packages(self) -> set[str]:
        """The import names in the image's environment."""
        return {path.name.split(".")[0] for path in self.folder.glob("venv/lib/python*/site-packages/*")}

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the environment of the container: the variables of the image and ``settings``."""
        base = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        return base | {name: self._localize(value) for name, value in self.stage.env.items()} | settings

    def argv(self, command: list[str]) -> list[str]:
        """Return a command of the image with the paths of the simulated one."""
        return [str(self.folder / "venv" / "bin" / command[0]), *command[1:]]

    def start(self, command: list[str], log: Path, **settings: str) -> "subprocess.Popen[bytes]":
        """Start a command of the image; its output goes to ``log``."""
        with log.open("wb") as file:
            return subprocess.Popen(
                self.argv(command),
                cwd=self.folder / "app",
                env=self.environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def run(self, command: list[str], **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the image until it ends."""
        return subprocess.run(
            self.argv(command),
            cwd=self.folder / "app",
            env=self.environment(**settings),
            capture_output=True,
            text=True,
            timeout=PROGRAM_S,
            check=False,
        )

    def _localize(self, value: str) -> str:
        value = value.replace("/venv/", f"{self.folder}/venv/").replace("/app/", f"{self.folder}/app/")
        return value.replace("$PATH", os.environ["PATH"])


def build_image(dockerfile: Path, folder: Path) -> Image:
    """Carry out the instructions of a Dockerfile in ``folder``."""
    install, final = read_dockerfile(dockerfile)
    (lock,) = install.copied
    args = dict(value.split("=") for value in install.all("ARG"))
    lock = re.sub(r"\$\{(\w+)\}", lambda match: args[match[1]], lock)
    shutil.copy(ROOT / lock, folder / "lock.txt")
    for command in install.all("RUN"):
        local_command = command.replace("/venv", f"{folder}/venv").replace("/lock.txt", f"{folder}/lock.txt")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        subprocess.run(["sh", "-ec", local_command], env=os.environ | {"PATH": path}, timeout=PROGRAM_S, check=True)
    for source in final.copied:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / source, folder / "app" / source, ignore=ignored)
    return Image(folder, final)
