"""Time and memory of making, writing and reading mock surveys of the size of APOGEE DR17.

Run it as ``python benchmarks/mock_survey.py [ROWS]``; each step runs in a process of its own, so that the peak
of memory is its own too. The wide file (4.6 kB a row) is written to a temporary folder and removed.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

STEPS = {
    "make_survey": "survey = make_survey({rows}, random_state=0)",
    "write_mock_allstar": "write_mock_allstar({path!r}, {rows}, random_state=0)",
    "read_survey, canonical columns": "read_survey({path!r}, columns=())",
    "read_survey, in pieces of 50,000": (
        "for row in range(0, {rows}, 50_000): read_survey({path!r}, columns=(), rows=slice(row, row + 50_000))"
    ),
}
TEMPLATE = """
import resource, time
from mock_allstar import write_mock_allstar
from skdistmass.datasets import make_survey
from skdistmass.surveys import read_survey
start = time.perf_counter()
{step}
seconds = time.perf_counter() - start
print(f"{{seconds:7.1f}} s {{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:6.2f}} GB")
"""


def main():
    """Run the steps and print what they took."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 733_901
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "allStar.fits")
        for name, step in STEPS.items():
            code = TEMPLATE.format(step=step.format(rows=rows, path=path))
            result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
            print(f"{name:34s} {result.stdout.strip()}")
        print(f"wide file: {Path(path).stat().st_size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
