"""Survey files of any known layout, read to one set of columns."""

import os
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.table import Column, MaskedColumn

from skdistmass.exceptions import ColumnError, InputError
from skdistmass.labels import LABELS
from skdistmass.surveys.files import open_table, parse_unit
from skdistmass.surveys.stars import Stars
from skdistmass.tables import as_floats, as_integers, column_names, find_column

__all__ = ["as_stars", "read_survey"]


@dataclass(frozen=True)
class _Source:
    """A column that may give a quantity.

    `errors` are names its error may have, `unit` what it is in if the file says nothing, `called` what is
    recorded of the stars it is used for: that text, or the value of the first of the columns `called_by` that
    exists, or else the column's name.
    """

    column: str
    errors: tuple[str, ...] = ()
    unit: str | None = None
    called: str = ""
    called_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Quantity:
    """A canonical column that is filled star by star: the first source with a value is taken."""

    name: str
    unit: str
    sources: tuple[_Source, ...]
    error: str = ""
    high_sentinels: bool = False


# Names of the allStar files of DR16 and DR17 (DR14 and DR15 hold nothing of Gaia), of the shared tables, and
# of the catalogues of this package. Parallaxes and distances of 99 are possible: no high sentinels there.
_QUANTITIES = (
    _Quantity(
        "A_K",
        "mag",
        (
            _Source("A_K", called_by=("A_K_SRC",)),
            _Source("AK_TARG", called_by=("AK_TARG_METHOD",)),
            _Source("AK_WISE"),
        ),
        high_sentinels=True,
    ),
    _Quantity("EBV", "mag", (_Source("EBV"), _Source("SFD_EBV")), high_sentinels=True),
    _Quantity(
        "PARALLAX",
        "mas",
        (
            _Source("GAIAEDR3_PARALLAX", ("GAIAEDR3_PARALLAX_ERROR",), called="Gaia EDR3"),
            _Source("PARALLAX", ("PARALLAX_ERR", "PARALLAX_ERROR"), called_by=("PARALLAX_SRC", "PLX_SRC")),
            _Source("GAIADR2_PARALLAX", ("GAIADR2_PARALLAX_ERROR",), called="Gaia DR2"),
            _Source("GAIA_PARALLAX", ("GAIA_PARALLAX_ERROR",), called="Gaia DR2"),
            _Source("HIP_PARALLAX", ("HIP_PARALLAX_ERROR",), called="Hipparcos"),
        ),
        error="PARALLAX_ERR",
    ),
    _Quantity(
        "GAIAEDR3_DIST",
        "kpc",
        (
            _Source("GAIAEDR3_DIST", called_by=("GAIAEDR3_DIST_SRC",)),
            _Source("GAIAEDR3_R_MED_PHOTOGEO", unit="pc"),
            _Source("R_PHOTOGEO_PC", unit="pc"),
            _Source("GAIAEDR3_R_MED_GEO", unit="pc"),
            _Source("GAIA_R_EST", unit="pc"),
        ),
    ),
)
# Canonical column: other names, unit, whether positive placeholders (99 ...) mean missing.
_PLAIN = {
    "RA": (("RAJ2000", "RA_ICRS"), "deg", False),
    "DEC": (("DEJ2000", "DE_ICRS"), "deg", False),
    "GLON": ((), "deg", False),
    "GLAT": ((), "deg", False),
    **{label.name: (label.aliases, label.unit, True) for label in LABELS},
    **{band: ((band + "MAG",), "mag", True) for band in "JH"},
    "K": (("KS", "KMAG", "KSMAG"), "mag", True),
    **{band + "_ERR": (("E_" + band + "MAG",), "mag", True) for band in "JHK"},
}
_TEXTS = {"APOGEE_ID": (), "CLUSTER": ("MEMBER",)}
_FLAGS = ("STARFLAG", "ASPCAPFLAG")
_ORDER = ("APOGEE_ID", "RA", "DEC", "GLON", "GLAT")
# Further columns of allStar files where 99 means missing.
_OTHER_MAGNITUDES = ("WASH_M", "WASH_T2", "DDO51", "IRAC_3_6", "IRAC_4_5", "IRAC_5_8", "IRAC_8_0")
_OTHER_MAGNITUDES += ("WISE_4_5", "TARG_4_5", "AK_TARG", "AK_WISE", "SFD_EBV")
_KNOWN = {name.upper() for name, spec in _PLAIN.items() for name in (name, *spec[0])}
_KNOWN |= {source.column for quantity in _QUANTITIES for source in quantity.sources}

