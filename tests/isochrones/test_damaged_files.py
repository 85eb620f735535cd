"""Files of models that are damaged, much too large, or say in their header what makes them useless."""

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mock_isochrones import giant_ages, mist_isochrones, mist_track, parsec_parquet, parsec_table

from skdistmass.exceptions import DistMassError, FileFormatError
from skdistmass.isochrones import read_giant_ages, read_isochrone_table, read_mist, read_parsec
from skdistmass.isochrones.readers import files

FILES = {
    "mist.iso": (mist_isochrones(), read_mist),
    "mist.track.eep": (mist_track(), read_mist),
    "parsec.dat": (parsec_table(), read_parsec),
    "parsec.parquet": (parsec_parquet(), read_parsec),
    "ages.csv": (giant_ages(), read_giant_ages),
}


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_read(tmp_path, name):
    content, reader = FILES[name]
    (tmp_path / name).write_bytes(content)
    table = reader(tmp_path / name)
    assert len(table) == {"mist.track.eep": 3, "parsec.parquet": 8, "parsec.dat": 8}.get(name, 6)


def test_headers_of_newer_versions_are_kept(tmp_path):
    (tmp_path / "x.iso").write_bytes(mist_isochrones())
    table = read_mist(tmp_path / "x.iso")
    assert (table.meta["version"], table.meta["alpha_fe"], table.meta["v_vcrit"]) == ("2.5", 0.2, 0.4)
    np.testing.assert_allclose(table["ks"], [-1, -2, -3, -1, -2, -3])
    (tmp_path / "x.dat").write_bytes(parsec_table())
    table = read_parsec(tmp_path / "x.dat")
    assert table.meta["version"] == "v2.0 CMD 3.8"
    np.testing.assert_allclose(table["feh"], 0.1)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_read_or_refused_by_the_package(tmp_path, name, data):
    content, reader = FILES[name]
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        kind = data.draw(st.sampled_from(["byte", "digit", "cut", "insert", "remove"]))
        if kind == "byte":
            damaged[at] = data.draw(st.integers(0, 255))
        elif kind == "digit":
            damaged[at] = data.draw(st.sampled_from(list(b"0123456789.-+eEn, \n#")))
        elif kind == "cut":
            damaged = damaged[: at + 1]
        elif kind == "insert":
            damaged[at:at] = data.draw(st.binary(max_size=5))
        elif len(damaged) > 5:
            del damaged[at : at + 4]
    path = tmp_path / name
    path.write_bytes(damaged)
    for read in (reader, read_isochrone_table):
        message = ""
        try:
            table = read(path)
        except DistMassError as error:
            message = str(error)
        assert str(path) in message if message else len(table) > 0


@pytest.mark.parametrize(
    "line",
    [
        "# Attention: photometry includes extinction of Av=3.0, with coefficients derived for the Sun\n",
        "# extinction_av=0.5 photometric_system=twomass\n",
        "# Photometric system: 2MASS, reddened by A_V = 1e-1\n",
        "# E(B-V)=0.12 applied\n",
        "# A(V): 2\n",
    ],
)
def test_parsec_magnitudes_with_extinction_are_refused(tmp_path, line):
    path = tmp_path / "x.dat"
    path.write_bytes(parsec_table(line))
    with pytest.raises(FileFormatError, match="include extinction"):
        read_parsec(path)


@pytest.mark.parametrize("line", ["# photometry with Av=0.000\n", "# A_V = 0\n", "# wav=2 grid\n", ""])
def test_parsec_magnitudes_without_extinction_are_taken(tmp_path, line):
    path = tmp_path / "x.dat"
    path.write_bytes(parsec_table(line))
    assert np.isfinite(read_parsec(path)["ks"]).all()


def test_magnitudes_of_another_system_with_the_same_name_are_not_taken(tmp_path):
    path = tmp_path / "x.dat"
    path.write_bytes(parsec_table("# Photometric system: VISTA ZYJHKs (Vegamag)\n# Av=1\n"))
    table = read_parsec(path)
    assert np.isnan(table["ks"]).all()
    assert table.meta["photometric_system"] == "VISTA ZYJHKs (Vegamag)"


@pytest.mark.parametrize("name", ["mist.iso", "parsec.dat", "ages.csv"])
def test_files_that_unpack_to_too_much_are_refused(tmp_path, name, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 10**6)
    content, reader = FILES[name]
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(content + b"# blank\n" * 10**6))
    assert path.stat().st_size < 10**5
    with pytest.raises(FileFormatError, match="more than 0 MB when unpacked"):
        reader(path)


def test_parquet_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    from skdistmass.isochrones.readers import parsec

    path = tmp_path / "x.parquet"
    path.write_bytes(parsec_parquet(10**5))
    assert len(read_parsec(path)) == 10**5
    monkeypatch.setattr(parsec, "MOST_BYTES", 10**5)
    with pytest.raises(FileFormatError, match="when unpacked"):
        read_parsec(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b" 1.0100 ", b" -1.010 ", r"line 6: initial_mass is -1.01, but stars have"),
        (b"0.9900", b"1e9999", r"line 5: current_mass is inf"),
        (b"3.7000", b"37.000", r"line 5: log_teff is 37"),
    ],
)
def test_impossible_values_are_named(tmp_path, old, new, message):
    path = tmp_path / "x.dat"
    path.write_bytes(parsec_table().replace(old, new, 1))
    with pytest.raises(FileFormatError, match=message):
        read_parsec(path)
