"""Whatever is written into a file: a number comes back as it was, or is missing for a stated reason, or is refused."""

import gzip
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skdistmass.exceptions import DistMassError, ImpossibleValueWarning
from skdistmass.surveys import SurveyFile, as_stars, describe_file, read_survey
from skdistmass.surveys.quantities import QUANTITIES
from skdistmass.tables import is_sentinel

pytestmark = pytest.mark.slow

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = ("TEFF", "LOGG", "M_H", "C_FE", "K", "A_K", "PARALLAX", "GAIAEDR3_DIST", "RA", "EBV")
UNITS = {
    "TEFF": ("K", "kK", "mK", ""),
    "PARALLAX": ("mas", "arcsec", "uas", ""),
    "GAIAEDR3_DIST": ("kpc", "pc", "Mpc", ""),
    "RA": ("deg", "rad", "arcmin", ""),
    "K": ("mag", "mmag", ""),
}


@st.composite
def values_of(draw, name):
    """Possible and impossible values of a quantity, placeholders among them."""
    about = QUANTITIES[name]
    inside = st.floats(max(about.minimum, -400), min(about.maximum, 60000), allow_subnormal=False)
    outside = st.sampled_from([-9999.0, -9999.99, 99.0, 999.0, -99.0, 0.0, 1e30, -1e30, np.nan, np.inf])
    return draw(st.lists(inside | outside, min_size=1, max_size=6))


def _check(stars, name, values, unit=""):
    """Each value is there to rounding, or NaN because it is a placeholder, impossible, or was never there."""
    about = QUANTITIES[name]
    values = np.asarray(values, dtype=float)
    factor = u.Unit(unit).to(about.unit) if unit else 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        expected = values * factor
    placeholder = is_sentinel(values, high=about.high_sentinels) | ~np.isfinite(values)
    with np.errstate(invalid="ignore"):
        impossible = (expected < about.minimum) | (expected > about.maximum)
        impossible |= (expected == 0) & about.zero_is_missing
    kept = ~placeholder & ~impossible
    near = np.isclose(expected, about.minimum, rtol=1e-6) | np.isclose(expected, about.maximum, rtol=1e-6)
    sure = ~near | placeholder
    np.testing.assert_allclose(stars[name][kept & sure], expected[kept & sure], rtol=3e-6, atol=1e-30)
    assert np.isnan(stars[name][~kept & sure]).all()
    assert (stars.impossible.get(name, 0) > 0) == bool((impossible & ~placeholder).any()) or near.any()