# All columns of a file that may be looked at.
_CONSULTED = _KNOWN | {*_TEXTS, *_FLAGS, "MEMBER"} | {name + "_ERR" for name in _KNOWN}
_CONSULTED |= {n for q in _QUANTITIES for source in q.sources for n in (*source.errors, *source.called_by)}


def read_survey(path, *, columns=(), rows=None, hdu=None):
    """Read a table of stars and give its columns canonical names, units and missing values.

    Knows the layouts of APOGEE's allStar files of DR14 to DR17, of the shared real tables, of `make_survey`,
    and of the catalogues of this package; any other table with columns of these names is read as well. Names
    are matched without regard to letter case.

    Parameters
    ----------
    path : str or path-like
        FITS, VOTable, Parquet, ECSV or CSV file, told apart by content.
    columns : sequence of str, optional
        Further columns of the file to keep, besides the canonical ones. By default all, vector columns
        included, which for a whole allStar file takes gigabytes; ``columns=()`` reads the canonical columns
        only.
    rows : slice, optional
        Rows to read, such as ``slice(0, 50_000)``; by default all. Of an uncompressed FITS file the others are
        left alone, so that a large one can be worked through piece by piece.
    hdu : int or str, optional
        FITS extension to read; by default the table with most known columns.

    Returns
    -------
    survey : astropy.table.Table
        Canonical columns, those the file can give, then the others under their own names.

        - APOGEE_ID, CLUSTER : str, stripped, empty if missing.
        - RA, DEC, GLON, GLAT : deg.
        - TEFF [K], LOGG [dex(cm s-2)], M_H, C_FE, N_FE [dex] and their errors, TEFF_ERR and so on. If the
          file has no M_H, FE_H stands in for it, and FE_H_ERR for its error.
        - J, H, K and J_ERR, H_ERR, K_ERR : mag.
        - A_K [mag]: per star A_K, else AK_TARG, else AK_WISE. A_K_SRC says where it is from: the text of the
          file's own A_K_SRC or AK_TARG_METHOD, or else the column's name.
        - EBV [mag]: EBV, else SFD_EBV; EBV_SRC.
        - PARALLAX, PARALLAX_ERR [mas]: per star Gaia EDR3 (GAIAEDR3_PARALLAX), else the file's PARALLAX, else
          Gaia DR2 (GAIADR2_PARALLAX or, in DR16's allStar, GAIA_PARALLAX), else Hipparcos (HIP_PARALLAX).
          PARALLAX_SRC is "Gaia EDR3", "Gaia DR2", "Hipparcos", or the text of the file's own PARALLAX_SRC or
          PLX_SRC. A value is never taken from one source and its error from another.
        - GAIAEDR3_DIST [kpc]: GAIAEDR3_DIST, else the photogeometric, else the geometric median of
          Bailer-Jones et al. (2021), else that of Bailer-Jones et al. (2018) from Gaia DR2 (GAIA_R_EST);
          GAIAEDR3_DIST_SRC. It is not derived from a parallax.
        - STARFLAG, ASPCAPFLAG : int64, 0 if missing.

        All floats are in native byte order, NaN where the value is missing: survey placeholders (-9999.99,
        -999999, 99 magnitudes ...), infinities, nulls. Integers stay integers (masked, if the file says some
        are null); text is str. ``meta["SKDM_COLUMNS"]`` maps each canonical column to the list of columns it
        was read from, ``meta["SKDM_FILE"]`` and ``meta["SKDM_TABLE"]`` name the file and the table in it.

    Raises
    ------
    FileFormatError
        If the file is absent, a folder, empty, truncated, damaged, of another kind, or has no table of stars.
    ColumnError
        If a column is doubled, ambiguous, of the wrong type, or named in `columns` but absent.
    UnitError
        If the unit of a column can't be converted.

    See Also
    --------
    make_survey : A mock survey.
    skdistmass.labels.read_labels : The five labels of a table as an array.

    Notes
    -----
    Units the file states are converted; a column whose unit is absent or unknown to astropy is taken to be in
    the canonical one (distances of Bailer-Jones: pc). Compressed files (gzip, bzip2, xz) are read too, except
    Parquet.

    References
    ----------
    SDSS data models of allStar; Holtzman et al. (2018), AJ 156, 125 (DR14); Jonsson et al. (2020), AJ 160,
    120 (DR16); Abdurro'uf et al. (2022), ApJS 259, 35 (DR17).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skdistmass.surveys import read_survey
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "stars.csv"
    ...     _ = path.write_text("apogee_id,teff,fe_h,k\\nA,4800,-0.1,9.1\\nB,-9999.99,0.2,99.0\\n")
    ...     stars = read_survey(path)
    >>> stars["TEFF"], stars["K"]
    (array([4800., nan]), array([9.1, nan]))
    >>> stars.origin["M_H"], stars.metallicity
    (('fe_h',), 'FE_H')
    """
    if isinstance(columns, str):
        raise InputError(f"columns is the text {columns!r}; give a list of names.")
    rows = slice(None) if rows is None else rows
    if not isinstance(rows, slice) or rows.step not in (None, 1):
        raise InputError(f"rows is {rows!r}; give a slice with a step of 1.")
    with open_table(path, hdu=hdu, rows=rows, count_known=_count_known) as file:
        if _count_known(file.names) == 0:
            raise ColumnError(
                f"no column is one of a survey (TEFF, LOGG, M_H, K ...); there are: {_shown(file.names)}."
            )
        others = [find_column(_names(file), name) for name in columns]
        file.load([name for name in file.names if name.upper() in _CONSULTED or name in others or _is_extra(name)])
        return _stars_of(file, others, str(path))


