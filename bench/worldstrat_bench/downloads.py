"""Download of one file whose digest is known: the path holds it whole and checked, or nothing.

Releases of the dataset, which are large and fetched in parts, have their own way (``data/fetch``).
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from http.client import HTTPMessage
from pathlib import Path
from typing import IO

_CHUNK = 1 << 20
TIMEOUT_SECONDS = 60.0


class OtherFileError(OSError):
    """The server sent another file than the one that was asked for."""


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no server from https to anything else: a stranger's address must not lead to services of this network."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise urllib.error.HTTPError(newurl, code, "the server leads away from https", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str, place: Path, *, sha256: str, most_bytes: int) -> None:
    """Fetch a file of a known digest.

    Parameters
    ----------
    most_bytes : no more than this is read: a server that never stops must not fill the disk.

    Raises
    ------
    OtherFileError
        if it is longer, or its digest is another.
    OSError
        if the network or the disk fails.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    # By process: two runs may fetch the same file, and the one that ends last must not find it gone.
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    digest, size = hashlib.sha256(), 0
    try:
        opener = urllib.request.build_opener(SafeRedirects)
        with opener.open(url, timeout=TIMEOUT_SECONDS) as source, part.open("wb") as file:
            while size <= most_bytes and (block := source.read(min(_CHUNK, most_bytes + 1 - size))):
                digest.update(block)
                file.write(block)
                size += len(block)
        if size > most_bytes:
            raise OtherFileError(f"{url} is larger than {most_bytes:,} bytes")
        if digest.hexdigest() != sha256:
            raise OtherFileError(f"{url} has sha256 {digest.hexdigest()[:16]}..., not {sha256[:16]}...")
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
