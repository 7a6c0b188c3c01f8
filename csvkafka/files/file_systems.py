"""Which file system a path is on, and whether its locks hold against every other process. Linux
tells; elsewhere nothing is known, and locks are trusted.

Network file systems are recognised by their type; no lock is tried: a lock that is honoured between
two processes of this host says nothing about a third one on another host.
"""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

_UNLOCKED = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "9p", "virtiofs"),
        *("ceph", "lustre", "gpfs", "beegfs", "glusterfs", "ocfs2", "gfs2", "pvfs2", "orangefs"),
        *("vboxsf", "prl_fs", "vmhgfs"),
    )
)
"""Over a network, or shared with another machine's kernel."""

_LOCAL_FUSE = frozenset(("fuseblk", "fuse.fuse-overlayfs", "fuse.ntfs-3g", "fuse.lxcfs"))
"""Disks and containers' layers; every other FUSE may be a network's (sshfs, s3fs, rclone)."""

_OCTAL = re.compile(r"\\([0-7]{3})")


def unlocked_type(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system that `path` is on, if its locks cannot be relied on; None: they
    can, as far as one can know."""
    kind = _type_of(path, mounts)
    if kind in _UNLOCKED or (kind.startswith("fuse") and kind not in _LOCAL_FUSE):
        return kind
    return None


def _type_of(path: Path, mounts: Path) -> str:
    """`ext4`, `nfs4`, `fuse.sshfs`; empty where nothing tells."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    real = path.resolve()
    best, kind = -1, ""
    for line in lines:
        # 36 35 98:0 /root /mount/point options [tags …] - type source options (proc(5))
        before, _, after = line.partition(" - ")
        point = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), before.split()[4]))
        # A later mount hides an earlier one on the same point.
        if real.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind
