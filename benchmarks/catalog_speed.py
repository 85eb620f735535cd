"""Time and memory to make a catalogue of a survey in allStar's layout, and how both grow with the survey.

By default a tenth of DR17 and all of it (733,901 rows of 4.5 kB) by the model that comes with the package; the last
column compares with the first survey: times the rows, times the CPU time, times the memory. The surveys and the
catalogue are written to a folder, by default a temporary one.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from pathlib import Path

from mock_allstar import write_mock_allstar

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel
from skdistmass.catalog import build_catalog
from skdistmass.datasets import make_survey
from skdistmass.deploy.pretrained import list_pretrained, load_pretrained
from skdistmass.isochrones import IsochroneDistanceRegressor, read_isochrone_table
from skdistmass.model import FORMS, StoredPosterior


def build(model, survey, target, arguments, queue):
    """Make a catalogue and tell seconds of wall and CPU time and gigabytes at the peak."""
    if model in list_pretrained():
        model = load_pretrained(model)
    isochrones = None
    if arguments.isochrones is not None:
        isochrones = IsochroneDistanceRegressor().fit(read_isochrone_table(arguments.isochrones))
    began = time.perf_counter(), time.process_time()
    options = {"n_jobs": arguments.n_jobs, "chunk_rows": arguments.chunk_rows, "isochrones": isochrones}
    if arguments.posterior is not None:
        options["posterior"] = StoredPosterior(arguments.posterior, arguments.posterior_draws)
    build_catalog(model, survey, target, overwrite=True, **options)
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    queue.put((wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6))


def train(path):
    """Train a default model of the mock survey, with one network for each quantity."""
    networks = AbsMagRegressor(n_networks=1), CNMassRegressor(n_networks=1)
    model = DistMassModel(*networks, mass_scales={"CAL": "MASS_CAL"}, random_state=0)
    model.fit(make_survey(5000, random_state=0)).save(path)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[73_390, 733_901])
    parser.add_argument(
        "--model", default="kepler-giants", help="name of a shipped model, file of a trained one, or 'mock' to train"
    )
    parser.add_argument("--isochrones", type=Path, help="isochrone table, for isochrone distances too")
    parser.add_argument("--posterior", choices=FORMS, help="keep posteriors in this form, too")
    parser.add_argument("--posterior-draws", type=int, default=0, help="draws of each star; 0: those of the form")
    parser.add_argument("--folder", type=Path, help="where survey and catalogue are written; the survey is kept")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--chunk-rows", type=int, default=20_000)
    parser.add_argument("--formats", nargs="+", default=["fits"], choices=["fits", "vot", "parquet"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        model = train(folder / "mock.model") if arguments.model == "mock" else arguments.model
        print(f"{'rows':>9} {'format':>8} {'wall s':>7} {'CPU s':>7} {'rows/s':>7} {'peak GB':>8} {'load':>5}  growth")
        first = {}
        for rows in arguments.rows:
            survey = folder / f"allStar-{rows}.fits"
            if not survey.exists():
                write_mock_allstar(survey, rows, random_state=1)
            for form in arguments.formats:
                # A process of its own, as memory is counted from the start of one.
                context = multiprocessing.get_context("spawn")
                queue = context.Queue()
                process = context.Process(target=build, args=(model, survey, folder / f"c.{form}", arguments, queue))
                process.start()
                wall, cpu, gigabytes = queue.get()
                process.join()
                n, c, g = first.setdefault(form, (rows, cpu, gigabytes))
                growth = f"{rows / n:.1f} x rows: {cpu / c:.1f} x CPU, {gigabytes / g:.2f} x memory"
                print(
                    f"{rows:9d} {form:>8} {wall:7.1f} {cpu:7.1f} {rows / wall:7.0f} {gigabytes:8.2f} "
                    f"{os.getloadavg()[0]:5.1f}  {growth}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