def _attempt(read):
    """Return what is read; None if it was refused, which any error of the package is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImpossibleValueWarning)
        try:
            return read()
        except DistMassError:
            return None


@pytest.mark.parametrize("form", ["fits", "parquet", "votable", "ascii.ecsv", "ascii.csv", "memory"])
@FEW
@given(st.data())
def test_numbers_of_any_unit_mask_and_format(form, tmp_path, data):
    name = data.draw(st.sampled_from(NUMBERS))
    values = data.draw(values_of(name))
    unit = data.draw(st.sampled_from(UNITS.get(name, ("",)))) if form != "ascii.csv" else ""
    mask = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    dtype = data.draw(st.sampled_from(["f4", "f8", ">f8"])) if form != "parquet" else "f8"
    with np.errstate(over="ignore"):
        column = MaskedColumn(np.array(values).astype(dtype), mask=mask, unit=unit or None)
    table = Table({"APOGEE_ID": [f"s{i}" for i in range(len(values))]})
    table[name] = column
    path = tmp_path / "a"
    if form != "memory":
        table.write(path, format=form, overwrite=True)
    stars = _attempt((lambda: as_stars(table)) if form == "memory" else lambda: read_survey(path))
    if stars is not None:
        exact = np.where(mask, np.nan, np.ma.getdata(column).astype(float))
        _check(stars, name, exact, unit)
        assert stars["APOGEE_ID"].tolist() == list(table["APOGEE_ID"])


@FEW
@given(
    st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=6),
    st.sampled_from([None, -32768, 0, 99]),
    st.sampled_from([1.0, 0.001, 0.01]),
    st.sampled_from([0.0, 10.0, 32768.0]),
)
def test_scaled_integers_of_fits(tmp_path, raw, null, scale, zero):
    column = fits.Column("K", "I", null=null, array=np.array(raw, dtype="i2"))
    hdu = fits.BinTableHDU.from_columns([column])
    hdu.header["TSCAL1"], hdu.header["TZERO1"] = scale, zero
    hdu.writeto(tmp_path / "a.fits", overwrite=True)
    stars = _attempt(lambda: read_survey(tmp_path / "a.fits"))
    values = np.where(np.array(raw) == null, np.nan, np.array(raw) * scale + zero)
    _check(stars, "K", values)


@FEW
@given(
    st.lists(st.integers(0, 2**63 - 1) | st.none(), min_size=1, max_size=8),
    st.sampled_from(["csv", "parquet", "ecsv", "fits"]),
)
def test_identifiers_are_exact_in_every_format(tmp_path, ids, form):
    path, known = tmp_path / "a", [0 if number is None else number for number in ids]
    if form == "csv":
        path.write_text("source_id,TEFF\n" + "".join(f"{'' if i is None else i},4800\n" for i in ids))
    elif form == "parquet":
        pq.write_table(pa.table({"source_id": pa.array(ids, pa.int64()), "TEFF": [4800.0] * len(ids)}), path)
    else:
        column = MaskedColumn(known, mask=[number is None for number in ids], dtype="i8")
        Table({"source_id": column, "TEFF": [4800.0] * len(ids)}).write(
            path, format="fits" if form == "fits" else "ascii.ecsv", overwrite=True
        )
    read = read_survey(path)["GAIA_SOURCE_ID"].tolist()
    # astropy writes a masked integer of FITS as 999999: it is the file's null, whatever else has that value.
    assert read == [0 if form == "fits" and n == 999999 and None in ids else n for n in known]


@FEW
@given(
    st.lists(
        st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters='"'), max_size=6),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["parquet", "votable", "ascii.csv"]),
)
def test_text_is_what_was_written(tmp_path, texts, form):
    table = Table(
        {"APOGEE_ID": np.array(["x" + text for text in texts], dtype=str), "TEFF": np.full(len(texts), 4800.0)}
    )
    if form == "votable" and any(ord(letter) > 126 for text in texts for letter in text):
        return
    table.write(tmp_path / "a", format=form, overwrite=True)
    assert read_survey(tmp_path / "a")["APOGEE_ID"].tolist() == [("x" + text).strip() for text in texts]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Content of a small survey in each format."""
    folder = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(0)
    table = Table({"APOGEE_ID": [f"star{i:03d}" for i in range(20)], "TEFF": rng.uniform(4000, 5000, 20)})
    table["LOGG"], table["K"] = rng.uniform(1, 4, 20), rng.uniform(8, 12, 20)
    found = {}
    for form in ("fits", "parquet", "votable", "ascii.ecsv", "ascii.csv"):
        table.write(folder / form, format=form)
        found[form] = (folder / form).read_bytes()
    fits.BinTableHDU(table).writeto(folder / "sums", checksum=True)
    found["sums"] = (folder / "sums").read_bytes()
    found["gzip"] = gzip.compress(found["fits"], mtime=0)
    return table, found


@pytest.mark.parametrize("form", ["fits", "parquet", "votable", "ascii.ecsv", "ascii.csv", "gzip", "sums"])
@FEW
@given(st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_is_refused_or_told(form, files, tmp_path, share):
    """No row comes out changed; of tables of text whole rows at the end may be lost, which nothing shows."""
    table, content = files[0], files[1][form]
    (tmp_path / "cut").write_bytes(content[: int(share * len(content))])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            stars = read_survey(tmp_path / "cut")
        except DistMassError:
            return
    n = len(stars)
    assert form.startswith("ascii") or n == len(table)
    if not told:
        np.testing.assert_array_equal(stars["K"], table["K"][:n])
        assert stars["APOGEE_ID"].tolist() == list(table["APOGEE_ID"][:n])


@pytest.mark.parametrize("form", ["gzip", "sums"])
@FEW
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_a_flipped_bit_under_a_checksum_is_never_read(form, files, tmp_path, share, bit):
    table, content = files[0], bytearray(files[1][form])
    content[int(share * len(content))] ^= 1 << bit
    (tmp_path / "x").write_bytes(content)
    try:
        stars = read_survey(tmp_path / "x")
    except DistMassError:
        return
    # What was flipped is in the head of the gzip file or in the empty part of the primary header.
    np.testing.assert_array_equal(stars["K"], table["K"])


@pytest.mark.parametrize("form", ["fits", "parquet", "votable", "ascii.ecsv", "ascii.csv"])
@FEW
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=5))
def test_damage_gives_stars_or_an_error_of_the_package(form, files, tmp_path, changes):
    content = bytearray(files[1][form])
    for share, byte in changes:
        content[int(share * len(content))] = byte
    (tmp_path / "x").write_bytes(content)
    for read in (read_survey, describe_file, lambda path: SurveyFile(path).read(3, 9)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read(tmp_path / "x")
            except DistMassError as error:
                message = str(error)
            else:
                continue
        assert str(tmp_path) in message
        assert "\n" not in message
        assert len(message) < 700