class _InMemory:
    """A table in memory, with the face of an opened file."""

    where = "table"

    def __init__(self, table):
        self.names = [str(name) for name in column_names(table)]
        self._table = table
        lengths = {len(table[name]) for name in self.names}
        if len(lengths) > 1:
            raise InputError("the columns of the table differ in length.")
        self.n_rows = lengths.pop() if lengths else 0

    def column(self, name):
        column = self._table[name]
        if isinstance(column, Column):
            return column
        unit, mask = getattr(column, "unit", None), getattr(column, "mask", None)
        if hasattr(column, "unmasked"):
            column = column.unmasked
        values = column.value if isinstance(column, u.Quantity) else np.ma.getdata(column)
        if mask is not None and np.ndim(mask):
            return MaskedColumn(np.asarray(values), name=name, unit=unit, mask=mask)
        return Column(np.asarray(values), name=name, unit=unit)


def as_stars(table, *, columns=()):
    """Turn a table in memory into the record of stars that `read_survey` gives.

    Parameters
    ----------
    table : Stars, path-like or table
        An astropy Table or QTable, a data frame, a structured array or a dict of columns, with the column names of any
        known survey; or a file. Stars are returned as they are.
    columns : sequence of str, default=()
        Further columns to keep, as in `read_survey`.

    Returns
    -------
    stars : Stars

    Raises
    ------
    ColumnError, UnitError
        As for `read_survey`.

    Examples
    --------
    >>> from skdistmass.surveys import as_stars
    >>> stars = as_stars({"teff": [4800.0], "FE_H": [-0.1], "GAIAEDR3_R_MED_PHOTOGEO": [1500.0]})
    >>> list(stars), float(stars["GAIAEDR3_DIST"][0])
    (['TEFF', 'M_H', 'GAIAEDR3_DIST', 'GAIAEDR3_DIST_SRC', 'FE_H'], 1.5)
    """
    if isinstance(table, Stars):
        return table
    if isinstance(table, str | os.PathLike):
        return read_survey(table, columns=columns)
    file = _InMemory(table)
    return _stars_of(file, [find_column(_names(file), name) for name in columns])


