"""The folder of a demo: what is finished in it is kept, and what the demo did not make is never touched."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from lossless_ros.errors import LosslessError
from lossless_ros.files import atomic_folder, remove_stale_parts, write_atomically

STATE = "demo.json"  # which demo a folder is of, and its finished steps
EVALUATION = "evaluation.json"  # document of an evaluation, next to its episodes


@dataclass(frozen=True)
class DemoPaths:
    """What the demo writes below its folder."""

    out: Path

    @property
    def episodes(self) -> Path:
        return self.out / "episodes"

    @property
    def held_out(self) -> Path:
        return self.out / "held_out"

    @property
    def shipped(self) -> Path:
        """Return the folder for the episodes of the shipped policy."""
        return self.out / "shipped"

    @property
    def own(self) -> Path:
        """Return the folder for the episodes of the demo's own policy."""
        return self.out / "own"

    @property
    def bundle(self) -> Path:
        return self.out / "policy.safetensors"

    @property
    def report(self) -> Path:
        return self.out / "report.html"

    @property
    def results(self) -> Path:
        return self.out / "results.json"

    @property
    def everything(self) -> tuple[Path, ...]:
        return (self.episodes, self.held_out, self.shipped, self.own, self.bundle, self.report, self.results)


@dataclass
class DemoFolder:
    """A demo's folder and its finished steps.

    Attributes:
        paths: what is where.
        plan: the settings that must match when the demo goes on.
        documents: of the finished steps, by name.
        seconds: that each of them took in the run that finished it.
    """

    paths: DemoPaths
    plan: dict[str, Any]
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def claim(self) -> bool:
        """Make the folder this demo's; return whether it was already, with what it has finished loaded.

        Raises:
            LosslessError: something is in the way that this demo did not make, or the folder cannot be written.
        """
        state = self.paths.out / STATE
        if state.exists():
            self._load(state)
            for folder in (self.paths.shipped, self.paths.own):
                remove_stale_parts(folder)
            return True
        in_the_way = [path for path in self.paths.everything if path.exists() or path.is_symlink()]
        if in_the_way:
            raise LosslessError(f"{in_the_way[0]} exists and no demo that can go on made it; give another --out")
        self._save()
        return False

    def run(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the document of a step, which is done unless it is finished."""
        if name not in self.documents:
            started = monotonic()
            document = work()
            self.seconds[name] = monotonic() - started
            self.documents[name] = json.loads(json.dumps(document))
            self._save()
        return self.documents[name]

    def evaluate(self, name: str, folder: Path, work: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Return the document of an evaluation that records into `folder`, which is there when all of it is."""

        def recorded() -> dict[str, Any]:
            if folder.exists():  # finished, and interrupted before its document was noted
                return _read(folder / EVALUATION)
            with atomic_folder(folder) as part:
                document = work(part)
                (part / EVALUATION).write_text(json.dumps(document))
            return document

        return self.run(name, recorded)

    def check_bundle(self) -> None:
        """Refuse to overwrite a bundle that this demo's training did not write.

        Raises:
            LosslessError: there is one.
        """
        if "training" not in self.documents and self.paths.bundle.exists():
            raise LosslessError(f"{self.paths.bundle} exists, but this demo has not trained yet; move it away")

    def _load(self, state: Path) -> None:
        stored = _read(state)
        changed = [key for key in self.plan if stored.get("plan", {}).get(key) != self.plan[key]]
        if changed:
            raise LosslessError(f"{self.paths.out} is of a demo with another {changed[0]}; give another --out")
        self.documents, self.seconds = dict(stored["documents"]), dict(stored["seconds"])

    def _save(self) -> None:
        stored = {name: value for name, value in dataclasses.asdict(self).items() if name != "paths"}
        write_atomically(self.paths.out / STATE, (json.dumps(stored, indent=1) + "\n").encode())


def _read(path: Path) -> dict[str, Any]:
    """Return a JSON document of this demo.

    Raises:
        LosslessError: it is missing or damaged.
    """
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        raise LosslessError(f"{path} is missing or damaged; give another --out") from None
