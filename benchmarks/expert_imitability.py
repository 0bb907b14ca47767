"""Which expert can be imitated at all? A student that sees the true poses, so that no camera stands in its way.

    python -m benchmarks.teachers --folder teachers

Per expert: demonstrations in `randomized`, behaviour cloning of a student with the head of the policies, chunks of 8
actions and, in place of images, where the objects are and how they lie; then fifty episodes in `lab`. Like a policy it
sees the present alone. What an image student lacks beside it is perception; what it lacks itself, the expert's answers
do not tell. Demonstrations, students and episodes are kept; the same command goes on where it was, and writes
teachers.json and teachers.md beside this file.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.study import SHOWN, rate
from lossless_ros.contract import Contract, load_contract
from lossless_ros.episodes.pool import run_parallel
from lossless_ros.episodes.simulated import STEPS_AFTER_SUCCESS, Observation, make_simulator, run_episode
from lossless_ros.evaluation.outcome import Outcome
from lossless_ros.evaluation.rollout import summarize
from lossless_ros.models.bundle import write_atomically
from lossless_ros.models.ensemble import Ensemble
from lossless_ros.models.network import to_action
from lossless_ros.training.loss import limits_of, loss

EXPERTS = ("scripted", "lenient", "reactive")
TASK, SEEN_IN, TRIED_IN = "rgb_stacking/triplet5", "randomized", "lab"
FIRST, NOISE = 50_000, 0.3  # seed of the first demonstration; what disturbs the expert
CHUNK, WIDTH, BATCH, STEPS, RATE = 8, 256, 256, 4000, 0.001
GRIPPER_WEIGHT, BLUR = 0.2, 0.05  # of the input, in its standard deviations, while learning
HERE = Path(__file__).resolve().parent
_worker: dict[str, Any] = {}


def see(observation: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
    """What the student sees (F,) float32: joints and tool as a policy does, and the objects' true poses.

    Of each object the position in the base frame and from the tool [m], and its rotation matrix.
    """
    from lossless_sim.rotations import quaternion_to_matrix

    tool = observation["tcp_pose"]
    parts = [observation["joint_position"], observation["gripper_position"], tool[:3]]
    parts += [quaternion_to_matrix(tool[[6, 3, 4, 5]])[:, :2]]
    for _, pose in sorted(info["objects"].items()):
        parts += [pose[:3], pose[:3] - tool[:3], quaternion_to_matrix(pose[[6, 3, 4, 5]])]
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)


class Student(nn.Module):
    """The head of a policy on what `see` gives: (B, F) to the head's numbers (B, CHUNK, A)."""

    mean: Tensor
    std: Tensor

    def __init__(self, features: int, actions: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        layers: list[nn.Module] = []
        for i, o in ((features, WIDTH), (WIDTH, WIDTH)):
            layers += [nn.Linear(i, o), nn.LayerNorm(o), nn.GELU()]
        self.head = nn.Sequential(*layers, nn.Linear(WIDTH, CHUNK * actions))

    def forward(self, seen: Tensor, blur: float = 0.0) -> Tensor:
        x = (seen - self.mean) / self.std
        return self.head(x + blur * torch.randn_like(x)).unflatten(1, (CHUNK, -1))


def learn(episodes: list[dict[str, np.ndarray]], contract: Contract) -> Student:
    """Behaviour cloning from demonstrations, each with what was seen (T, F) and done (T, A)."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    seen = torch.from_numpy(np.concatenate([episode["seen"] for episode in episodes]))
    done = torch.from_numpy(np.concatenate([episode["done"] for episode in episodes]))
    lengths = torch.tensor([len(episode["done"]) for episode in episodes])
    ends = lengths.cumsum(0).repeat_interleave(lengths)  # (N,) index behind the episode of each frame
    student = Student(seen.shape[1], done.shape[1])
    student.mean.copy_(seen.mean(0))
    student.std.copy_(seen.std(0).clamp(min=0.01))
    optimiser = torch.optim.AdamW(student.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, STEPS, pct_start=0.03)
    limits = limits_of(contract, "cpu")
    for _ in range(STEPS):
        now = torch.randint(len(seen), (BATCH,))
        then = now[:, None] + torch.arange(CHUNK)
        known = then < ends[now, None]
        wanted = done[torch.minimum(then, ends[now, None] - 1)]
        value = loss(student(seen[now], BLUR), wanted, known, float(known.sum()), limits, GRIPPER_WEIGHT, 0)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
    return student.eval()


def setup(expert: str, folder: Path, domain: str) -> None:
    """Of a worker process."""
    torch.set_num_threads(1)
    contract = load_contract("rgb_stacking")
    env = make_simulator(TASK, domain, contract, images=False)
    _worker.update(expert=expert, folder=folder, contract=contract, env=env)


def demonstrate(seed: int) -> Path:
    """Keep an episode of the expert: what was seen and done, and whether it stacked."""
    from lossless_sim.experts import Noise, make_expert

    path = _worker["folder"] / f"{_worker['expert']}_{seed}.npz"
    if not path.exists():
        expert, noise = make_expert(_worker["expert"], TASK, seed), Noise(NOISE, seed)
        expert.reset()
        seen, done = [], []

        def choose(step: int, observation: Observation, info: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
            action = expert.act(observation, info)
            seen.append(see(observation, info))
            done.append(action)
            return action, noise(action)

        result = run_episode(_worker["env"], seed, choose, after_success=STEPS_AFTER_SUCCESS)
        whole = path.with_suffix(".part.npz")
        np.savez_compressed(whole, seen=np.stack(seen), done=np.stack(done), success=result["success"])
        whole.rename(path)
    return Path(path)


def attempt(seed: int) -> dict[str, Any]:
    """An episode of the student."""
    contract: Contract = _worker["contract"]
    if "student" not in _worker:
        tensors = torch.load(_worker["folder"] / f"{_worker['expert']}.pt", weights_only=True)
        student = Student(len(tensors["mean"]), contract.action.dim)
        student.load_state_dict(tensors)
        _worker["student"] = student.eval()
    ensemble, outcome = Ensemble(contract.period_ns), Outcome(seed, contract.period_ns / 1e9)

    def choose(step: int, observation: Observation, info: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            raw = _worker["student"](torch.from_numpy(see(observation, info))[None])
            predicted = to_action(raw, contract)[0].numpy()
        action = ensemble(step * contract.period_ns, predicted)
        return action, action

    run_episode(_worker["env"], seed, choose, look=outcome.see)
    return outcome.result()


def study(expert: str, options: argparse.Namespace) -> dict[str, Any]:
    """Demonstrations, student and episodes of one expert."""
    seeds = [FIRST + i for i in range(options.demonstrations)]
    parts = (options.workers, setup)
    paths = sorted(run_parallel(demonstrate, seeds, *parts, (expert, options.folder, SEEN_IN)))
    episodes = [episode for episode in map(load, paths) if episode["success"]]
    kept = options.folder / f"{expert}.pt"
    if not kept.exists():
        student = learn(episodes, load_contract("rgb_stacking"))
        torch.save(student.state_dict(), kept.with_suffix(".part"))
        kept.with_suffix(".part").rename(kept)
    tried = list(run_parallel(attempt, range(options.episodes), *parts, (expert, options.folder, TRIED_IN)))
    frames = sum(len(episode["done"]) for episode in episodes)
    return {
        "demonstrations": {"first": FIRST, "number": len(paths), "stacked": len(episodes), "frames": frames},
        "result": summarize(TASK, TRIED_IN, tried),
    }


def load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a demonstration."""
    with np.load(path) as arrays:
        return dict(arrays)


def table(document: dict[str, Any]) -> str:
    """A row per expert, in Markdown."""
    columns = ("expert", "stacks itself", "its student stacks", "95 %", *SHOWN)
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for expert, part in document["experts"].items():
        shown, result = part["demonstrations"], part["result"]
        cells = [expert, f"{shown['stacked']} of {shown['number']}", *rate(result)]
        cells += [str(result["phases"][phase]) for phase in SHOWN]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="everything that is made")
    parser.add_argument("--experts", nargs="+", choices=EXPERTS, default=list(EXPERTS))
    parser.add_argument("--demonstrations", type=int, default=120, help="of each expert")
    parser.add_argument("--episodes", type=int, default=50, help="of each student, seeds from 0")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, default=HERE / "teachers.json")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {"task": TASK, "seen_in": SEEN_IN, "noise": NOISE, "tried_in": TRIED_IN, "experts": {}}
    if options.json.exists():
        document["experts"] = json.loads(options.json.read_text())["experts"]
    for expert in options.experts:
        if expert not in document["experts"]:
            document["experts"][expert] = study(expert, options)
            write_atomically(options.json, (json.dumps(document, indent=1) + "\n").encode())
            write_atomically(options.json.with_suffix(".md"), table(document).encode())


if __name__ == "__main__":
    main()
