"""Predict distances, masses and ages for a query of DuckDB, and use the predictions in SQL.

    pip install 'duckdb>=1.5' pyarrow onnxruntime
    python examples/onnx_duckdb.py MODEL.onnx STARS.csv

DuckDB gives the columns of a query as Arrow batches. Each batch goes through onnxruntime, and the result is a table
that further SQL can name. Neither skdistmass nor scikit-learn is needed.
"""

import sys

import duckdb
import numpy as np
import onnxruntime
import pyarrow as pa

ROWS_AT_A_TIME = 8192


def predict(relation, model_path):
    """Predictions for a relation with columns TEFF, LOGG, M_H, C_FE, N_FE, MAG and EXTINCTION; NULL is missing.

    Return an Arrow table with all columns of the relation and those of the model, which SQL can name.
    """
    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    outputs = [value.name for value in session.get_outputs()]
    inputs = [value.name for value in session.get_inputs()]
    dtype = np.float32 if session.get_inputs()[0].type == "tensor(float)" else np.float64

    def run(batch):
        feeds = {}
        for name in inputs:
            values = batch.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
            feeds[name] = np.ascontiguousarray(values, dtype=dtype)
        return [pa.array(values) for values in session.run(outputs, feeds)]

    batches = relation.to_arrow_reader(ROWS_AT_A_TIME)
    nothing = run(pa.RecordBatch.from_pylist([], schema=batches.schema))
    schema = pa.schema([*batches.schema, *(pa.field(n, v.type) for n, v in zip(outputs, nothing, strict=True))])
    found = [pa.RecordBatch.from_arrays([*batch.columns, *run(batch)], schema=schema) for batch in batches]
    return pa.Table.from_batches(found, schema=schema)


def main(model_path, stars_path):
    connection = duckdb.connect()
    stars = connection.read_csv(stars_path)
    connection.register("catalog", predict(stars, model_path))
    print(
        connection.sql(
            """
            SELECT DISTANCE_SPACE, count(*) AS stars, round(median(DISTANCE), 3) AS median_kpc
            FROM catalog WHERE NOT isnan(DISTANCE) GROUP BY ALL ORDER BY ALL
            """
        )
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python onnx_duckdb.py MODEL.onnx STARS.csv")
    main(*sys.argv[1:])
