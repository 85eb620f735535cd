"""The command that writes a web page with a model in it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from skdistmass.cli import options
from skdistmass.cli.outputs import claim_output
from skdistmass.cli.support import export_graph
from skdistmass.cli.terminal import say

__all__ = ["page"]


@click.command()
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write index.html into.")
@options.model
@options.overwrite
def page(output, model, overwrite):
    """Write a web page that predicts with a model in the browser: one file, without a server.

    A FITS, CSV, ECSV, VOTable or Parquet file is dropped on it; the results are seen as a table and diagrams, and saved
    as a catalogue. Nothing leaves the browser. The page works on a web server, in a shared folder, or opened from disk.
    A MODEL of 'skdistmass train' needs the extra "onnx".
    """
    from skdistmass.deploy import write_page
    from skdistmass.model import find_model

    if output.is_dir():
        claim_output(output / "index.html", overwrite, "page")
    path = find_model(model)
    name = Path(model).stem
    if path.suffix == ".onnx":
        written = write_page(output, path.read_bytes(), name=name)
    else:
        with TemporaryDirectory() as folder:
            graph = Path(folder) / "model.onnx"
            export_graph(path, graph)
            written = write_page(output, graph.read_bytes(), name=name)
    say(f"wrote {written}")
