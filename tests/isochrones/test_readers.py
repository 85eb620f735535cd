import gzip
import shutil

import numpy as np
import pytest

from skdistmass.exceptions import ColumnError, FileFormatError, InputError
from skdistmass.isochrones import (
    COLUMNS,
    Phase,
    check_isochrone_table,
    isochrone_slices,
    kroupa_number,
    read_giant_ages,
    read_isochrone_table,
    read_mist,
    read_parsec,
)

pytestmark = pytest.mark.slow

MIST = ["MIST_iso_feh-050.iso", "MIST_iso_feh0000.iso", "MIST_iso_feh0050.iso", "MIST_panstarrs.iso.cmd"]
FILES = {
    **dict.fromkeys(MIST, read_mist),
    "0001000M.track.eep": read_mist,
    "cmd39/raw_thin1_twomass.dat": read_parsec,
    "cmd39/metallicity_grid_raw_thick_m1p20_twomass.dat": read_parsec,
    "parsec_v12s.parquet": read_parsec,
    "giant_ages.csv": read_giant_ages,
}


@pytest.fixture
def model_file(real_data):
    return lambda name: real_data(f"isochrones/{name}")


def _check_schema(table):
    assert table.colnames[: len(COLUMNS)] == [column.name for column in COLUMNS]
    for column in COLUMNS:
        assert table[column.name].unit == (column.unit if column.unit is None else table[column.name].unit)
    columns = check_isochrone_table(table)
    assert ((columns["log_teff"] > 3) & (columns["log_teff"] < 5.6)).all()
    return columns


@pytest.mark.parametrize("name", MIST)
def test_mist_isochrones(model_file, name):
    table = read_mist(model_file(name))
    columns = _check_schema(table)
    assert table.meta["source"] == "MIST"
    assert table.meta["version"] == "1.2"
    assert set(np.unique(columns["phase"])) <= {int(phase) for phase in Phase}
    for rows in isochrone_slices(table):
        assert np.ptp(columns["log_age"][rows]) == 0
        mass = columns["initial_mass"][rows]
        assert columns["imf_weight"][rows].sum() == pytest.approx(np.ptp(kroupa_number(mass[[0, -1]])), rel=1e-6)
        # log g = log M + 4 log Teff - log L + const holds whatever the reader did with the columns.
        gravity = np.log10(columns["current_mass"]) + 4 * columns["log_teff"] - columns["log_l"] - 10.607
        np.testing.assert_allclose(columns["logg"][rows], gravity[rows], atol=0.02)


def test_mist_ages_and_metallicities(model_file):
    table = read_mist([model_file(name) for name in MIST[:3]])
    heads = [
        (float(table["feh"][s.start]), float(10 ** table["log_age"][s.start] / 1e9)) for s in isochrone_slices(table)
    ]
    assert [feh for feh, _ in heads] == [-0.5] * 3 + [0.0] * 3 + [0.5] * 3
    np.testing.assert_allclose([age for feh, age in heads if feh == 0.0], [13.3, 13.8, 14.2], rtol=1e-6)
    assert np.isnan(table["ks"]).all()


def test_mist_track(model_file):
    table = read_mist(model_file("0001000M.track.eep"))
    assert table.meta["kind"] == "track"
    assert np.isnan(table["imf_weight"]).all()
    assert set(table["initial_mass"]) == {0.1}
    assert (table["eep"][0], table["eep"][-1]) == (17, 454)
    assert len(isochrone_slices(table)) == 1
    assert (np.diff(table["log_age"]) > 0).all()


def test_log_age_column(model_file, tmp_path):
    lines = model_file(MIST[1]).read_text().splitlines(keepends=True)
    linear = read_mist(model_file(MIST[1]))
    changed = []
    for line in lines:
        if line.startswith("#"):
            changed.append(line.replace("isochrone_age_yr", "log10_isochrone_age_yr"))
        elif line.strip():
            words = line.split()
            words[1] = f"{np.log10(float(words[1])):.16E}"
            changed.append(" ".join(words) + "\n")
    path = tmp_path / "log.iso"
    path.write_text("".join(changed))
    table = read_mist(path)
    np.testing.assert_allclose(table["log_age"], linear["log_age"], atol=1e-8)


