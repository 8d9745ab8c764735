"""Clear one pool with kep_solver; run by ``benchmarks/clearing.py`` under the Python that has kep_solver.

    PYTHON_WITH_KEP_SOLVER benchmarks/peers/run_kep_solver.py request.json

kep_solver is licensed under the AGPL: it runs in this process of its own and nothing of it is part of this project.
The request is a file with a JSON object: ``file`` (in its JSON format, first version), ``setting``
(formulation-solver or formulation-solver-fixing), ``cycle_cap``, ``chain_cap`` (pairs; its own cap counts the
non-directed donor as well), ``weights`` (null for most transplants alone; recipient -> weight for the greatest sum
of weights after it) and ``memory_bytes`` (address space of this process and of each it starts). The answer, a JSON
object, is the last line printed.

Its UK score cannot be used for the weights: it adds points for donors of like age, and its PICEF refuses it. The
objective below is the documented way to give it another one.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any


def main() -> None:
    request: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    resource.setrlimit(resource.RLIMIT_AS, (request["memory_bytes"], request["memory_bytes"]))
    # By name, because this project's own tools never see the package installed.
    fileio = import_module("kep_solver.fileio")
    model = import_module("kep_solver.model")
    programme = import_module("kep_solver.programme")
    solving = import_module("kep_solver.solving")
    pulp = import_module("pulp")

    formulation, solver, *rest = request["setting"].split("-")
    engine = {
        "cbc": lambda: pulp.PULP_CBC_CMD(msg=False, threads=1),
        "highs": lambda: pulp.HiGHS(msg=False, threads=1),
    }[solver]()
    objectives = [model.TransplantCount()]
    if request["weights"] is not None:
        objectives.append(_weights_objective(model, request["weights"]))

    began = time.perf_counter()
    instance = fileio.read_json(request["file"])
    read = time.perf_counter()
    rules = programme.Programme(
        objectives,
        maxCycleLength=request["cycle_cap"],
        maxChainLength=request["chain_cap"] + 1 if request["chain_cap"] else 0,
        description="benchmark",
        full_details=False,
        model={"cycles": model.CycleAndChainModel, "picef": model.PICEF}[formulation],
    )
    solution, _ = rules.solve_single(
        instance,
        solvingOptions=solving.SolvingOptions(
            # Fixing by reduced costs takes the best value to be a whole number: right for transplants alone.
            solver=engine,
            useRCVF=[rest == ["fixing"], False],
        ),
    )
    cleared = time.perf_counter()
    if solution is None:
        sys.exit("kep_solver returned no solution")
    # This file stands alone, so it reads its peak as fresh_process.py does.
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    own_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    recipients = [str(r.id) for chosen in solution.selected for r in chosen.exchange.allRecipients()]
    answer = {
        "version": f"kep_solver {version('kep_solver')}, PuLP {version('pulp')}",
        "read_seconds": read - began,
        "clear_seconds": cleared - read,
        "values": [float(value) for value in solution.values],
        "recipients": recipients,
        "own_bytes": own_kb * 1024,
    }
    print(json.dumps(answer))


def _weights_objective(model: Any, weights: dict[str, float]) -> Any:
    class Weights(model.Objective):  # type: ignore[misc]
        is_integral = False

        def __init__(self) -> None:
            """Without the base class's, which forbids to make one."""

        @property
        def sense(self) -> Any:
            return model.Sense.MAX

        def describe(self) -> str:
            return "Sum of the weights of the patients who receive"

        def value(self, graph: Any, exchange: Any) -> float:
            return sum(weights[str(recipient.id)] for recipient in exchange.allRecipients())

        def edgeValue(self, graph: Any, edge: Any, position: int | None = None) -> float:  # noqa: N802
            return 0.0 if edge.end.isNdd() else weights[str(edge.end.donor.recipient.id)]

    return Weights()


if __name__ == "__main__":
    main()
