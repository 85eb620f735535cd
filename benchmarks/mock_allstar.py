"""Mock surveys in the wide layout of APOGEE's allStar files, written piece by piece."""

import os
from numbers import Integral
from pathlib import Path

import numpy as np
from astropy.io import fits

from skdistmass.datasets.mock import make_survey
from skdistmass.exceptions import InputError

__all__ = ["write_mock_allstar"]

PARAMETERS = ("TEFF", "LOGG", "LOG10VDOP", "METALS", "C", "N", "O Mg Si S Ca Ti", "LGVSINI", "O")
ELEMENTS = (
    "C",
    "CI",
    "N",
    "O",
    "NA",
    "MG",
    "AL",
    "SI",
    "P",
    "S",
    "K",
    "CA",
    "TI",
    "TIII",
    "V",
    "CR",
    "MN",
    "FE",
    "CO",
    "NI",
    "CU",
    "GE",
    "RB",
    "CE",
    "ND",
    "YB",
    "C13",
)
_NAMED_ELEMENTS = tuple(e for e in ELEMENTS if e not in ("GE", "RB", "ND", "C13"))
_N_GRIDS = 21
_BLOCK = 2880

# Columns in the order of DR17's allStar file: name and FITS format.
_HEAD = """
FILE 64A, APOGEE_ID 18A, TARGET_ID 48A, APSTAR_ID 57A, ASPCAP_ID 57A, TELESCOPE 8A, LOCATION_ID J,
FIELD 20A, ALT_ID 30A, RA D, DEC D, GLON D, GLAT D, J E, J_ERR E, H E, H_ERR E, K E, K_ERR E, SRC_H
17A, WASH_M E, WASH_M_ERR E, WASH_T2 E, WASH_T2_ERR E, DDO51 E, DDO51_ERR E, IRAC_3_6 E,
IRAC_3_6_ERR E, IRAC_4_5 E, IRAC_4_5_ERR E, IRAC_5_8 E, IRAC_5_8_ERR E, IRAC_8_0 E, IRAC_8_0_ERR E,
WISE_4_5 E, WISE_4_5_ERR E, TARG_4_5 E, TARG_4_5_ERR E, WASH_DDO51_GIANT_FLAG J,
WASH_DDO51_STAR_FLAG J, TARG_PMRA E, TARG_PMDEC E, TARG_PM_SRC 20A, AK_TARG E, AK_TARG_METHOD 17A,
AK_WISE E, SFD_EBV E, APOGEE_TARGET1 J, APOGEE_TARGET2 J, APOGEE2_TARGET1 J, APOGEE2_TARGET2 J,
APOGEE2_TARGET3 J, APOGEE2_TARGET4 J, TARGFLAGS 132A, SURVEY 35A, PROGRAMNAME 18A, NVISITS J, SNR E,
SNREV E, STARFLAG K, STARFLAGS 132A, ANDFLAG K, ANDFLAGS 132A, VHELIO_AVG E, VSCATTER E, VERR E,
RV_TEFF E, RV_LOGG E, RV_FEH E, RV_ALPHA E, RV_CARB E, RV_CHI2 E, RV_CCFWHM E, RV_AUTOFWHM E,
RV_FLAG J, N_COMPONENTS J, MEANFIB E, SIGFIB E, MIN_H E, MAX_H E, MIN_JK E, MAX_JK E,
GAIAEDR3_SOURCE_ID K, GAIAEDR3_PARALLAX E, GAIAEDR3_PARALLAX_ERROR E, GAIAEDR3_PMRA E,
GAIAEDR3_PMRA_ERROR E, GAIAEDR3_PMDEC E, GAIAEDR3_PMDEC_ERROR E, GAIAEDR3_PHOT_G_MEAN_MAG E,
GAIAEDR3_PHOT_BP_MEAN_MAG E, GAIAEDR3_PHOT_RP_MEAN_MAG E, GAIAEDR3_DR2_RADIAL_VELOCITY E,
GAIAEDR3_DR2_RADIAL_VELOCITY_ERROR E, GAIAEDR3_R_MED_GEO E, GAIAEDR3_R_LO_GEO E, GAIAEDR3_R_HI_GEO
E, GAIAEDR3_R_MED_PHOTOGEO E, GAIAEDR3_R_LO_PHOTOGEO E, GAIAEDR3_R_HI_PHOTOGEO E, ASPCAP_GRID 10A
"""
_PARAMETER_COLUMNS = ("FPARAM", "PARAM", "PARAMFLAG")
_MATRIX_COLUMNS = ("FPARAM_COV", "PARAM_COV")
_ELEMENT_COLUMNS = ("FELEM", "FELEM_ERR", "X_H", "X_H_ERR", "X_M", "X_M_ERR", "ELEM_CHI2", "ELEMFRAC", "ELEMFLAG")
_TAIL = """
EXTRATARG J, MEMBERFLAG K, MEMBER 20A, TEFF E, TEFF_ERR E, LOGG E, LOGG_ERR E, M_H E, M_H_ERR E,
ALPHA_M E, ALPHA_M_ERR E, VMICRO E, VMACRO E, VSINI E, TEFF_SPEC E, LOGG_SPEC E
"""
_TRUTH = ("MASS", "LOG_AGE", "DISTANCE", "ABS_MAG", "EXTINCTION", "TEFF", "LOGG", "M_H", "C_FE", "N_FE", "MASS_RATIO")


