import os

import pytest
import torch

from lossless_ros.training.threads import faster_thread_count, limited_threads


def test_thread_count_holds_inside_the_block_and_is_restored_also_after_an_error():
    before = torch.get_num_threads()
    with limited_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with pytest.raises(RuntimeError), limited_threads(before + 1):
        raise RuntimeError
    with limited_threads(None):
        assert torch.get_num_threads() == before


def test_faster_thread_count_is_one_or_all():
    tried = set()
    available = len(os.sched_getaffinity(0))
    assert faster_thread_count(lambda: tried.add(torch.get_num_threads())) in {1, available}
    assert tried == {1, available}
