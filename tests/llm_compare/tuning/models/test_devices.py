from __future__ import annotations

import pytest

from llm_compare.errors import BadModel, OutOfMemory
from llm_compare.tuning.models.devices import chosen_device, chosen_dtype, memory_watched

WAY_OUT = "ask fewer at once"


def test_a_refused_allocation_says_what_takes_less(tune_extra):
    import torch

    with pytest.raises(OutOfMemory, match=rf"not enough memory \(.+\); {WAY_OUT}"), memory_watched(WAY_OUT):
        torch.empty(2**50, dtype=torch.uint8)


def test_a_gpu_s_lack_of_memory_says_what_takes_less(tune_extra):
    import torch

    # As the library raises it; no GPU is needed to see that it is known.
    with pytest.raises(OutOfMemory, match="CUDA out of memory"), memory_watched(WAY_OUT):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ...")


def test_python_s_own_lack_of_memory_says_what_takes_less():
    message = rf"not enough memory \(MemoryError\); {WAY_OUT}"
    with pytest.raises(OutOfMemory, match=message), memory_watched(WAY_OUT):
        raise MemoryError


def test_other_errors_pass_unchanged():
    with pytest.raises(RuntimeError, match="shapes do not fit"), memory_watched(WAY_OUT):
        raise RuntimeError("shapes do not fit")


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "cpu:1", "cuda:x"])
def test_a_device_that_is_not_there_is_refused(tune_extra, device):
    with pytest.raises(BadModel, match=rf"--device {device}: is not on this machine; use cpu"):
        chosen_device(device)


def test_numbers_are_of_the_type_asked_for(tune_extra):
    import torch

    assert chosen_dtype("auto", "cpu") is torch.float32
    assert chosen_dtype("bfloat16", "cpu") is torch.bfloat16
    with pytest.raises(BadModel, match=r"--dtype int8: is not one of float32, bfloat16, float16, auto"):
        chosen_dtype("int8", "cpu")
