"""Damaged and senseless surveys, by the builder and the command line: one line that says what, or a right catalogue."""

import random
import warnings

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from skdistmass.catalog import build_catalog
from skdistmass.cli import main, support
from skdistmass.datasets import make_survey
from skdistmass.exceptions import ColumnError, DistMassError
from skdistmass.surveys.plausibility import drop_impossible
from skdistmass.surveys.quantities import quantity
from skdistmass.tables import is_sentinel

pytestmark = pytest.mark.slow


def damaged(data, chance, kind):
    data = bytearray(data)
    if kind == "truncated":
        return data[: chance.randrange(len(data))]
    if kind == "flipped":
        for _ in range(chance.randrange(1, 20)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    if kind == "header":
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(min(len(data), 30_000))] = chance.choice(b"0123456789 ='AEJ\x00\xff")
    return data


# A flipped bit may make a value that no star can have; it is read as missing, with a warning.
@pytest.mark.filterwarnings("ignore::skdistmass.exceptions.ImpossibleValueWarning")
@pytest.mark.parametrize("kind", ["truncated", "flipped", "header"])
@pytest.mark.parametrize("ending", ["fits", "vot", "csv", "parquet"])
def test_damaged_surveys_give_an_error_in_one_line_or_a_catalogue(stand_in, tmp_path, kind, ending):
    survey = make_survey(200, random_state=0)
    source = tmp_path / f"survey.{ending}"
    survey.write(source, **({"format": "votable"} if ending == "vot" else {}))
    chance = random.Random(f"{kind} {ending}")
    for _ in range(5):
        (tmp_path / f"damaged.{ending}").write_bytes(damaged(source.read_bytes(), chance, kind))
        said = None
        try:
            report = build_catalog(stand_in, tmp_path / f"damaged.{ending}", tmp_path / "c.fits", overwrite=True)
        except DistMassError as error:
            said = str(error)
        if said is not None:
            assert "\n" not in said
            assert not (tmp_path / "c.fits.part").exists()
        else:
            with fits.open(tmp_path / "c.fits", checksum=True) as hdus:
                assert len(hdus[1].data) == report.n_rows


@pytest.mark.parametrize("column", ["TEFF", "LOGG", "K", "GAIAEDR3_PARALLAX", "WISE_4_5", "APOGEE_ID", "ASPCAPFLAG"])
def test_absent_and_mistyped_columns(model, tmp_path, column):
    survey = make_survey(300, random_state=0)
    without = survey.copy()
    without.remove_column(column)
    without.write(tmp_path / "without.fits")
    if column in ("TEFF", "LOGG"):
        with pytest.raises(ColumnError, match=column):
            build_catalog(model, tmp_path / "without.fits", tmp_path / "c.fits")
    else:
        build_catalog(model, tmp_path / "without.fits", tmp_path / "c.fits")
    if column == "APOGEE_ID":
        return
    survey[column] = ["text"] * len(survey)
    survey.write(tmp_path / "text.fits")
    with pytest.raises(ColumnError, match=column):
        build_catalog(model, tmp_path / "text.fits", tmp_path / "c.fits", overwrite=True)


class Quiet(tuple):
    """A tuple that hypothesis may print."""

    def __repr__(self):
        return "Quiet(...)"


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """A FITS survey of 60 stars, as bytes, and where its table's header and data begin."""
    path = tmp_path_factory.mktemp("intact") / "survey.fits"
    make_survey(60, random_state=0).write(path)
    with fits.open(path) as hdus:
        about = hdus[1].fileinfo()
    return Quiet((path.read_bytes(), about["hdrLoc"], about["datLoc"]))


def as_user(content, folder):
    """Run 'skdistmass catalog' on a file of these bytes; return catalogue and survey, or None after one line."""
    survey, target = folder / "survey.fits", folder / "catalog.fits"
    target.unlink(missing_ok=True)
    survey.write_bytes(content)
    result = CliRunner().invoke(main, ["catalog", str(survey), "-o", str(target), "--overwrite", "--quiet"])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert not (folder / "catalog.fits.part").exists()
    if result.exit_code == 0:
        return fits.getdata(target), survey
    assert result.exit_code == 1
    lines = [line for line in result.output.splitlines() if not line.startswith("Warning: ")]
    assert len(lines) == 1, result.output
    assert lines[0].startswith("Error: ")
    assert not target.exists()
    return None


