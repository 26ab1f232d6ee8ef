"""How large a pod is, in CEL: the same formula as `monopod.pods.rules.size`.

CEL has no arithmetic on quantities, only a floating-point view of one. It is exact here. The API server rounds every
quantity up to thousandths before any policy sees it, so CPU is a whole number of millicores, and adding a half before
cutting off repairs the floating-point error. Memory is then a multiple of 0.001 byte: the smallest overhang over a
full MiB is 0.001/1048576, about 9.5e-10, and ROUND_UP is just more than one less that; below 128 TiB the floating-point
error is far smaller. The API server has also copied limits to requests where requests were missing.
"""

from monopod.api.names import CAPACITY_ANNOTATION
from monopod.cel.expressions import Variable, quote
from monopod.pods.rules.size import COMPONENTS_MEMORY_MIB, LARGEST, SIZE_TABLE, PodSize

MIB = "1048576.0"
ROUND_UP = "0.9999999995"
MOST_CORES = "1000.0"
MOST_MIB = "16777216.0"
"""Amounts beyond every size are cut off here, so that no request is too large for an integer."""

CPU, MEMORY, STORAGE = 0, 1, 2
"""The places of the three amounts in a list of needs."""


def cpu_millis(quantity: str) -> str:
    """Whole millicores of a quantity string."""
    return f"int([quantity({quantity}).asApproximateFloat(), {MOST_CORES}].min() * 1000.0 + 0.5)"


def mebibytes(quantity: str) -> str:
    """Whole MiB of a quantity string, rounded up."""
    return f"int([quantity({quantity}).asApproximateFloat() / {MIB}, {MOST_MIB}].min() + {ROUND_UP})"


def requested(owner: str, resource: str) -> str:
    """The quantity string that a container, or the pod's spec, requests."""
    return f"{owner}.?resources.?requests[?{quote(resource)}].orValue('0')"


def amounts(container: str) -> str:
    """A container's CPU, memory and storage, separated by commas."""
    return (
        f"{cpu_millis(requested(container, 'cpu'))},\n"
        f"      {mebibytes(requested(container, 'memory'))},\n"
        f"      {mebibytes(requested(container, 'ephemeral-storage'))}"
    )


INIT_CONTAINERS = Variable(
    "initContainers",
    "Init containers, sidecars among them, in the order in which they start.",
    "object.spec.?initContainers.orValue([])",
)

CONTAINER_NEEDS = Variable(
    "containerNeeds",
    "Per container [millicores, MiB of memory, MiB of ephemeral storage], each rounded up.",
    f"""
    object.spec.containers.map(container, [
      {amounts("container")}
    ])
    """,
)

INIT_NEEDS = Variable(
    "initNeeds",
    "The same per init container, and in the fourth place 1 if it is a sidecar (restartPolicy Always).",
    f"""
    variables.initContainers.map(container, [
      {amounts("container")},
      container.?restartPolicy.orValue('') == 'Always' ? 1 : 0
    ])
    """,
)


def peak(place: int, containers: str = "containerNeeds", inits: str = "initNeeds", sidecar: int = 3) -> str:
    """Kubernetes' formula for one of the amounts.

    Args:
        place: the amount's place in the lists of both variables.
        containers: the variable with a list of amounts per container.
        inits: the same per init container, in the order in which they start.
        sidecar: the place in these lists that is 1 for a sidecar.
    """
    # The sidecars' amounts are found once: for each init container it would take a hundred times a hundred steps.
    return f"""
    [variables.{inits}.map(amounts, amounts[{sidecar}] == 1 ? amounts[{place}] : 0)].map(sidecars,
      [variables.{containers}.map(amounts, amounts[{place}]).sum() + sidecars.sum()] +
      lists.range(variables.{inits}.size()).map(index, variables.{inits}[index][{sidecar}] == 0,
        variables.{inits}[index][{place}] + sidecars.slice(0, index).sum())
    )[0].max()
    """


PEAKS = (
    Variable(
        "cpuPeak",
        "Kubernetes' formula: the larger of all that runs for long (containers and sidecars) and each ordinary init "
        "container beside the sidecars that started before it.",
        peak(CPU),
    ),
    Variable("memoryPeak", "The same for memory.", peak(MEMORY)),
    Variable("storagePeak", "The same for ephemeral storage.", peak(STORAGE)),
)


