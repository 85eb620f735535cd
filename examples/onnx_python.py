"""Predict distances, masses and ages of a CSV of stars with onnxruntime and numpy, without skdistmass.

    python examples/onnx_python.py MODEL.onnx STARS.csv > CATALOG.csv

STARS.csv has a header with TEFF, LOGG, M_H, C_FE, N_FE, MAG and EXTINCTION; an empty field is a missing value. The
model can be any file that `DistMassModel.to_onnx` wrote; those of the package are in ``skdistmass/deploy/models``.
"""

import csv
import sys

import numpy as np
import onnxruntime

ROWS_AT_A_TIME = 8192


def main(model_path, stars_path):
    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    inputs = [value.name for value in session.get_inputs()]
    outputs = [value.name for value in session.get_outputs()]
    dtype = np.float32 if session.get_inputs()[0].type == "tensor(float)" else np.float64
    with open(stars_path, newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {name: np.array([row.get(name) or "nan" for row in rows], dtype=dtype) for name in inputs}
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(outputs)
    for start in range(0, len(rows), ROWS_AT_A_TIME):
        piece = {name: column[start : start + ROWS_AT_A_TIME] for name, column in columns.items()}
        found = session.run(outputs, piece)
        # Flags are whole numbers; the bool says 0 or 1 here.
        found = [values.astype(int) if values.dtype.kind == "b" else values for values in found]
        writer.writerows(zip(*(values.tolist() for values in found), strict=True))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python onnx_python.py MODEL.onnx STARS.csv > CATALOG.csv")
    main(*sys.argv[1:])
