"""Collection over a Ray cluster: two nodes on this machine, the same bytes as one worker process."""

import os
import subprocess
import sys

import pytest

from lossless_ros.errors import LosslessError
from lossless_ros.simulation.collect import CollectConfig, collect
from lossless_ros.simulation.ray_pool import connect, run_on_ray

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
TASK = "rgb_stacking/triplet1"


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def patiently(start):
    """Retry: Ray gives a node 30 s to start, which a busy machine may miss."""
    for _ in range(5):
        try:
            return start()
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    return start()


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one core each on the loopback (of which Ray takes 127.0.0.1 for another name of the machine)."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "node_ip_address": "127.0.0.2", "object_store_memory": 100 * 2**20}
    cluster = patiently(lambda: Cluster(initialize_head=True, head_node_args={**head, "include_dashboard": False}))
    patiently(lambda: cluster.add_node(**head | {"node_ip_address": "127.0.0.3"}))
    ray.init(address=cluster.address, _node_ip_address="127.0.0.2", log_to_driver=False)
    yield ray
    ray.shutdown()
    cluster.shutdown()


def test_two_nodes_collect_the_episodes_of_one_worker(cluster, tmp_path):
    options = {"expert": "scripted", "max_steps": 5, "expert_noise": 0.2}
    seen = []
    on_ray = CollectConfig(TASK, tmp_path / "ray", 3, 7, workers="ray", **options)
    infos = collect(on_ray, seen.append)
    assert [info["seed"] for info in infos] == [7, 8, 9] and len(seen) == 3
    collect(CollectConfig(TASK, tmp_path / "one", 3, 7, **options))
    assert files(tmp_path / "ray") == files(tmp_path / "one")
    assert len(files(tmp_path / "ray")) == 6  # of each episode the MCAP file and metadata.yaml, nothing else
    assert collect(on_ray) == infos

    with pytest.raises(LosslessError, match="^expected 3 gave 2$"):
        list(run_on_ray(_make_failing_worker, [1, 2], "ray"))


def _make_failing_worker():
    def fail(item):
        raise LosslessError(f"expected 3 gave {2}")

    return fail


def test_missing_ray_is_a_one_line_error(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        LosslessError, match="needs Ray, which is not installed; install it .* or give a number"
    ) as error:
        collect(CollectConfig(TASK, tmp_path, domain="nominal", workers="ray", expert="random", max_steps=2))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("workers", "named"), [("ray://127.0.0.1:1", ""), ("ray", "127.0.0.1:1"), ("ray://none", "")])
def test_missing_cluster_is_a_one_line_error(monkeypatch, workers, named):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", named)
    with pytest.raises(LosslessError, match="no Ray cluster at .*(127.0.0.1:1|none).*; expected ray://") as error:
        connect(workers)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("workers", ["many", "ray:7", "0", "-1", ""])
def test_workers_are_a_number_or_a_cluster(workers, tmp_path):
    with pytest.raises(LosslessError, match="expected a number, ray, or ray://HOST:PORT|expected at least 1"):
        collect(CollectConfig(TASK, tmp_path, domain="nominal", workers=workers, expert="random"))


def test_ray_is_imported_only_when_used():
    code = "import sys; import lossless_ros.simulation.collect; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
