"""Checkpoint files that are either whole or not there."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from digits.errors import UserError
from digits.models import read_verified


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, forces it to the disk, then renames; reads with verification and without running code.

    Lightning stages in the temporary folder and moves, which across file systems is a copy that can be torn, and
    forces nothing to the disk. Here a process that dies at any moment leaves the former checkpoint or the new one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write ``checkpoint``; raises UserError, with the former file intact, where the disk refuses."""
        path = Path(path)
        content = io.BytesIO()  # torch writes to files from C++, whose errors do not say what went wrong
        torch.save(checkpoint, content)
        part = path.with_name(f"{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise refusal(path, error) from None

    def load_checkpoint(self, path: str | Path, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """Read a checkpoint; raises UserError where ``read_verified`` does."""
        return read_verified(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a file; Lightning's own would remove whole folders, and on other machines, of which a URL may tell."""
        Path(path).unlink(missing_ok=True)


def refusal(path: Path, error: OSError) -> UserError:
    """What the user is told when the disk refuses to take ``path``."""
    return UserError(
        f"cannot write {path}: {error.strerror}. Training has stopped; the checkpoint before it is intact. "
        "Make room or grant access, then resume with --ckpt_path last"
    )


def _sync_folder(folder: Path) -> None:
    """Force a rename in ``folder`` to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
