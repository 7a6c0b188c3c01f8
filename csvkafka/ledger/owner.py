"""Who owns a lease: one incarnation of a worker, and whether it is known to be dead.

An owner is a text `host/boot/pidns/pid/start/random`. If host, boot and process namespace are ours,
we can look: a process that is gone, or whose start time differs (its number was given to another),
is dead for certain, and nobody need wait for its lease. Any other owner is only watched.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path


def this_incarnation() -> str:
    """The owner text of this process; a new one at each call, for the random part."""
    pid = os.getpid()
    parts = (*_machine(), str(pid), _start_time(pid) or "-", secrets.token_hex(4))
    return "/".join(part.replace("/", "_") or "-" for part in parts)


def is_known_dead(owner: str) -> bool:
    """The owner ran here, and its process is gone for certain. False where that is not known."""
    parts = owner.split("/")
    if len(parts) != 6 or not _known_machine() or tuple(parts[:3]) != _machine():
        return False
    pid, start_time = parts[3], parts[4]
    return pid.isdigit() and start_time != "-" and _start_time(int(pid)) != start_time


def describe(owner: str) -> str:
    """The owner for people: host and process id."""
    parts = owner.split("/")
    return f"process {parts[3]} on host {parts[0]}" if len(parts) == 6 else owner


def _machine() -> tuple[str, str, str]:
    return (
        socket.gethostname().replace("/", "_") or "-",
        _read("/proc/sys/kernel/random/boot_id"),
        _process_namespace(),
    )


def _known_machine() -> bool:
    return "-" not in _machine()[1:]


def _process_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]") or "-"  # noqa: PTH115
    except OSError:
        return "-"


def _start_time(pid: int) -> str | None:
    """Field 22 of /proc/PID/stat (clock ticks after boot); None if the process is gone or
    defunct."""
    stat = _read(f"/proc/{pid}/stat")
    # The second field, the command, is in parentheses and may hold spaces.
    fields = stat.rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] in ("Z", "X"):
        return None
    return fields[19]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip() or "-"
    except OSError:
        return "-"
