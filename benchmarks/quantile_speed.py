"""CPU time of the shipped graphs, with and without quantiles, and of draws from them.

    python benchmarks/quantile_speed.py [--stars 20480] [--repeats 3]

Mock stars pass through each graph in one thread. The shortest of a few CPU times counts.
"""

import argparse
import time
import warnings

from skdistmass import load_pretrained
from skdistmass.datasets import make_survey
from skdistmass.deploy.pretrained import pretrained_path
from skdistmass.surveys import as_stars


def microseconds(function, n_stars, repeats):
    """Return the shortest CPU time of a function, in microseconds a star."""
    shortest = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        function()
        shortest = min(shortest, time.process_time() - began)
    return 1e6 * shortest / n_stars


def main():
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stars", type=int, default=20_480)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    stars = as_stars(make_survey(arguments.stars, random_state=0))
    some = stars[: arguments.stars // 10]
    for name in ("apogee", "apogee-errors", "apogee-quantiles"):
        model, size = load_pretrained(name, threads=1), pretrained_path(name).stat().st_size
        for method in ("predict", "predict_vectors")[: 1 + (name == "apogee-quantiles")]:
            found = microseconds(lambda: getattr(model, method)(stars), len(stars), arguments.repeats)  # noqa: B023
            print(f"{name:<17} {method:<16} {size / 1e3:4.0f} kB {found:7.1f} us a star", flush=True)
    model = load_pretrained("apogee", threads=1)
    for n_samples in (100, 1000):
        found = microseconds(lambda: model.sample(some, n_samples, random_state=0), len(some), 2)  # noqa: B023
        print(f"{'apogee':<17} {f'sample, {n_samples}':<24} {found:7.1f} us a star", flush=True)


if __name__ == "__main__":
    main()