# Further columns of a survey that the rest of the package asks for, under their own names.
_EXTRA = ("APSTAR_ID", "FE_H", "FE_H_ERR", "IRAC_4_5", "WISE_4_5", "AK_TARG", "AK_TARG_METHOD", "AK_WISE", "SFD_EBV")
_EXTRA += ("MAG", "EXTINCTION", "EXTINCTION_METHOD", "EVSTATE", "GAIAEDR3_PHOT_G_MEAN_MAG")
_EXTRA += ("GAIAEDR3_PHOT_BP_MEAN_MAG", "GAIAEDR3_PHOT_RP_MEAN_MAG")


def _is_extra(name):
    return name.upper() in _EXTRA or name.upper().startswith(("MASS", "AGE"))


def _stars_of(file, others, source=""):
    found, used = _read_canonical(file)
    extra = [n for n in file.names if _is_extra(n) and n.upper() not in found]
    for name in dict.fromkeys([*extra, *others]):
        key = name.upper() if name.upper() in _EXTRA else name
        if key not in found:
            found[key] = _clean(file.column(name), name)
    units = {name: str(column.unit) for name, column in found.items() if name not in used and column.unit is not None}
    columns = {name: _plain(column) for name, column in found.items()}
    metallicity = "FE_H" if used.get("M_H", [""])[0].upper() == "FE_H" else "M_H"
    origin = {name: tuple(names) for name, names in used.items()}
    return Stars(columns, origin, units, metallicity, source, file.where)


def _plain(column):
    values = np.asarray(np.ma.getdata(column))
    if values.dtype.kind == "f":
        return as_floats(np.asarray(values), sentinels=False)
    return as_integers(column, missing=-1) if values.dtype.kind in "iu" else values


def _count_known(names):
    return sum(name.upper() in _KNOWN for name in names)


def _shown(names):
    return ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def _names(file):
    return dict.fromkeys(file.names)


def _find(file, name, aliases=()):
    return find_column(_names(file), name, aliases, required=False)


def _floats(file, name, unit, stated=None, high=True):
    """Return a column as floats in `unit`; `stated` is its unit if the file says none."""
    column = file.column(name)
    if np.ndim(column) != 1:
        raise ColumnError(f"column {name} has shape {np.shape(column)}; one number per star is needed.")
    own = parse_unit(getattr(column, "unit", None)) or parse_unit(stated)
    # Placeholders are numbers in the file's unit: find them before converting it.
    plain = MaskedColumn(column, unit=None, copy=False)
    values = as_floats(plain, name=name, high_sentinels=high)
    return values if own is None else as_floats(Column(values, unit=own), unit, name=name, sentinels=False)


def _read_canonical(file):
    """Return {canonical name: column} and {canonical name: list of columns it was read from}."""
    found, used = {}, {}
    for name, aliases in _TEXTS.items():
        source = _find(file, name, aliases)
        if source is not None:
            found[name], used[name] = Column(_text(file.column(source)), name=name), [source]
    for name, (aliases, unit, high) in _PLAIN.items():
        source = _find(file, name, aliases)
        if source is None:
            continue
        found[name] = Column(_floats(file, source, unit, high=high), name=name, unit=unit)
        used[name] = [source]
        error = _find(file, source + "_ERR")
        if name in _LABEL_UNITS and error is not None:
            unit = _LABEL_UNITS[name]
            found[name + "_ERR"] = Column(_floats(file, error, unit), name=name + "_ERR", unit=unit)
            used[name + "_ERR"] = [error]
    for quantity in _QUANTITIES:
        _fill(file, quantity, found, used)
    for name in _FLAGS:
        source = _find(file, name)
        if source is not None:
            found[name], used[name] = Column(_flags(file.column(source), source), name=name), [source]
    order = [name for name in _ORDER if name in found]
    return {name: found[name] for name in order + [n for n in found if n not in order]}, used


