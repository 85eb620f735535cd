"""Time and memory to make a catalogue of a survey in allStar's layout: rate, seconds, peak memory, per format.

Run ``python benchmarks/catalog_speed.py --rows 50000`` for a quick look, ``--rows 733901`` for the size of DR17. The
survey (4 kB a row) and the catalogue are written to a folder, by default a temporary one.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel
from skdistmass.catalog import build_catalog
from skdistmass.datasets import make_survey, write_mock_allstar


def build(model, survey, target, n_jobs, chunk_rows, queue):
    began = time.perf_counter()
    build_catalog(model, survey, target, n_jobs=n_jobs, chunk_rows=chunk_rows, overwrite=True)
    seconds = time.perf_counter() - began
    queue.put((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000])
    parser.add_argument("--model", type=Path, help="file of a trained model; by default a default one is trained")
    parser.add_argument("--folder", type=Path, help="where survey and catalogue are written; the survey is kept")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--chunk-rows", type=int, default=50_000)
    parser.add_argument("--formats", nargs="+", default=["fits"], choices=["fits", "vot", "parquet"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        model = arguments.model
        if model is None:
            model = folder / "model.skdm"
            networks = AbsMagRegressor(n_networks=1), CNMassRegressor(n_networks=1)
            DistMassModel(*networks, mass_scales={"CAL": "MASS_CAL"}, random_state=0).fit(
                make_survey(5000, random_state=0)
            ).save(model)
        print(f"{'rows':>9} {'format':>8} {'seconds':>8} {'rows/s':>8} {'peak GB':>8}")
        for rows in arguments.rows:
            survey = folder / f"allStar-{rows}.fits"
            if not survey.exists():
                write_mock_allstar(survey, rows, random_state=1)
            for form in arguments.formats:
                # A process of its own, as memory is counted from the start of one.
                context = multiprocessing.get_context("spawn")
                queue = context.Queue()
                task = (model, survey, folder / f"catalog.{form}", arguments.n_jobs, arguments.chunk_rows, queue)
                process = context.Process(target=build, args=task)
                process.start()
                seconds, gigabytes = queue.get()
                process.join()
                print(f"{rows:9d} {form:>8} {seconds:8.1f} {rows / seconds:8.0f} {gigabytes:8.2f}", flush=True)


if __name__ == "__main__":
    main()
