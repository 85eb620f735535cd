"""Mock observations: magnitudes, extinction, parallaxes, abundances after dredge-up, labels, seismic masses, IDs.

Sources: extinction law of Indebetouw et al. (2005, ApJ 619, 931) in J and H, in [4.5] such that the RJCE
relation of Majewski, Zasowski & Nidever (2011) holds; A_K per E(B-V) 0.302; parallax errors of Gaia EDR3 by
magnitude (ESA's science-performance formula); solar C/N of Asplund et al. (2009).
"""

import numpy as np

from skdistmass.datasets import evolution

A_J, A_H, RJCE, RJCE_WISE, RJCE_IRAC, A_K_PER_EBV = 2.5, 1.55, 0.918, 0.05, 0.08, 0.302
_DUST_DENSITY, _DUST_HEIGHT = 0.07, 0.1  # A_K in mag/kpc in the plane, scale height in kpc
_SOLAR_C_TO_N = 10 ** (8.43 - 7.83)

BIRTH_C_FE, BIRTH_CN = 0.03, 0.02  # at solar metallicity
# [C/N] after the first dredge-up at solar metallicity, by mass [Msun]: medians of the Kepler giants of log g 2.2-3.2.
_DREDGED_MASS = (0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.7, 1.9, 2.2, 2.6, 3.0, 4.0)
_DREDGED_CN = (-0.02, -0.06, -0.11, -0.16, -0.22, -0.30, -0.35, -0.385, -0.43, -0.49, -0.52, -0.57, -0.62)


def carbon_nitrogen(mass, logg, stage, birth_cn, low_logg_rise):
    """Return [C/Fe] and [N/Fe] at the surface.

    The first dredge-up changes [C/N] by an amount set by the mass, from the birth value (log g above 3.45) to
    the full change (below 3.25; later on the giant branch of stars above 1.8 Msun, which begins lower). It
    turns carbon into nitrogen: the number of C plus N atoms is kept. `low_logg_rise` is the unphysical rise
    of section 5.2: dex in [C/N] per dex in log g below 2.5.
    """
    change = np.interp(mass, _DREDGED_MASS, _DREDGED_CN) - BIRTH_CN
    centre = np.interp(mass, (1.6, 2.0, 4.0), (3.35, 3.1, 2.15))
    done = np.where(stage >= 2, 1 / (1 + np.exp(np.clip((logg - centre) / 0.03, -50, 50))), 0.0)
    done[stage >= 3] = 1.0
    ratio_birth = _SOLAR_C_TO_N * 10**birth_cn
    ratio = ratio_birth * 10 ** (change * done)
    c_fe = BIRTH_C_FE + np.log10(ratio * (1 + ratio_birth) / (ratio_birth * (1 + ratio)))
    n_fe = BIRTH_C_FE - birth_cn + np.log10((1 + ratio_birth) / (1 + ratio))
    rise = low_logg_rise * np.clip(2.5 - logg, 0, None)
    return c_fe + 0.5 * rise, n_fe - 0.5 * rise


def dust(rng, distance, latitude):
    """Return A_K to the star and E(B-V) to infinity, from an exponential layer with clumps."""
    height = np.abs(distance * np.sin(np.radians(latitude))) / _DUST_HEIGHT
    clumps = np.exp(0.35 * rng.standard_normal(len(distance)) - 0.5 * 0.35**2)
    share = np.where(height > 1e-6, -np.expm1(-height) / np.maximum(height, 1e-6), 1.0)
    to_star = _DUST_DENSITY * distance * share * clumps
    through = _DUST_DENSITY * _DUST_HEIGHT / np.maximum(np.abs(np.sin(np.radians(latitude))), 1e-3) * clumps
    return to_star, np.maximum(through, to_star) / A_K_PER_EBV


def gaia_parallax_error(g_mag):
    """Return the error of a Gaia EDR3 parallax [mas] by G magnitude."""
    z = np.maximum(10 ** (0.4 * (13 - 15)), 10 ** (0.4 * (np.minimum(g_mag, 21) - 15)))
    return np.sqrt(40 + 800 * z + 30 * z**2) / 1000