def test_every_cmd_file(model_file):
    folder = model_file("cmd39")
    for path in sorted(folder.iterdir()):
        columns = _check_schema(read_parsec(path))
        assert np.isfinite(columns["ks"]).all()
        assert columns["log_l"].min() > -5
    table = read_parsec(folder)
    # Nine of the 51 files are copies.
    assert len(isochrone_slices(table)) == 51 - 10
    assert table.meta["photometric_system"] == "2MASS"
    assert len(table.meta["files"]) == 51


def test_parquet(model_file):
    table = read_parsec(model_file("parsec_v12s.parquet"))
    columns = _check_schema(table)
    assert len(isochrone_slices(table)) == 705
    assert len(np.unique(columns["log_age"])) == 47
    assert len(np.unique(columns["feh"])) == 15
    assert table["ks_extrapolated"].dtype == bool
    for rows in isochrone_slices(table)[::50]:
        phase = columns["phase"][rows]
        late = np.flatnonzero(phase == Phase.CHEB)[0]
        assert (phase[late:] >= Phase.CHEB).all()


def test_giant_ages(model_file):
    table = read_giant_ages(model_file("giant_ages.csv"))
    assert len(table) == 1386
    row = table[(table["feh"] == 0.0) & (table["mass_init"] == 1.0)]
    assert float(row["logt_giant"][0]) == pytest.approx(10.049, abs=1e-3)
    assert np.isnan(table["logt_bgb"]).sum() + np.isnan(table["logt_trgb"]).sum() > 0


@pytest.mark.parametrize("name", FILES)
def test_gzip_gives_the_same(model_file, tmp_path, name):
    if name.endswith((".parquet", ".csv")):
        pytest.skip("compressed inside, or small")
    packed = tmp_path / (model_file(name).name + ".gz")
    with open(model_file(name), "rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
        shutil.copyfileobj(source, target)
    reader = FILES[name]
    one, other = reader(model_file(name)), reader(packed)
    for column in one.colnames:
        np.testing.assert_array_equal(one[column], other[column])
    broken = tmp_path / ("broken_" + packed.name)
    broken.write_bytes(packed.read_bytes()[:-2000])
    with pytest.raises(FileFormatError, match="can't be unpacked"):
        reader(broken)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.5, 0.97])
def test_truncated(model_file, tmp_path, name, part):
    content = model_file(name).read_bytes()
    path = tmp_path / model_file(name).name
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(FileFormatError, match=path.name):
        FILES[name](path)


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".parquet")])
@pytest.mark.parametrize("cut", ["half a number", "a line", "half the lines"])
def test_truncated_at_the_end_of_a_line(model_file, tmp_path, name, cut):
    lines = model_file(name).read_text().splitlines(keepends=True)
    path = tmp_path / model_file(name).name
    if cut == "half a number":
        text = "".join(lines).rstrip("\n")[:-1]
    else:
        text = "".join(lines[: -1 if cut == "a line" else len(lines) // 2])
    path.write_text(text)
    with pytest.raises(FileFormatError, match=path.name):
        FILES[name](path)


@pytest.mark.parametrize("name", FILES)
def test_empty(tmp_path, name):
    path = tmp_path / name.split("/")[-1]
    for content in (b"", b"\n \n"):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="is empty"):
            FILES[name](path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("reader", [read_mist, read_parsec, read_giant_ages])
def test_wrong_reader_is_told_the_right_one(model_file, name, reader):
    if reader is not FILES[name]:
        with pytest.raises(FileFormatError, match=FILES[name].__name__):
            reader(model_file(name))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html>busy</html>", "web page"),
        (b"SIMPLE  =   T" + b" " * 100, "FITS"),
        (b"a b\n1 2\n", "text"),
    ],
)
@pytest.mark.parametrize("reader", [read_mist, read_parsec, read_giant_ages, read_isochrone_table])
def test_foreign(tmp_path, reader, content, words):
    path = tmp_path / "file.dat"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=words):
        reader(path)


def test_any_reader(model_file):
    for name in FILES:
        if FILES[name] is not read_giant_ages:
            assert len(read_isochrone_table(model_file(name))) == len(FILES[name](model_file(name)))
    with pytest.raises(FileFormatError, match="read_giant_ages"):
        read_isochrone_table(model_file("giant_ages.csv"))


def test_damaged_rows_are_named(model_file, tmp_path):
    lines = model_file("cmd39/raw_bar_twomass.dat").read_text().splitlines(keepends=True)
    path = tmp_path / "bar.dat"
    short = [*lines]
    short[100] = " ".join(short[100].split()[:-3]) + "\n"
    path.write_text("".join(short))
    with pytest.raises(FileFormatError, match="line 101 is cut short: 28 values"):
        read_parsec(path)
    words = [*lines]
    words[100] = words[100].replace(words[100].split()[3], "1.0x")
    path.write_text("".join(words))
    with pytest.raises(FileFormatError, match=r"line 101: '1.0x' in column Mini"):
        read_parsec(path)