_LABEL_UNITS = {label.name: label.unit for label in LABELS}


def _fill(file, quantity, found, used):
    """Fill a quantity star by star from its sources, in place of `found` and `used`."""
    values, errors = np.full(file.n_rows, np.nan), np.full(file.n_rows, np.nan)
    called = np.full(file.n_rows, "")
    columns = []
    for source in quantity.sources:
        name = _find(file, source.column)
        if name is None:
            continue
        columns.append(name)
        own = _floats(file, name, quantity.unit, source.unit, quantity.high_sentinels)
        taken = np.isnan(values) & np.isfinite(own)
        values[taken] = own[taken]
        error = next(filter(None, (_find(file, e) for e in source.errors)), None)
        if error is not None:
            own_errors = _floats(file, error, quantity.unit, source.unit, quantity.high_sentinels)
            errors[taken] = np.where(own_errors > 0, own_errors, np.nan)[taken]
        text = next(filter(None, (_find(file, c) for c in source.called_by)), None)
        own_text = source.called or name
        if text is not None:
            own_text = _text(file.column(text))
            own_text = np.where(own_text == "", name, own_text)
        called = np.where(taken, own_text, called)
    if columns:
        found[quantity.name] = Column(values, name=quantity.name, unit=quantity.unit)
        used[quantity.name] = columns
        if quantity.error:
            found[quantity.error] = Column(errors, name=quantity.error, unit=quantity.unit)
        found[quantity.name + "_SRC"] = Column(called, name=quantity.name + "_SRC")


def _clean(column, name):
    """Return a column in native types: floats with NaN where missing, stripped text, others as they are."""
    unit = parse_unit(getattr(column, "unit", None))
    mask = np.ma.getmaskarray(column) if isinstance(column, np.ma.MaskedArray) else None
    values = np.asarray(np.ma.getdata(column))
    if values.dtype.kind == "f":
        high = name.upper().removesuffix("_ERR") in _OTHER_MAGNITUDES or unit == u.mag
        floats = as_floats(column if unit is not None else np.ma.asarray(column), name=name, high_sentinels=high)
        return Column(floats.astype(values.dtype.newbyteorder("=")), name=name, unit=unit)
    if values.dtype.kind in "SU" or (values.dtype.kind == "O" and _is_text(values)):
        return Column(_text(column), name=name)
    if mask is not None and mask.any():
        return MaskedColumn(values, mask=mask, name=name, unit=unit)
    return Column(values, name=name, unit=unit)


def _is_text(values):
    return all(value is None or isinstance(value, str | bytes | np.ma.core.MaskedConstant) for value in values.ravel())


def _text(column):
    """Return text as str without padding, empty where it is missing."""
    mask = np.ma.getmaskarray(column) if isinstance(column, np.ma.MaskedArray) else np.zeros(np.shape(column), bool)
    values = np.asarray(np.ma.getdata(column))
    if values.dtype.kind == "O":
        values = np.array(["" if v is None or v is np.ma.masked or v != v else v for v in values.ravel()], dtype=str)
        values = values.reshape(mask.shape)
    elif values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    elif values.dtype.kind != "U":
        values = values.astype(str)
    return np.where(mask, "", np.char.strip(values))


def _flags(column, name):
    """Return bits as int64, 0 where they are missing."""
    values = np.ma.getdata(column)
    if np.ndim(values) != 1:
        raise ColumnError(f"column {name} has shape {np.shape(values)}; one flag word per star is needed.")
    if values.dtype.kind in "iub":
        return np.where(np.ma.getmaskarray(column), 0, values).astype(np.int64)
    floats = as_floats(np.ma.asarray(column), name=name, high_sentinels=False)
    floats = np.where(np.isnan(floats), 0.0, floats)
    if (floats != np.floor(floats)).any():
        raise ColumnError(f"column {name} holds fractions; a flag is a whole number.")
    return floats.astype(np.int64)