def _layout(truth):
    """Return [(name, FITS format, shape)] of all columns."""
    n, m = len(PARAMETERS), len(ELEMENTS)
    columns = [(*item.split(), ()) for item in _HEAD.split(",")]
    columns += [("FPARAM_GRID", f"{_N_GRIDS * n}E", (_N_GRIDS, n)), ("CHI2_GRID", f"{_N_GRIDS}E", (_N_GRIDS,))]
    columns += [(name, f"{n}J" if name.endswith("FLAG") else f"{n}E", (n,)) for name in _PARAMETER_COLUMNS]
    columns += [(name, f"{n * n}E", (n, n)) for name in _MATRIX_COLUMNS]
    columns += [("ASPCAP_CHI2", "E", ()), ("ASPCAPFLAG", "K", ()), ("ASPCAPFLAGS", "114A", ())]
    columns += [(name, "E", ()) for name in ("FRAC_BADPIX", "FRAC_LOWSNR", "FRAC_SIGSKY")]
    columns += [(name, f"{m}J" if name.endswith("FLAG") else f"{m}E", (m,)) for name in _ELEMENT_COLUMNS]
    columns += [(*item.split(), ()) for item in _TAIL.split(",")]
    ends = (("", "E"), ("_SPEC", "E"), ("_ERR", "E"), ("_FLAG", "J"))
    for element in _NAMED_ELEMENTS:
        ratio = "FE_H" if element == "FE" else element + "_FE"
        columns += [(ratio + end, kind, ()) for end, kind in ends]
    columns += [("VISIT_PK", "50J", (50,)), ("TWOMASS_DESIGNATION", "18A", ())]
    if truth:
        columns += [("TRUE_" + name, "D", ()) for name in _TRUTH]
    return columns


def _definitions(layout):
    return fits.ColDefs(
        [
            fits.Column(name=name, format=kind, dim=str(shape[::-1]).replace(" ", "") if len(shape) > 1 else None)
            for name, kind, shape in layout
        ]
    )


