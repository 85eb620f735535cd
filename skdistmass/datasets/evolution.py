"""Mock stars: where a star of given mass, metallicity and stage of life is, and for how long.

A compact stand-in for a set of isochrones. The time to the base of the giant branch is that of Hurley, Pols & Tout
(2000, MNRAS 315, 543, eq. 4); the other relations are fits to PARSEC v1.2S (Bressan et al. 2012, MNRAS 427, 127) for
0.45-3.5 Msun and -2.2 < [M/H] < 0.5, made and printed with their residuals by ``benchmarks/mock_relations.py``. Left
out: the asymptotic giant branch (its time is added to the helium-burning stage), blue horizontal branches, the bump of
the red giant branch, rotation, and mass loss.

A star's stage of life is one number, `stage`: 0-1 main sequence (linear in time), 1-2 subgiant (linear in
time), 2-3 red giant branch (linear in log g), 3-4 helium-burning clump (linear in time).
"""

import tomllib
from importlib import resources

import numpy as np

from skdistmass.isochrones.giant_ages.relation import hurley_bgb_age

SUBGIANT, RED_GIANT, RED_CLUMP = 1, 2, 3
STAGE_NAMES = ("MS", "SGB", "RGB", "RC")

SUN_TEFF, SUN_LOGG, SUN_M_BOL = 5772.0, 4.438, 4.74
SUN_Z = 0.0152  # of PARSEC

NUMBERS = tomllib.loads(resources.files("skdistmass.datasets").joinpath("numbers.toml").read_text(encoding="utf-8"))
_AT_MASSES, _POLYNOMIALS = NUMBERS["at_masses"], NUMBERS["polynomials"]
_KNOTS = np.log10(_AT_MASSES["masses"])
# Along the giant branch the luminosity function is dN/dlogL ~ L^-5/6 (shell burning, core mass - luminosity relation of
# index 6: Hurley et al. 2000, eq. 37); log L falls by 0.78 dex per dex in log g on the branch below.
_GIANT_COUNT_SLOPE = 0.78 * 5 / 6
_CLUMP_LOG_L_RANGE, _CLUMP_LOG_TEFF_RANGE = 0.10, -0.012

# A polynomial in log Teff - 3.7. The shape of BC_K is PARSEC's; its zero point is that of the real giants with
# seismic radii and Gaia parallaxes, 2.04 mag at 4700 K.
_BC_K = (1.850, -6.95, -4.71, 14.2, -10.6)
# G - K by Teff [K], rounded: Gaia's magnitude is used for parallax errors only.
_G_MINUS_K = (3400.0, 3700.0, 4000.0, 4500.0, 5000.0, 5772.0, 6500.0, 7500.0), (4.7, 3.9, 3.2, 2.5, 2.0, 1.4, 1.0, 0.6)


def time_to_giant_branch(log_mass, m_h):
    """Return log10 of the age [yr] at which a star reaches the base of the giant branch.

    Hurley, Pols & Tout (2000), eq. 4, with Z = 0.0152 x 10^[M/H].
    """
    # The formula holds for 1e-4 < Z < 0.03.
    return hurley_bgb_age(10**log_mass, np.clip(SUN_Z * 10**m_h, 1e-4, 0.03))


def _at_masses(name, log_mass, m_h):
    solar, slope = _AT_MASSES[name]
    return np.interp(log_mass, _KNOTS, solar) + m_h * np.interp(log_mass, _KNOTS, slope)


def _polynomial(name, *variables):
    total = 0.0
    for *powers, coefficient in _POLYNOMIALS[name]:
        term = coefficient
        for variable, power in zip(variables, powers, strict=True):
            if power:
                term = term * variable**power
        total = total + term
    return total


def _giant_time_fraction(depth, log_g_range):
    """Return the fraction of the giant-branch time spent at `depth` (0-1) of the way down in log g."""
    full = 1 - 10 ** (-_GIANT_COUNT_SLOPE * log_g_range)
    return (1 - 10 ** (-_GIANT_COUNT_SLOPE * log_g_range * depth)) / full


