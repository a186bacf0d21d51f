"""Writing small files so that a crash at any moment leaves the old content or the new, never a mixture."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace the file at `path` by `content` through a temporary file beside it. `OSError` as usual.

    A symbolic link stays a link: what it points to is replaced. Missing folders are made.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.chmod(mode)  # until here it is private: mkstemp makes it so
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