def photogeometric(rng, distance, noise, fraction):
    """Return median, 16th and 84th percentile of a distance estimate as of Bailer-Jones et al. (2021).

    The parallax (fractional error `fraction`, error of this star `noise` sigmas) times a normal prior in the
    logarithm of distance, 0.2 wide and centred within its width of the truth.
    """
    prior = 0.2
    weight = 1 / (1 + (fraction / prior) ** 2)
    offset = -noise * fraction * weight + prior * rng.standard_normal(len(distance)) * (1 - weight)
    width = fraction * np.sqrt(weight)
    median = distance * np.exp(offset)
    return median, median * np.exp(-width), median * np.exp(width)


def label_errors(rng, teff, logg, m_h):
    """Return quoted errors of the five labels: DR17's medians, larger for metal-poor and warm stars."""
    spread = np.exp(0.15 * rng.standard_normal(len(teff)))
    poor = 10 ** (-0.25 * np.minimum(m_h, 0))
    warm = 1 + np.clip((teff - 5200) / 400, 0, 4)
    dwarf = np.clip(logg - 3, 0, 1)
    return np.column_stack(
        [
            (9 + 12 * dwarf) * spread * poor**0.5 * warm**0.5,
            (0.023 + 0.004 * dwarf) * spread * poor**0.5,
            0.0076 * spread * poor * warm**0.5,
            0.013 * spread * poor * warm,
            0.016 * spread * poor * warm,
        ]
    )


MASS_SCALES = evolution.NUMBERS["mass_scales"]


def seismic_masses(rng, mass, logg, seen):
    """Return {column: values} of masses and their errors by six scales; NaN where not `seen`.

    The error is 4 % at log g 2.5 and above, and grows by 4 % per dex below; one star in 200 is off by a factor of two.
    """
    n = len(mass)
    fraction = (0.04 + 0.04 * np.clip(2.5 - logg, 0, None)) * np.exp(0.2 * rng.standard_normal(n))
    common = 1 + fraction * np.clip(rng.standard_normal(n), -4, 4)
    common *= np.where(rng.random(n) < 0.005, rng.choice([0.5, 2.0], n), 1.0)
    columns = {}
    for name, (factor, slope, scatter, share) in MASS_SCALES.items():
        scale = factor + slope * np.clip(2.5 - logg, 0, None)
        value = mass * common * scale * (1 + scatter * rng.standard_normal(n))
        have = seen & (rng.random(n) < share)
        if name == "MASS_AP3":  # APOKASC-3's published masses end at 1.8 Msun
            have &= (value > 0.9) & (value < 1.8)
        columns[name] = np.where(have, value, np.nan)
        columns[name + "_ERR"] = np.where(have, value * np.hypot(fraction, scatter), np.nan)
    return columns


def two_mass_ids(ra, dec):
    """Return 2MASS-style names, 2Mhhmmssss+ddmmsss, of positions [deg]."""
    centiseconds = np.floor(ra / 15 * 360000).astype(np.int64) % 8640000
    deciseconds = np.floor(np.abs(dec) * 36000).astype(np.int64)
    seconds, minutes = centiseconds % 6000, centiseconds // 6000
    digits = (minutes // 60) * 1000000 + (minutes % 60) * 10000 + seconds
    arc = (deciseconds // 36000) * 100000 + (deciseconds // 600 % 60) * 1000 + deciseconds % 600
    text = np.full((len(ra), 18), ord("2"), dtype=np.uint8)
    text[:, 1] = ord("M")
    text[:, 2:10] = ord("0") + digits[:, None] // 10 ** np.arange(7, -1, -1) % 10
    text[:, 10] = np.where(dec < 0, ord("-"), ord("+"))
    text[:, 11:] = ord("0") + arc[:, None] // 10 ** np.arange(6, -1, -1) % 10
    return text.view("S18").ravel()