def age(log_mass, stage, m_h):
    """Return the age [Gyr] of a star of log10 mass [Msun] at a stage (0-4) of its life; arrays broadcast."""
    t_bgb = 10 ** (time_to_giant_branch(log_mass, m_h) - 9)
    start = _at_masses("subgiant_start", log_mass, m_h)
    giant = t_bgb * 10 ** _at_masses("log_giant_time", log_mass, m_h)
    clump = t_bgb * 10 ** _at_masses("log_clump_time", log_mass, m_h)
    log_g_range = _at_masses("base_logg", log_mass, m_h) - _at_masses("tip_logg", log_mass, m_h)
    spent = start * np.clip(stage, 0, 1) + (1 - start) * np.clip(stage - 1, 0, 1)
    depth = np.clip(stage - 2, 0, 1)
    return t_bgb * spent + giant * _giant_time_fraction(depth, log_g_range) + clump * np.clip(stage - 3, 0, 1)


def main_sequence_fraction(log_mass, years, m_h):
    """Return which fraction (0-1) of its main-sequence life a star of given age [Gyr] has spent."""
    life = 10 ** (time_to_giant_branch(log_mass, m_h) - 9) * _at_masses("subgiant_start", log_mass, m_h)
    return np.clip(years / life, 0, 1)


def luminosity(log_mass, log_teff, logg):
    """Return log10 L/Lsun from mass, temperature and gravity."""
    return log_mass - (logg - SUN_LOGG) + 4 * (log_teff - np.log10(SUN_TEFF))


def place(log_mass, stage, m_h):
    """Return log10 Teff [K] and log g [dex] by log10 mass [Msun], stage of life (0-4) and [M/H]; arrays broadcast."""
    fraction = np.clip(stage, 0, 1)
    ms_teff = _polynomial("ms_log_teff", log_mass, fraction, m_h)
    ms_logg = _polynomial("ms_logg", log_mass, fraction, m_h)
    base = _at_masses("base_logg", log_mass, m_h)
    base_teff = _polynomial("rgb_log_teff", base - 2.5, log_mass, m_h)
    step = np.clip(stage - 1, 0, 1)
    log_teff = ms_teff + step * (base_teff - ms_teff)
    logg = ms_logg + step * (base - ms_logg)

    giant_logg = base + np.clip(stage - 2, 0, 1) * (_at_masses("tip_logg", log_mass, m_h) - base)
    giant_teff = _polynomial("rgb_log_teff", giant_logg - 2.5, log_mass, m_h)
    is_giant = stage >= RED_GIANT
    log_teff = np.where(is_giant, giant_teff, log_teff)
    logg = np.where(is_giant, giant_logg, logg)

    step = np.clip(stage - 3, 0, 1) - 0.5
    clump_teff = _at_masses("clump_log_teff", log_mass, m_h) + step * _CLUMP_LOG_TEFF_RANGE
    clump_light = _at_masses("clump_log_l", log_mass, m_h) + step * _CLUMP_LOG_L_RANGE
    clump_logg = SUN_LOGG + log_mass + 4 * (clump_teff - np.log10(SUN_TEFF)) - clump_light
    in_clump = stage >= RED_CLUMP
    return np.where(in_clump, clump_teff, log_teff), np.where(in_clump, clump_logg, logg)


def absolute_magnitude(log_mass, log_teff, logg):
    """Return M_K [mag] from mass, temperature and gravity: exact but for the bolometric correction."""
    correction = np.polyval(_BC_K[::-1], np.clip(log_teff, 3.53, 3.90) - 3.7)
    return SUN_M_BOL - 2.5 * luminosity(log_mass, log_teff, logg) - correction


def colours(log_teff, logg):
    """Return the intrinsic colours J-K, H-K and G-K [mag]."""
    x, y = np.clip(log_teff, 3.53, 3.90) - 3.7, np.clip(logg, 0.0, 5.0) - 2.5
    return (_polynomial("j_minus_k", x, y), _polynomial("h_minus_k", x, y), np.interp(10**log_teff, *_G_MINUS_K))
