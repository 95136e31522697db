"""The peak memory of a piece of work."""

import resource
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): resets the peak resident set size


def reset_peak(device: str) -> bool:
    """Begin a new measurement; return False if the system cannot, so that the peak since the process began counts."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        return True
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def peak_bytes(device: str) -> int:
    """Return the peak since `reset_peak`: allocated on the GPU, or resident in the whole process on a CPU."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated())
    try:
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
