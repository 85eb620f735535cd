"""Mock stars as the columns of a survey file: measured, noisy, in part missing; and the truth beside them."""

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, Table

from skdistmass.datasets import evolution, observe

STAR_BAD = 1 << 23  # of ASPCAPFLAG: section 2
STAR_WARN = 1 << 7
_LABELS = ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")
# Unit of each column, of its error and its truth; those in dex have none, which FITS cannot express.
_UNITS = {name: unit for unit, names in evolution.NUMBERS["units"].items() for name in names}


def observe_stars(rng, truth, zero_point):
    """Return {column: values} of what is measured once per star: photometry, parallax, position."""
    n = len(truth["logg"])
    modulus = 5 * np.log10(truth["distance"]) + 10
    a_k = truth["extinction"]
    columns = {}
    for band, law in (("J", observe.A_J), ("H", observe.A_H), ("K", 1.0)):
        columns[band] = truth["M_" + band] + modulus + law * a_k + 0.02 * rng.standard_normal(n)
        columns[band + "_ERR"] = np.full(n, 0.02)
    h_true = truth["M_H"] + modulus + observe.A_H * a_k
    for band, colour in (("WISE_4_5", observe.RJCE_WISE), ("IRAC_4_5", observe.RJCE_IRAC)):
        mid_infrared = h_true - colour - a_k / observe.RJCE
        columns[band] = mid_infrared + 0.02 * rng.standard_normal(n)
        columns[band + "_ERR"] = np.full(n, 0.02)
    # Spitzer's surveys cover a part of the plane.
    no_irac = (np.abs(truth["latitude"]) > 4) | (rng.random(n) < 0.4)
    columns["IRAC_4_5"][no_irac] = columns["IRAC_4_5_ERR"][no_irac] = 99.0
    columns |= _extinctions(rng, columns, no_irac, truth)

    g_mag = truth["M_G"] + modulus + 8.0 * a_k
    error = observe.gaia_parallax_error(g_mag) * np.exp(0.1 * rng.standard_normal(n))
    noise = rng.standard_normal(n)
    parallax = 1 / truth["distance"]
    columns["GAIAEDR3_PARALLAX"] = parallax + noise * error + zero_point
    columns["GAIAEDR3_PARALLAX_ERROR"] = error
    columns["GAIAEDR3_PHOT_G_MEAN_MAG"] = g_mag + 0.003 * rng.standard_normal(n)
    distances = observe.photogeometric(rng, truth["distance"], noise, error / parallax)
    for kind, values in zip(("MED", "LO", "HI"), distances, strict=True):
        columns[f"GAIAEDR3_R_{kind}_PHOTOGEO"] = 1000 * values

    place = SkyCoord(truth["longitude"], truth["latitude"], unit="deg", frame="galactic").icrs
    columns["RA"], columns["DEC"] = place.ra.deg, place.dec.deg
    columns["GLON"], columns["GLAT"] = truth["longitude"], truth["latitude"]
    columns["APOGEE_ID"] = observe.two_mass_ids(columns["RA"], columns["DEC"])
    columns["CLUSTER"] = truth["cluster"]
    return columns


def _extinctions(rng, photometry, no_irac, truth):
    """Return {column: values} of a survey file's extinctions, and A_K as section 2 chooses it."""
    wise = observe.RJCE * (photometry["H"] - photometry["WISE_4_5"] - observe.RJCE_WISE)
    irac = observe.RJCE * (photometry["H"] - photometry["IRAC_4_5"] - observe.RJCE_IRAC)
    targeted = np.where(no_irac, wise, irac)
    ebv = truth["ebv"] * (1 + 0.05 * rng.standard_normal(len(wise)))
    in_plane = np.abs(truth["latitude"]) < 16
    method = np.where(no_irac, "RJCE_WISE", "RJCE_IRAC")
    return {
        "AK_TARG": targeted,
        "AK_TARG_METHOD": method,
        "AK_WISE": wise,
        "SFD_EBV": ebv,
        "A_K": np.where(in_plane, np.maximum(targeted, 0), observe.A_K_PER_EBV * ebv),
        "A_K_SRC": np.where(in_plane, method, "SFD"),
    }


def masses(rng, truth, seismic_fraction):
    """Return {column: values} of masses to train on: seismic for giants, a few for dwarfs and subgiants."""
    n = len(truth["logg"])
    mass, stage, logg = 10 ** truth["log_mass"], truth["stage"], truth["logg"]
    chosen = rng.random(n)
    giant = (stage >= evolution.RED_GIANT) & (logg < 3.5) & (logg > 0.8) & (chosen < seismic_fraction)
    columns = observe.seismic_masses(rng, mass, logg, giant)
    early = (stage < evolution.RED_GIANT) & (chosen < seismic_fraction / 3)
    noisy = mass * (1 + 0.05 * rng.standard_normal(n))
    columns["MASS"] = np.where(early, noisy, columns["MASS_CAL"])
    columns["MASS_ERR"] = np.where(early, 0.05 * noisy, columns["MASS_CAL_ERR"])
    dwarf = stage < evolution.SUBGIANT
    source = np.where(early, np.where(dwarf, "Berger 2020", "Serenelli 2013"), "APOKASC")
    columns["MASS_SRC"] = np.where(np.isfinite(columns["MASS"]), source, "")
    columns["EVSTATE"] = np.where(giant, np.where(stage >= evolution.RED_CLUMP, 2, 1), -1).astype(np.int16)
    return columns


