"""Where does the processor time of a request go? What the processes of each part spend, and the machine leaves idle."""

from collections.abc import Mapping

import psutil  # type: ignore[import-untyped] # the library has no types


def counters(roots: Mapping[str, int]) -> dict[str, float]:
    """Return the µs spent so far by each part, a process and all those below it, and those of the machine's idleness.

    `PART` is spent in the programs themselves, `PART_kernel` on their behalf. Counted in ticks, of 10 ms on most
    machines: right over thousands of requests.
    """
    seconds = {}
    for part, root in roots.items():
        top = psutil.Process(root)
        times = [process.cpu_times() for process in (top, *top.children(recursive=True))]
        seconds[part] = sum(each.user + each.children_user for each in times)  # children that ended included
        seconds[f"{part}_kernel"] = sum(each.system + each.children_system for each in times)
    machine = psutil.cpu_times()
    seconds["idle"] = machine.idle + machine.iowait
    return {name: spent * 1e6 for name, spent in seconds.items()}


def parent_of(pid: int) -> int:
    """Return the process that started this one."""
    parent: int = psutil.Process(pid).ppid()
    return parent
