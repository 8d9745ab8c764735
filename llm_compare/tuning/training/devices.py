"""The devices that train together: one, or one for each process that ``accelerate launch`` started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from llm_compare.errors import CannotTune
from llm_compare.tuning.models.devices import chosen_device
from llm_compare.tuning.models.libraries import require_libraries
from llm_compare.tuning.models.local_model import Loading


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """This process among those that train together."""

    device: str
    count: int = 1
    index: int = 0

    @classmethod
    def here(cls, wanted: str = "auto") -> Devices:
        """Return this process's place; meet the others, if several were launched.

        Raises
        ------
        MissingExtra, BadModel
            There is no such device, or the libraries are not installed.
        CannotTune
            Several processes were launched onto one device.
        """
        require_libraries()
        device = chosen_device(wanted)
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls(device=device)
        if ":" in device:
            raise CannotTune(
                f"--device {device}: several processes were launched, and each takes a device of its own; give "
                "--device cuda, or launch one"
            )
        from accelerate import PartialState

        state = PartialState(cpu=device == "cpu")
        return cls(device=str(state.device), count=state.num_processes, index=state.process_index)

    @property
    def is_main(self) -> bool:
        """Whether this process writes and talks."""
        return self.index == 0

    def placed(self, loading: Loading) -> Loading:
        """Return how a model is brought onto this process's device."""
        return replace(loading, device=self.device)

    def own(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return this process's part of the rows."""
        return rows[self.index :: self.count]

    def sums(self, tensor: Any) -> Any:
        """Return the sum of all processes' tensors."""
        if self.count == 1:
            return tensor
        from accelerate.utils import reduce

        return reduce(tensor, "sum")

    def from_main(self, tensor: Any) -> Any:
        """Return the main process's tensor."""
        if self.count == 1:
            return tensor
        from accelerate.utils import broadcast

        return broadcast(tensor)

    def wait(self) -> None:
        """Return when every process is here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()

    def close(self) -> None:
        """Part from the other processes."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().destroy_process_group()
