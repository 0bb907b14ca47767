import os

import pytest
import torch

from lossless_ros.training.threads import quickest, threads


def test_number_of_threads_holds_inside_and_comes_back_also_after_an_error():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with pytest.raises(RuntimeError), threads(before + 1):
        raise RuntimeError
    with threads(None):
        assert torch.get_num_threads() == before


def test_quickest_is_one_thread_or_all_of_them():
    seen = set()
    assert quickest(lambda: seen.add(torch.get_num_threads())) in {1, len(os.sched_getaffinity(0))}
    assert seen == {1, len(os.sched_getaffinity(0))}
