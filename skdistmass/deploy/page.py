"""A web page with a model in it: one HTML file that predicts for the stars of a file, and needs no server."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from importlib import resources
from pathlib import Path
from typing import Any

from skdistmass._version import __version__
from skdistmass.deploy.checks import check_content
from skdistmass.deploy.page_rules import page_rules
from skdistmass.deploy.runtime import OnnxPredictor
from skdistmass.exceptions import DistMassError
from skdistmass.writing import replaced

__all__ = ["write_page"]

_FOLDER = "skdistmass.deploy"


def write_page(folder: str | os.PathLike[str], graph: bytes, *, name: str = "") -> Path:
    """Write a page that predicts distances, masses and ages in a browser.

    The page is one file, ``index.html``, that works on a web server, from a shared folder, or opened from a disk. It
    reads FITS, CSV, ECSV, VOTable and Parquet files by the layouts of `skdistmass.surveys`, and sends nothing anywhere.

    Parameters
    ----------
    folder : path-like
        Where to write it; made if it does not exist.
    graph : bytes
        Content of an ONNX file of this package.
    name : str, optional
        Name of the model; by default that in its card.

    Returns
    -------
    path : pathlib.Path
        The page.

    Raises
    ------
    FileFormatError
        If `graph` is no model of this package.
    DistMassError
        If the page can't be written.

    Examples
    --------
    >>> import tempfile
    >>> from skdistmass.deploy import write_page
    >>> from skdistmass.deploy.pretrained import pretrained_path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_page(folder, pretrained_path("kepler-giants").read_bytes())
    ...     name, text = path.name, path.read_text()
    >>> name, "<title>Distances, masses and ages of stars" in text
    ('index.html', True)
    """
    check_content(graph, name or "the graph")
    model = OnnxPredictor(graph, name=name or "the graph")
    info = {
        "name": name or model.card["name"],
        "sha256": hashlib.sha256(graph).hexdigest(),
        "version": __version__,
        "card": model.card,
    }
    script, style = _built("page.js").decode(), _built("page.css").decode()
    parts = {
        "csp": _policy(script, style),
        "style": style,
        "info": _json(info),
        "rules": _json(page_rules(model.outputs, model.card)),
        "graph": base64.b64encode(graph).decode(),
        "runtime": base64.b64encode(_built("runtime.wasm.gz")).decode(),
        "licences": _built("licences.txt").decode(),
        "script": script,
    }
    # A part may hold braces of its own: the template is cut at its places, not searched again.
    pieces = _built("page.html").decode().split("{{")
    text = pieces[0] + "".join(parts[key] + rest for key, rest in (piece.split("}}", 1) for piece in pieces[1:]))
    path = Path(folder) / "index.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DistMassError(f"{folder} can't be made: {error.strerror or error}.") from error
    with replaced(path, "page") as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
    return path


def _built(name: str) -> bytes:
    """Return a file of those that ``npm run build`` made in the folder web."""
    return resources.files(_FOLDER).joinpath("web", name).read_bytes()


def _policy(script: str, style: str) -> str:
    """Return the Content-Security-Policy: this script and its worker run; nothing is loaded, and nothing is sent."""

    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    rules = {
        "default-src": "'none'",
        "script-src": f"{source(script)} 'wasm-unsafe-eval'",
        "worker-src": "blob:",
        "style-src": source(style),
        "img-src": "data:",
        "connect-src": "'none'",
        "form-action": "'none'",
        "base-uri": "'none'",
    }
    return "; ".join(f"{key} {value}" for key, value in rules.items())


def _json(value: Any) -> str:
    """Return JSON in which nothing ends the element of the page that it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
