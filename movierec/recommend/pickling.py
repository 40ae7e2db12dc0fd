"""Models as bytes: `pickle`, `copy.deepcopy` and processes that are spawned take a model along as its saved folder."""

import io
import tempfile
import zipfile
from pathlib import Path


def packed(model) -> bytes:
    """Return the folder that `model.save` writes, as the bytes of a zip archive."""
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(content, "w") as archive:
        model.save(folder)
        for path in sorted(Path(folder).rglob("*")):
            archive.write(path, path.relative_to(folder))
    return content.getvalue()


def unpacked(content: bytes):
    """Return the model of `packed` bytes, with the same predictions and lists."""
    from movierec.recommend.ensemble import load_model

    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
        return load_model(folder)
