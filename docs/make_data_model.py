"""The data-model page of the documentation, made from the schema."""

from pathlib import Path

from skdistmass.catalog.writers.fits import record_type
from skdistmass.extinction import RJCE_IRAC, RJCE_WISE, SFD
from skdistmass.model import FORMS, STORED_LEVELS
from skdistmass.schema.bits import Bit, QualityBit
from skdistmass.schema.columns import EXTRA_COLUMNS, POSTERIOR_COLUMNS, TABLE_2, layout, posterior_layout

__all__ = ["data_model_page"]

_INTRODUCTION = """\
# The catalogue: data model

This page is made from the schema, `skdistmass.schema.columns` and `skdistmass.schema.bits`, which the writers use as
well: `python docs/make_data_model.py`.

`skdistmass catalog SURVEY -o CATALOG`, or `skdistmass.catalog.build_catalog`, writes one row for each spectrum of the
survey, in its order. A star with several spectra has several rows with the same `APOGEE_ID`; the header counts them
(`NSTARS`, `NREPEAT`, and `NDUPSPEC` for a spectrum that is there twice).

- **Formats**, by the ending: FITS (`.fits`), VOTable (`.vot`), Parquet (`.parquet`). FITS has `TUNIT`, `TUCD`, `TCOMM`,
  `CHECKSUM` and `DATASUM`. The FITS standard has no unit dex: columns of that unit have no `TUNIT` there, and say so in
  their description.
- **Missing values** are NaN, blank text, or null (`TNULL`, -1) for integers that can't be known.
- **A star** `*` in a name stands for the name of a mass scale the model was trained on: `MASS_COR_MO` is the mass on
  the scale `COR_MO`, `MASS` that of a scale without a name. `MASS_ERR`, `AGE_ERR`, `AGE_FLAG` and `MASS_SPACE` are
  those of the first scale, which is the one without a name if there is one; every other scale has `MASS_*_ERR`,
  `AGE_*_ERR` and `AGE_*_FLAG`, too.
- **Intervals**: `_LO` and `_HI` are the ends of 68.27 %, `_LO95` and `_HI95` those of 95.45 %. The tails of the errors
  are heavier than a normal law's, so twice the first interval holds less than the second.
- **Ages at the end of the relation**: an end of an interval whose mass is outside the relation of mass and age is the
  age at the relation's end, and `AGE_FLAG` says so (64, 128). `AGE_ERR` is that of the whole interval.
- **Header**: `SKDMVERS` (version), `MODEL`, `MODELSHA`, `MODELVER`, `INFILE`, `INSIZE`, `INSHA256` (SHA-256 of the
  survey file), `COMMAND`, `CHUNKROW`, the laws of extinction (`AKIRAC`, `AKWISE`, `AKDUST`, `AKBLIM`, `AKMAP`,
  `AKNEG`, `AKCOLOUR`, `AKASSUME`), `PLXZERO`, `ISOCHR`, `ISOMODEL`, the [calibration](label_calibration.md) of the
  labels if there is one (`CALIB`, `CALIBSHA`, `CALFROM`, `CALTO`), the posteriors if there are any (`POSTFORM`,
  `POSTDRAW`, `POSTSEED`, `POSTSCAL`, `POSTPLX`, `POSTAGE`, `POSTISO`, `POSTALPH`, `POSTLOSS`, `POSTSTAT`, `POSTLEV`);
  the names of all bits (`BITMnn`, `FLAGnn`).
  There is no date: the same input gives the same bytes.
- **Interrupted** work (Ctrl-C, SIGTERM, a kill, a full disk) is kept as `CATALOG.part` with a journal
  `CATALOG.part.json`; `--resume` continues it, with the same result. It refuses if the survey, the model or the
  settings are others than at the start. (The survey's checksum is taken beside the first predictions, which takes
  seconds for gigabytes; work stopped before it is known starts again.) An output is never an input, and while one
  process builds a file, another that would build it is refused, by whatever name; this holds for all commands.
- **Finished** already: `--resume` leaves a catalogue of the same survey, model, settings and release as it is, says
  so, and ends with exit code 0, so that a queue may start a job again. It compares the header and the first
  `CHUNKROW` rows. Another catalogue of that name is refused.
- Predictions for a row don't depend on the others. Between different numbers of rows at a time (`CHUNKROW`) those of an
  ONNX model agree to the last bit, those of a file of `skdistmass train` to rounding (about 1e-15).
- On a cluster, on HATS catalogues and in data frames: [distributed.md](distributed.md).

## Time and memory

`python benchmarks/catalog_speed.py --formats fits vot parquet` (mock allStar files of 233 columns, 4.5 kB a row, with
vector columns; the shipped model, two processors, `--jobs 2`). Others used the machine at the same time, so that CPU
time says more than wall time. An earlier version of the code took these times; those of a catalogue by a trained
model, with nothing else running, are in the [guide](guide/allstar.md#train):

| rows | format | wall s | CPU s | peak memory | load |
|---|---|---|---|---|---|
| 73,390 | FITS | 6 | 4 | 0.61 GB | 2.9 |
| 733,901 | FITS | 48 | 36 | 0.70 GB | 3.9 |
| 733,901 | VOTable | 105 | 46 | 1.00 GB | 5.4 |
| 733,901 | Parquet | 70 | 45 | 0.75 GB | 4.5 |
| 2,935,604 (`--rows 2935604`) | FITS | 287 | 140 | 0.87 GB | 4.7 |
| 733,901, isochrone distances too (`--isochrones parsec_v12s.parquet`) | FITS | 45 | 42 | 1.45 GB | 4.0 |

Ten times the rows take 9.6 times the CPU time. Memory is that of the rows being worked on, which the allocator
stretches a little in the first minute, and 24 bytes a row to count stars and spectra at the end; rows at a time
(`--chunk-rows`) and threads (`--jobs`) set it. With one thread (`--n-jobs 1` of the benchmark) 733,901 rows took 30 s.
"""