absurd = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, -1, 59, 61, 2**31, 2**63 - 1, 2**63]),
    st.floats(),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12).map(
        lambda t: "'" + t.replace("'", "") + "'"
    ),
    st.sampled_from(["'1D'", "'E'", "'J'", "'30A'", "'1PE(9)'", "'Q'", "'99999999999D'", "'L'", "'X'", "'M'", "'0A'"]),
    st.sampled_from(["'TEFF'", "'LOGG'", "'K'", "''", "'kpc'", "'BINTABLE'", "T", "F", ""]),
)


@pytest.fixture(scope="module")
def quick_model(stand_in):
    """The command's model replaced by one that takes no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(support, "load_any_model", lambda name: stand_in)
        yield


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS", "TTYPE",
                          "TFORM", "TUNIT", "TNULL"]),
    number=st.integers(1, 200),
    value=absurd,
)  # fmt: skip
@example(name="TFIELDS", number=1, value=2**31)
@example(name="NAXIS2", number=1, value=2**62)
@example(name="NAXIS1", number=1, value=2**63)
@example(name="TFORM", number=5, value="'999999999D'")
@example(name="TTYPE", number=5, value="'LOGG'")
def test_any_card_of_the_header_may_be_absurd(quick_model, intact, tmp_path, name, number, value):
    content, header_at, data_at = intact
    header = bytearray(content[header_at:data_at])
    n_fields = fits.Header.fromstring(bytes(header))["TFIELDS"]
    keyword = f"{name}{1 + number % n_fields}" if name in ("TTYPE", "TFORM", "TUNIT", "TNULL") else name
    card = f"{keyword:<8}= {value!s:>20}"[:80].ljust(80).encode("ascii")
    at = next((i for i in range(0, len(header), 80) if header[i : i + 9] == f"{keyword:<8}=".encode()), None)
    if at is None:  # a column without a unit or a null value gets one, in place of the last column's name
        at = header.index(f"TTYPE{n_fields}".ljust(8).encode())
    header[at : at + 80] = card
    found = as_user(content[:header_at] + bytes(header) + content[data_at:], tmp_path)
    if found is not None:
        check_labels(*found)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), max_size=8))
@example(cut=0.0, flips=[])
@example(cut=1.0, flips=[(0.999, 3)])
@example(cut=1.0, flips=[(0.375, 7)])  # a unit's card that astropy can't parse
def test_cut_and_flipped_bits(quick_model, intact, tmp_path, cut, flips):
    content = bytearray(intact[0][: round(cut * len(intact[0]))])
    for place, bit in flips:
        if content:
            content[int(place * len(content))] ^= 1 << bit
    found = as_user(bytes(content), tmp_path)
    if found is not None:
        check_labels(*found)


def check_labels(catalog, survey):
    """What came out is what astropy, a reader of its own, finds in the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with fits.open(survey) as hdus:
                table = next(hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU))
                values = {name.upper(): np.array(table.data[name]) for name in table.columns.names}
                units = {name.upper(): table.columns[name].unit for name in table.columns.names}
        except (AssertionError, ValueError, fits.VerifyError):  # a name or unit that is no text stops astropy alone
            return
    assert len(catalog) == len(next(iter(values.values())))
    for name, column in (("TEFF", "TEFF"), ("LOGG", "LOGG"), ("MAG", "K")):
        if column not in values or units[column] not in (None, "", "K", "mag"):
            continue
        expected = values[column].astype(float)
        expected[~np.isfinite(expected) | is_sentinel(expected)] = np.nan
        drop_impossible(expected, quantity(column))
        np.testing.assert_array_equal(catalog[name].astype(float), expected, err_msg=name)
