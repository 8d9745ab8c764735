from __future__ import annotations

import pytest

from llm_compare.errors import BadModel, CannotTune
from llm_compare.tuning.training.devices import Devices


def test_one_process_has_all_the_rows_and_waits_for_nobody(tune_extra):
    import torch

    here = Devices.here("cpu")

    assert (here.device, here.count, here.is_main) == ("cpu", 1, True)
    assert list(here.own([1, 2, 3])) == [1, 2, 3]
    assert float(here.sums(torch.tensor(2.0))) == 2.0
    here.wait()
    here.close()


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_row_is_somebodys_and_nobody_elses(count):
    rows = list(range(7))
    parts = [Devices(device="cpu", count=count, index=i).own(rows) for i in range(count)]

    assert sorted(row for part in parts for row in part) == rows


def test_a_device_that_is_not_here_is_refused(tune_extra):
    with pytest.raises(BadModel, match="is not on this machine"):
        Devices.here("cuda:99")


def test_several_processes_are_not_put_onto_one_device(tune_extra, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(CannotTune, match="each takes a device of its own"):
        Devices.here("cpu:0")