def test_headers_may_repeat_and_comments_come_anywhere(model_file, tmp_path):
    source = model_file("cmd39/raw_bar_twomass.dat")
    lines = source.read_text().splitlines(keepends=True)
    header = next(line for line in lines if "Mini" in line)
    path = tmp_path / "bar.dat"
    path.write_text("".join([*lines[:50], "# a comment\n", "\n", header, *lines[50:], "#isochrone terminated\n"]))
    np.testing.assert_array_equal(read_parsec(path)["ks"], read_parsec(source)["ks"])
    path.write_text("".join([*lines[:50], header.replace("Ksmag", "Vmag"), *lines[50:]]))
    with pytest.raises(FileFormatError, match="columns change"):
        read_parsec(path)


def test_other_photometry_and_older_names(model_file, tmp_path):
    source = model_file("cmd39/raw_bar_twomass.dat")
    path = tmp_path / "bar.dat"
    text = source.read_text().replace(" MH ", " MHx ").replace("Ksmag", "gmag").replace(" Mini ", " M_ini ")
    path.write_text(text)
    table = read_parsec(path)
    assert np.isnan(table["ks"]).all()
    # [M/H] from Z: the file rounds it.
    np.testing.assert_allclose(table["feh"], read_parsec(source)["feh"], atol=0.02)
    path.write_text(source.read_text().replace("logTe", "logTx"))
    with pytest.raises(FileFormatError):
        read_parsec(path)


def test_phases_cut_on_purpose(model_file, tmp_path):
    lines = model_file("cmd39/raw_bar_twomass.dat").read_text().splitlines(keepends=True)
    path = tmp_path / "bar.dat"
    path.write_text("".join(line for line in lines if line.startswith("#") or float(line.split()[9]) < 4))
    with pytest.raises(FileFormatError, match="allow_partial"):
        read_parsec(path)
    assert set(read_parsec(path, allow_partial=True)["phase"]) <= {-1, 0, 1, 2}


def test_extinction_in_the_magnitudes_is_refused(model_file, tmp_path):
    text = model_file("MIST_panstarrs.iso.cmd").read_text()
    path = tmp_path / "reddened.iso.cmd"
    path.write_text(text.replace("Av =  0.000", "Av =  1.000"))
    assert np.isnan(read_mist(path)["ks"]).all()
    path.write_text(text.replace("Av =  0.000", "Av =  1.000").replace("PS_w", "2MASS_Ks"))
    with pytest.raises(FileFormatError, match="A_V = 1 mag"):
        read_mist(path)
    path.write_text(text.replace("PS_w", "2MASS_Ks"))
    assert np.isfinite(read_mist(path)["ks"]).all()


def test_conflicting_files(model_file, tmp_path):
    source = model_file("cmd39/raw_bar_twomass.dat")
    other = tmp_path / "other.dat"
    other.write_text(source.read_text().replace("8.625", "8.626").replace(" 0.09 ", " 0.091 "))
    with pytest.raises(InputError, match="different models"):
        read_parsec([source, other])
    with pytest.raises(InputError, match="tracks"):
        read_mist([model_file("0001000M.track.eep"), model_file(MIST[0])])


def test_nothing_to_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        read_mist(tmp_path / "absent.iso")
    with pytest.raises(FileFormatError, match="holds no file"):
        read_parsec(tmp_path)
    with pytest.raises(InputError, match="no file was named"):
        read_parsec([])


def test_schema_errors(isochrones):
    table = isochrones.copy()
    table["logg"][5] = np.nan
    with pytest.raises(ColumnError, match=r"logg .* row 5"):
        check_isochrone_table(table)
    table = isochrones.copy()
    table["ks"] = np.nan
    with pytest.raises(ColumnError, match="ks"):
        check_isochrone_table(table, need=("ks",))
    with pytest.raises(InputError, match="no rows"):
        check_isochrone_table(isochrones[:0])
    with pytest.raises(InputError, match="not next to each other"):
        isochrone_slices(isochrones[np.r_[0:10, 200:210, 10:20]])
    table = isochrones.copy()
    table.remove_column("log_l")
    with pytest.raises(ColumnError, match="log_l"):
        check_isochrone_table(table)
