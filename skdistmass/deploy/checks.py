"""The checks of a model's file before anything interprets it: size, version, checksum, operators."""

import hashlib
import os
import re
from pathlib import Path

from skdistmass.deploy.contents import unexpected_content
from skdistmass.deploy.format import (
    CHECKSUM_KEY,
    FORMAT_VERSION,
    FORMAT_VERSION_KEY,
    LARGEST_FILE,
    NO_CHECKSUM,
    OLDER_FORMATS,
)
from skdistmass.exceptions import FileFormatError, shortened

__all__ = ["check_content", "read_model_file"]


def read_model_file(path: str | os.PathLike) -> bytes:
    """Return the content of a model's file."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise FileFormatError(f"{path} can't be read: {error.strerror or error}.") from error
    if len(content) > LARGEST_FILE:
        raise FileFormatError(f"{path} is larger than {LARGEST_FILE // 1024**2} MB, as no model of skdistmass is.")
    check_content(content, path)
    return content


def check_content(content: bytes, path: str | os.PathLike) -> None:
    """Refuse a file that is foreign, of another version, truncated, altered, or holds what no model does."""
    version = _metadata_value(content, FORMAT_VERSION_KEY, rb"\d{1,9}")
    if version is None:
        raise FileFormatError(
            f"{path} is not an ONNX model of skdistmass, or its end is missing; write it with DistMassModel.to_onnx, "
            "or fetch a fresh copy."
        )
    if int(version) != FORMAT_VERSION:
        reason = OLDER_FORMATS.get(int(version))
        remedy = "Write the file again with this release." if reason else "Update skdistmass."
        raise FileFormatError(
            f"{path} has the format version {int(version)}; this release reads version {FORMAT_VERSION}"
            f"{': ' + reason if reason else ''}. {remedy}"
        )
    stated = _metadata_value(content, CHECKSUM_KEY, rb"sha256:[0-9a-f]{64}")
    if stated is None or content.count(stated) != 1:
        raise FileFormatError(f"{path} has no checksum: it was altered. Fetch a fresh copy.")
    found = hashlib.sha256(content.replace(stated, NO_CHECKSUM.encode())).hexdigest()
    if stated != b"sha256:" + found.encode():
        raise FileFormatError(
            f"{path} is truncated or was altered: its checksum is not the one written in it. Fetch a fresh copy."
        )
    unexpected = unexpected_content(content)
    if unexpected is not None:
        raise FileFormatError(
            f"{path} contains {shortened(unexpected)}, which no model of skdistmass does. Use a file that "
            "DistMassModel.to_onnx wrote."
        )


def _metadata_value(content: bytes, key: str, pattern: bytes) -> bytes | None:
    """Value of a metadata entry, from the bytes of the file: key, then tag and length of the value, then the value."""
    found = re.search(re.escape(key.encode()) + rb"\x12[\x00-\x7f](" + pattern + rb")", content, re.DOTALL)
    return found[1] if found else None
