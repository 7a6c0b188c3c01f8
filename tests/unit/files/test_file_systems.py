"""Which file systems lock: by what the kernel tells of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from csvkafka.files.file_systems import unlocked_type


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    """As the kernel writes them: `\\040` is a blank."""
    lines = (
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
        r"40 22 0:50 / /data/over\040there rw - nfs4 server:/export rw,vers=4.2",
        "41 22 0:51 / /shared rw - cifs //server/share rw",
        "42 22 0:52 / /remote rw - fuse.sshfs me@host: rw",
        "43 22 0:53 / /windows rw - fuseblk /dev/sdb1 rw",
        "44 22 0:54 / /covered rw - nfs server:/export rw",
        "45 44 0:55 / /covered rw - tmpfs tmpfs rw",
        "46 22 0:56 / /data rw - xfs /dev/sdc1 rw",
    )
    path = tmp_path / "mountinfo"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/over there/checkpoints.sqlite", "nfs4"),
        ("/shared/deep/down/checkpoints.sqlite", "cifs"),
        ("/remote/checkpoints.sqlite", "fuse.sshfs"),
        ("/windows/checkpoints.sqlite", None),
        ("/covered/checkpoints.sqlite", None),
        ("/data/checkpoints.sqlite", None),
        ("/database/checkpoints.sqlite", None),
        ("/sharedness/checkpoints.sqlite", None),
    ],
)
def test_a_file_system_that_machines_share_is_told_by_its_type(
    mounts: Path, path: str, kind: str | None
) -> None:
    assert unlocked_type(Path(path), mounts) == kind


def test_a_link_is_where_it_leads_to(mounts: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/shared")
    assert unlocked_type(tmp_path / "link" / "checkpoints.sqlite", mounts) == "cifs"


def test_where_nothing_tells_locks_are_trusted(tmp_path: Path) -> None:
    assert unlocked_type(Path("/shared/checkpoints.sqlite"), tmp_path / "none") is None


def test_this_machines_own_mounts_can_be_read(tmp_path: Path) -> None:
    assert unlocked_type(tmp_path / "checkpoints.sqlite") is None