def truth_columns(truth):
    """Return {TRUE_*: values}."""
    return {
        "TRUE_TEFF": 10 ** truth["log_teff"],
        "TRUE_LOGG": truth["logg"],
        "TRUE_M_H": truth["m_h"],
        "TRUE_C_FE": truth["c_fe"],
        "TRUE_N_FE": truth["n_fe"],
        "TRUE_MASS": 10 ** truth["log_mass"],
        "TRUE_LOG_AGE": np.log10(truth["age"]) + 9,
        "TRUE_STAGE": np.array(evolution.STAGE_NAMES)[truth["stage"].astype(int)],
        "TRUE_DISTANCE": truth["distance"],
        "TRUE_RADIUS_GC": truth["radius"],
        "TRUE_ABS_MAG": truth["abs_mag"],
        "TRUE_MAG_EXCESS": truth["abs_mag"] - truth["M_K"],
        "TRUE_EXTINCTION": truth["extinction"],
        "TRUE_BINARY": truth["binary"],
        "TRUE_MASS_RATIO": truth["mass_ratio"],
        "TRUE_BIRTH_CN": truth["birth_cn"],
    }


def take_spectra(rng, columns, label_noise, bad_fraction):
    """Return {column: values} of what each spectrum gives: labels, errors, flags, identifiers."""
    true = np.column_stack([columns["TRUE_" + name] for name in _LABELS])
    n = len(true)
    errors = observe.label_errors(rng, true[:, 0], true[:, 1], true[:, 2])
    labels = true + label_noise * errors * rng.standard_normal(true.shape)
    bad = rng.random(n) < bad_fraction
    labels[:, :2] += bad[:, None] * rng.standard_normal((n, 2)) * (300.0, 0.5)
    out = {}
    for index, name in enumerate(_LABELS):
        out[name], out[name + "_ERR"] = labels[:, index], errors[:, index]
    out["FE_H"] = labels[:, 2] + label_noise * 0.004 * rng.standard_normal(n)
    out["FE_H_ERR"] = errors[:, 2].copy()
    warned = rng.random(n) < 0.05
    out["ASPCAPFLAG"] = bad * np.int64(STAR_BAD) + warned * np.int64(STAR_WARN)
    out["STARFLAG"] = (rng.random(n) < 0.03) * np.int64(1 << 11)  # PERSIST_LOW
    out["SNR"] = np.clip(10 ** (2.4 - 0.15 * (columns["H"] - 10)) * np.exp(0.3 * rng.standard_normal(n)), 20, 2000)
    south = columns["DEC"] < -5
    out["TELESCOPE"] = np.where(south, "lco25m", "apo25m")
    out["APSTAR_ID"] = _spectrum_ids(columns["APOGEE_ID"], south)
    return out


def _spectrum_ids(star_ids, south):
    """Return an identifier for each spectrum: telescope, star, number of the star's spectrum."""
    order = np.argsort(star_ids, kind="stable")
    ordered = star_ids[order]
    starts = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]
    position = np.arange(len(ordered))
    visit = np.empty(len(ordered), dtype=int)
    visit[order] = position - np.maximum.accumulate(np.where(starts, position, 0))
    head = np.where(south, b"lco25m.", b"apo25m.")
    return np.char.add(np.char.add(head, star_ids), np.array([b".0", b".1", b".2", b".3"])[np.minimum(visit, 3)])


def lose_entries(rng, columns, fraction):
    """Put survey placeholders into a fraction of the entries, in place."""
    for names, placeholders in (
        (("TEFF", "LOGG", "M_H", "FE_H", "C_FE", "N_FE"), (-9999.99, np.nan)),
        (("AK_TARG", "AK_WISE", "SFD_EBV"), (-9999.99, -9999.99)),
        (("J", "H", "K", "WISE_4_5"), (99.0, 99.0)),
        (("GAIAEDR3_PARALLAX",), (np.nan, np.nan)),
        (("GAIAEDR3_R_MED_PHOTOGEO",), (np.nan, np.nan)),
    ):
        for name in names:
            draw = rng.random(len(columns[name]))
            placeholder = np.where(draw < fraction / 2, *placeholders)
            lost = draw < fraction
            for column in (name, name + "_ERR", name + "_ERROR"):
                if column in columns:
                    columns[column][lost] = placeholder[lost]
    lost = np.isnan(columns["GAIAEDR3_R_MED_PHOTOGEO"])
    for kind in ("LO", "HI"):
        columns[f"GAIAEDR3_R_{kind}_PHOTOGEO"][lost] = np.nan


_ORDER = ("APOGEE_ID", "APSTAR_ID", "TELESCOPE", "RA", "DEC", "GLON", "GLAT")


def single(columns):
    """Return measured columns in single precision, as survey files have them; positions stay in double."""
    return {
        name: values.astype(np.float32) if values.dtype == np.float64 and name not in _ORDER else values
        for name, values in columns.items()
    }


def as_table(columns, parameters):
    """Return the table: identifiers first, the truth last."""
    names = [*_ORDER, *(n for n in columns if n not in _ORDER and not n.startswith("TRUE_"))]
    names += [n for n in columns if n.startswith("TRUE_")]
    # One line of text, which any format can hold.
    call = ", ".join(f"{name}={value!r}" for name, value in parameters.items() if value is not None)
    table = Table(meta={"MOCK": f"make_survey({call})"})
    for name in names:
        values = columns.pop(name)
        if values.dtype.kind == "S":
            values = values.astype(str)
        unit = _UNITS.get(name.removeprefix("TRUE_").removesuffix("_ERR"))
        table.add_column(Column(values, name=name, unit=None if unit is None else u.Unit(unit)), copy=False)
    return table