def ladder_steps() -> tuple[tuple[int, int, int, int], ...]:
    """The sizes as runs of equal steps: (millicores, smallest MiB, largest MiB, step in MiB).

    0.25 vCPU makes two runs, because its first step (0.5 to 1 GB) is smaller than its second.

    Raises:
        ValueError: Fargate's sizes aren't such runs.
    """
    runs: list[tuple[int, int, int, int]] = []
    for cpu in sorted({row.cpu_millis for row in SIZE_TABLE}):
        sizes = [row.memory_mib for row in SIZE_TABLE if row.cpu_millis == cpu]
        step = sizes[-1] - sizes[-2]
        if sizes[1] - sizes[0] != step:
            runs.append((cpu, sizes[0], sizes[0], sizes[0]))
            sizes = sizes[1:]
        runs.append((cpu, sizes[0], sizes[-1], step))
    check = tuple(PodSize(cpu, mib) for cpu, low, high, step in runs for mib in range(low, high + 1, step))
    if check != SIZE_TABLE:
        raise ValueError("the sizes aren't runs of equal steps")
    return tuple(runs)


def _ladder_literal() -> str:
    return ",\n      ".join(str(list(run)) for run in ladder_steps())


SIZED = Variable(
    "sized",
    "Whether spec.resources is the size that admission wrote: an earlier run, or a copied manifest. Without this, a "
    "second run would add the 256 MiB again. A copy may have lost its marks, and is known by class and size.",
    f"""
    (variables.marked && {quote(CAPACITY_ANNOTATION)} in variables.annotations) ||
      (object.spec.?runtimeClassName.orValue('') != '' && object.spec.runtimeClassName == variables.winner[1] &&
       [[
         {cpu_millis(requested("object.spec", "cpu"))},
         {mebibytes(requested("object.spec", "memory"))},
         {cpu_millis("object.spec.?resources.?limits[?'cpu'].orValue('0')")},
         {mebibytes("object.spec.?resources.?limits[?'memory'].orValue('0')")}
       ]].exists(size, size[0] == size[2] && size[1] == size[3] && [
      {_ladder_literal()}
       ].exists(run, size[0] == run[0] && size[1] >= run[1] && size[1] <= run[2] && (size[1] - run[1]) % run[3] == 0)))
    """,
)

POD_NEED = Variable(
    "podNeed",
    "What spec.resources asks for: [millicores, MiB]. Where it is our own, 256 MiB of it are not the pod's; and it is "
    "cut off at the largest size, so that no forged size makes a pod too large to run.",
    f"""
    [
      [
        {cpu_millis(requested("object.spec", "cpu"))},
        variables.sized ? {LARGEST.cpu_millis} : {int(float(MOST_CORES)) * 1000}
      ].min(),
      [
        {mebibytes(requested("object.spec", "memory"))}
          - (variables.sized ? {COMPONENTS_MEMORY_MIB} : 0),
        variables.sized ? {LARGEST.memory_mib - COMPONENTS_MEMORY_MIB} : {int(float(MOST_MIB))}
      ].min()
    ]
    """,
)

NEED = Variable(
    "need",
    "What the size must hold: [millicores, MiB of memory with Fargate's own 256 MiB].",
    f"""
    [
      [variables.cpuPeak, variables.podNeed[0]].max(),
      [variables.memoryPeak, variables.podNeed[1]].max() + {COMPONENTS_MEMORY_MIB}
    ]
    """,
)


SIZES = Variable(
    "sizes",
    "The sizes as runs of equal steps, [millicores, smallest MiB, largest MiB, step]; of each run that can hold the "
    "need its smallest fitting size, [millicores, MiB]. The first is the pod's size; none: too large.",
    f"""
    [
      {_ladder_literal()}
    ]
      .filter(run, run[0] >= variables.need[0] && run[2] >= variables.need[1])
      .map(run, [run[0], run[1] + ([variables.need[1] - run[1], 0].max() + run[3] - 1) / run[3] * run[3]])
    """,
)

CPU_TEXT = Variable("cpu", "The size's CPU as a quantity.", "string(variables.sizes[0][0]) + 'm'")
MEMORY_TEXT = Variable("memory", "The size's memory as a quantity.", "string(variables.sizes[0][1]) + 'Mi'")

CAPACITY = Variable(
    "capacity",
    "The size in AWS's notation: '0.25vCPU 0.5GB'.",
    "string(double(variables.sizes[0][0]) / 1000.0) + 'vCPU ' + string(double(variables.sizes[0][1]) / 1024.0) + 'GB'",
)

SIZE = (
    INIT_CONTAINERS,
    CONTAINER_NEEDS,
    INIT_NEEDS,
    *PEAKS,
    SIZED,
    POD_NEED,
    NEED,
    SIZES,
    CPU_TEXT,
    MEMORY_TEXT,
    CAPACITY,
)