def write_mock_allstar(
    path, n_rows, *, chunk_rows=20_000, truth=False, overwrite=False, random_state=None, **parameters
):
    """Write a mock survey as a FITS file in the layout of APOGEE's DR17 allStar file.

    The columns of `make_survey` that DR17 has are filled in; the labels also stand in PARAM and FPARAM and
    the abundances in X_H and X_M. The other columns, over 200 in all with vectors, matrices and padded text,
    hold placeholders. A row takes 4 kB, so that 733,901 rows make a file of the size of the real one; memory
    is bounded by `chunk_rows`.

    Parameters
    ----------
    path : str or path-like
        File to write. It appears under this name only when it is complete.
    n_rows : int
        Number of rows.
    chunk_rows : int, default=20_000
        Rows made and written at a time. The stars depend on it, as each piece has its own random numbers.
    truth : bool, default=False
        Whether to append TRUE_* columns.
    overwrite : bool, default=False
        Whether an existing file may be replaced.
    random_state : int or None, default=None
        Seed.
    **parameters
        Passed to `make_survey`.

    Returns
    -------
    path : pathlib.Path
        The file.

    Raises
    ------
    InputError
        If the file exists and `overwrite` is false, or a parameter is out of its range.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from mock_allstar import write_mock_allstar
    >>> from skdistmass.surveys import read_survey
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_mock_allstar(pathlib.Path(folder) / "allStar.fits", 100, random_state=0)
    ...     stars = read_survey(path, columns=())
    >>> len(stars), stars["GAIAEDR3_DIST"].unit
    (100, Unit("kpc"))
    """
    path = Path(path)
    for name, value in (("n_rows", n_rows), ("chunk_rows", chunk_rows)):
        if not isinstance(value, Integral) or value < (name == "chunk_rows"):
            raise InputError(f"{name} is {value!r}; give a positive whole number.")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists; give overwrite=True to replace it.")
    layout = _layout(truth)
    template = fits.BinTableHDU.from_columns(_definitions(layout), nrows=0, name="ALLSTAR")
    row_type = template.data.dtype.newbyteorder(">")
    header = template.header.copy()
    header["NAXIS2"] = n_rows

    sizes = [min(chunk_rows, n_rows - start) for start in range(0, n_rows, chunk_rows)]
    seeds = np.random.SeedSequence(random_state).spawn(len(sizes))
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            file.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
            file.write(header.tostring().encode("ascii"))
            for size, seed in zip(sizes, seeds, strict=True):
                survey = make_survey(size, random_state=np.random.default_rng(seed), **parameters)
                file.write(_rows(survey, row_type).tobytes())
            file.write(b"\0" * (-n_rows * row_type.itemsize % _BLOCK))
        fits.append(part, *_symbols())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _symbols():
    """Return data and header of the extension that names the entries of the vector columns."""
    columns = [
        fits.Column(
            name=name, format=f"{16 * len(texts)}A", dim=f"(16,{len(texts)})", array=np.array([texts], dtype="S16")
        )
        for name, texts in (("PARAM_SYMBOL", PARAMETERS), ("ELEM_SYMBOL", ELEMENTS))
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="SYMBOLS")
    return hdu.data, hdu.header


def _rows(survey, row_type):
    """Return a survey as records of the wide layout."""
    rows = np.zeros(len(survey), dtype=row_type)
    for name in row_type.names:
        kind = row_type[name].base.kind
        if name in survey.colnames:
            rows[name] = survey[name]
        elif kind == "f":
            rows[name] = -9999.99
    rows["MEMBER"], rows["SURVEY"], rows["TARGET_ID"] = survey["CLUSTER"], "apogee2", survey["APOGEE_ID"]
    rows["FIELD"], rows["NVISITS"], rows["ASPCAP_ID"] = "MOCK", 3, survey["APSTAR_ID"]
    rows["FILE"] = np.char.add("apStar-", np.asarray(survey["APOGEE_ID"]))
    rows["STARFLAGS"] = np.where(survey["STARFLAG"] > 0, "PERSIST_LOW", "")
    rows["ASPCAPFLAGS"] = np.where(survey["ASPCAPFLAG"] & (1 << 23), "STAR_BAD", "")
    for vector in ("PARAM", "FPARAM"):
        for name, index in (("TEFF", 0), ("LOGG", 1), ("M_H", 3)):
            rows[vector][:, index] = survey[name]
    for name in ("C_FE", "N_FE"):
        index = ELEMENTS.index(name[0])
        lost = (survey[name] < -999) | (survey["FE_H"] < -999)
        rows["X_H"][:, index] = np.where(lost, -9999.99, survey[name] + survey["FE_H"])
        rows["X_M"][:, index] = np.where(lost, -9999.99, survey[name])
    return rows