_POSTERIORS = """\
`skdistmass catalog SURVEY -o CATALOG --posterior quantiles`, or `build_catalog(..., posterior="quantiles")`, adds the
joint posterior of each star ([posteriors.md](posteriors.md) says what it is). A star `*` in these names stands for
`ABS_MAG`, `DISTANCE`, `MASS`, `AGE` (log10 yr) and, of draws, `M_H`. There are three forms:

| form | columns | bytes a star | 733,901 stars |
|---|---|---|---|
| `quantiles` | vectors of 13 quantiles of the four quantities | {quantiles} | {quantiles_mb} MB |
| `summary` | mode, median, mean, four percentiles of the four quantities | {summary} | {summary_mb} MB |
| `draws` | vectors of 100 draws of the five quantities | {draws} | {draws_mb} MB |

What the limit of age did, and the correlation of mass and distance, are columns of their own. The sizes are those of
the columns in FITS: 4 bytes a number (single precision), 1 for a truth value; `python
docs/make_data_model.py` works them out from the schema. The other columns take {rest} bytes with one mass scale.

Vectors are vector columns in FITS (`TFORM` 13E), arrays in VOTable (`arraysize`), lists of floats in Parquet.
`skdistmass.model.stored_law(catalog["POST_DISTANCE_QUANTILES"])` makes distributions of them, with `pdf`, `cdf`, `ppf`,
`rvs` and so on. `--posterior-draws` sets the draws of each star, `--posterior-scale` the mass scale,
`--posterior-parallax` lets the parallax count, `--posterior-seed` gives other draws; with `--isochrones`, dwarfs and
subgiants have masses and ages, too. In Python, `StoredPosterior` takes alpha elements and mass loss (`physics`) as
well. The header names all of it.

A star's draws come from the seed and its identifier (the first that it has of Gaia's source_id, APOGEE_ID and so on;
without one from its labels). They do not depend on the rows it comes with, so that chunks, threads and a resumed
catalogue give the same bytes. Two spectra of a star are drawn with the same random numbers."""


def _sizes():
    """Bytes of a star in each form, and of all other columns."""
    vectors = {"quantiles": len(STORED_LEVELS), "summary": 0, "draws": FORMS["draws"]}
    quantities = ["ABS_MAG", "DISTANCE", "MASS", "AGE"]
    found = {"rest": record_type(layout([""])).itemsize}
    for form, length in vectors.items():
        facts = [*(["MASS_DISTANCE_CORR"] * (form != "draws")), "AGE_CUT", "AGE_BY_PRIOR"]
        columns = posterior_layout(form, quantities + ["M_H"] * (form == "draws"), length, facts)
        found[form] = record_type(columns).itemsize
        found[f"{form}_mb"] = f"{found[form] * 733_901 / 1e6:,.0f}"
    return found


def _table(columns):
    lines = ["| column | unit | description | formula | inputs | source | UCD | type |", "|" + "---|" * 8]
    for column in columns:
        unit = "of `*`" if column.form and "*" in column.name else column.unit or ""
        cells = (f"`{column.name}`", unit, column.description, column.formula, column.inputs)
        cells += (column.source, f"`{column.ucd}`", column.dtype)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _bits(bits):
    lines = ["| value | name | meaning |", "|---|---|---|"]
    lines += [f"| {int(bit)} | `{bit.name}` | {bit.description} |" for bit in bits]
    return "\n".join(lines)


def data_model_page():
    """Return the data-model page in Markdown: every column and bit, with formula, inputs and source.

    Returns
    -------
    page : str
    """
    laws = "\n".join(
        f"- `{law.name}`: A_K = {law.coefficient:g} (x - {law.intrinsic_colour:g}), x = {x}. {law.reference}."
        for law, x in ((RJCE_IRAC, "H - IRAC_4_5"), (RJCE_WISE, "H - WISE_4_5"), (SFD, "E(B-V)"))
    )
    sections = (
        _INTRODUCTION,
        "## Table 2 of the paper",
        _table(TABLE_2),
        "## Beyond Table 2",
        _table(EXTRA_COLUMNS),
        "## Posteriors",
        _POSTERIORS.format(**_sizes()),
        _table(POSTERIOR_COLUMNS),
        "## BITMASK (Table 3 of the paper)",
        _bits(Bit),
        "## FLAGS",
        "For each product WARN says to be careful and BAD to leave it: `FLAGS & QualityBit.DISTANCE_BAD == 0` selects "
        "distances to be used.",
        _bits(QualityBit),
        "## Laws of extinction",
        laws,
        "- `COLOUR`: A_K from J - K, J - H or H - K and the star's labels, for stars that have nothing of this "
        "([extinction.md](extinction.md)).",
    )
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("catalog.md").write_text(data_model_page(), encoding="utf-8")
