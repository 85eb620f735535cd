"""Mock stars: where a star of given mass, metallicity and stage of life is, and for how long.

A compact, self-contained stand-in for a set of isochrones: no data file is read. The time to the base of the
giant branch is that of Hurley, Pols & Tout (2000, MNRAS 315, 543, eq. 4); the other relations are fits to
PARSEC v1.2S (Bressan et al. 2012, MNRAS 427, 127) for 0.45-3.5 Msun and -2.2 < [M/H] < 0.5, made and printed
with their residuals by ``benchmarks/mock_relations.py``. Left out: the asymptotic giant branch (its time is
added to the helium-burning stage), blue horizontal branches, the bump of the red giant branch, rotation, and
mass loss.

A star's stage of life is one number, `stage`: 0-1 main sequence (linear in time), 1-2 subgiant (linear in
time), 2-3 red giant branch (linear in log g), 3-4 helium-burning clump (linear in time).
"""

import numpy as np

from skdistmass.isochrones.giant_ages.relation import hurley_bgb_age

MAIN_SEQUENCE, SUBGIANT, RED_GIANT, RED_CLUMP = 0, 1, 2, 3
STAGE_NAMES = ("MS", "SGB", "RGB", "RC")

SUN_TEFF, SUN_LOGG, SUN_M_BOL = 5772.0, 4.438, 4.74
SUN_Z = 0.0152  # of PARSEC

# Values at solar metallicity and their slopes with [M/H], at these masses [Msun].
_KNOTS = np.log10([0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 1.9, 2.0, 2.2, 2.5, 3.0, 4.0])
_SUBGIANT_START = (  # end of the main sequence, in units of the time to the base of the giant branch
    (0.916, 0.890, 0.860, 0.963, 0.985, 0.9928, 0.9936, 0.9945, 0.9953, 0.9955, 0.9959, 0.9964),
    (-0.020, -0.018, -0.010, -0.005, 0, 0, 0, 0, 0, 0, 0, 0),
)
_BASE_LOGG = (  # log g at the base of the giant branch
    (3.760, 3.722, 3.652, 3.545, 3.406, 3.265, 3.207, 3.177, 3.080, 2.904, 2.637, 2.193),
    (0.187, 0.235, 0.231, 0.240, 0.280, 0.240, 0.239, 0.252, 0.269, 0.260, 0.237, 0.150),
)
_TIP_LOGG = (  # log g at the tip of the giant branch: much lower where helium ignites in a flash
    (-0.026, 0.001, 0.149, 0.312, 0.597, 1.255, 1.624, 1.834, 1.798, 1.747, 1.613, 1.302),
    (-0.317, -0.403, -0.401, -0.412, -0.630, -0.559, -0.330, -0.181, -0.192, -0.168, -0.164, -0.215),
)
_CLUMP_LOG_L = (
    (1.690, 1.699, 1.743, 1.776, 1.770, 1.711, 1.688, 1.699, 1.788, 1.965, 2.278, 2.806),
    (-0.080, -0.098, -0.131, -0.157, -0.158, -0.196, -0.254, -0.297, -0.341, -0.354, -0.347, -0.269),
)
_CLUMP_LOG_TEFF = (
    (3.671, 3.672, 3.672, 3.675, 3.678, 3.687, 3.690, 3.694, 3.695, 3.695, 3.689, 3.680),
    (-0.050, -0.049, -0.049, -0.057, -0.072, -0.076, -0.079, -0.079, -0.085, -0.094, -0.108, -0.127),
)
_LOG_GIANT_TIME = (  # log10 of the time on the red giant branch, in units of the time to its base
    (-1.614, -1.419, -1.218, -1.225, -1.389, -1.488, -1.595, -1.753, -1.951, -2.106, -2.275, -2.436),
    (-0.042, 0.022, 0.079, 0.097, 0.023, 0.038, 0.069, 0.101, 0.156, 0.225, 0.279, 0.354),
)
_LOG_CLUMP_TIME = (  # the same for all stages after the tip
    (-2.252, -1.919, -1.639, -1.448, -1.288, -1.068, -0.919, -0.746, -0.612, -0.628, -0.718, -0.854),
    (-0.095, -0.090, -0.072, -0.037, -0.016, 0.010, 0.005, 0.025, 0.090, 0.115, 0.109, 0.074),
)
# Along the giant branch the luminosity function is dN/dlogL ~ L^-5/6 (shell burning, core mass - luminosity
# relation of index 6: Hurley et al. 2000, eq. 37); log L falls by 0.78 dex per dex in log g on the branch
# below.
_GIANT_COUNT_SLOPE = 0.78 * 5 / 6
_CLUMP_LOG_L_RANGE, _CLUMP_LOG_TEFF_RANGE = 0.10, -0.012

# Polynomials: powers of (log10 mass, fraction of the main-sequence life, [M/H]) and coefficient.
_MS_LOG_TEFF = {
    (0, 0, 0): 3.75555,
    (0, 0, 1): -0.10354,
    (0, 0, 2): -0.02216,
    (0, 1, 0): 0.03144,
    (0, 1, 1): 0.01560,
    (0, 1, 2): 0.01143,
    (0, 2, 0): -0.00910,
    (0, 2, 1): 0.00128,
    (0, 3, 0): -0.01449,
    (1, 0, 0): 0.68318,
    (1, 0, 1): -0.06633,
    (1, 0, 2): -0.02522,
    (1, 1, 0): -0.11397,
    (1, 1, 1): -0.17675,
    (1, 2, 0): -0.37019,
    (2, 0, 0): 0.09525,
    (2, 0, 1): 0.04786,
    (2, 1, 0): 0.29714,
    (3, 0, 0): 0.05163,
}
_MS_LOGG = {
    (0, 0, 0): 4.51101,
    (0, 0, 1): -0.08455,
    (0, 0, 2): -0.01304,
    (0, 1, 0): -0.26352,
    (0, 1, 1): 0.05627,
    (0, 1, 2): 0.07169,
    (0, 2, 0): 0.33915,
    (0, 2, 1): 0.12827,
    (0, 3, 0): -0.47243,
    (1, 0, 0): -0.94137,
    (1, 0, 1): -0.41320,
    (1, 0, 2): -0.13650,
    (1, 1, 0): -0.21537,
    (1, 1, 1): -0.66958,
    (1, 2, 0): -0.68731,
    (2, 0, 0): 0.79925,
    (2, 0, 1): -0.15813,
    (2, 1, 0): -1.31814,
    (3, 0, 0): 2.78581,
}
# The same in (log g - 2.5, log10 mass, [M/H]) for the red giant branch.
_RGB_LOG_TEFF = {
    (0, 0, 0): 3.65574,
    (0, 0, 1): -0.05056,
    (0, 0, 2): -0.00850,
    (0, 1, 0): 0.06982,
    (0, 1, 1): 0.01558,
    (1, 0, 0): 0.04521,
    (1, 0, 1): 0.00603,
    (1, 1, 0): 0.02581,
    (2, 0, 0): -0.00613,
}
# Polynomials in log Teff - 3.7. The shape of BC_K is PARSEC's; its zero point is that of the real giants with
# seismic radii and Gaia parallaxes, 2.04 mag at 4700 K.
_BC_K = (1.850, -6.95, -4.71, 14.2, -10.6)
# Intrinsic colours, by powers of (log Teff - 3.7, log g - 2.5), from the CMD 3.9 tables in the 2MASS system.
_J_MINUS_K = {
    (0, 0): 0.55693,
    (0, 1): 0.00149,
    (1, 0): -3.47704,
    (1, 1): 0.09954,
    (2, 0): 3.12589,
    (2, 1): -1.37693,
    (3, 0): 26.40677,
    (3, 1): 7.08129,
    (4, 0): -104.76661,
}
_H_MINUS_K = {
    (0, 0): 0.07383,
    (0, 1): 0.00208,
    (1, 0): -0.74332,
    (1, 1): 0.03643,
    (2, 0): 3.91211,
    (2, 1): -0.54958,
    (3, 0): -0.05913,
    (3, 1): -0.22419,
    (4, 0): -30.98109,
}
# G - K by Teff [K], rounded: Gaia's magnitude is used for parallax errors only.
_G_MINUS_K = (
    (3400.0, 3700.0, 4000.0, 4500.0, 5000.0, 5772.0, 6500.0, 7500.0),
    (4.7, 3.9, 3.2, 2.5, 2.0, 1.4, 1.0, 0.6),
)


def time_to_giant_branch(log_mass, m_h):
    """Return log10 of the age [yr] at which a star reaches the base of the giant branch.

    Hurley, Pols & Tout (2000), eq. 4, with Z = 0.0152 x 10^[M/H].
    """
    # The formula holds for 1e-4 < Z < 0.03.
    return hurley_bgb_age(10**log_mass, np.clip(SUN_Z * 10**m_h, 1e-4, 0.03))


def _at_knots(table, log_mass, m_h):
    return np.interp(log_mass, _KNOTS, table[0]) + m_h * np.interp(log_mass, _KNOTS, table[1])


def _polynomial(terms, *variables):
    """Sum a polynomial given as a dict of powers and coefficients."""
    total = 0.0
    for powers, coefficient in terms.items():
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
    start = _at_knots(_SUBGIANT_START, log_mass, m_h)
    giant = t_bgb * 10 ** _at_knots(_LOG_GIANT_TIME, log_mass, m_h)
    clump = t_bgb * 10 ** _at_knots(_LOG_CLUMP_TIME, log_mass, m_h)
    log_g_range = _at_knots(_BASE_LOGG, log_mass, m_h) - _at_knots(_TIP_LOGG, log_mass, m_h)
    spent = start * np.clip(stage, 0, 1) + (1 - start) * np.clip(stage - 1, 0, 1)
    depth = np.clip(stage - 2, 0, 1)
    return t_bgb * spent + giant * _giant_time_fraction(depth, log_g_range) + clump * np.clip(stage - 3, 0, 1)


def main_sequence_fraction(log_mass, years, m_h):
    """Return which fraction (0-1) of its main-sequence life a star of given age [Gyr] has spent."""
    life = 10 ** (time_to_giant_branch(log_mass, m_h) - 9) * _at_knots(_SUBGIANT_START, log_mass, m_h)
    return np.clip(years / life, 0, 1)


def luminosity(log_mass, log_teff, logg):
    """Return log10 L/Lsun from mass, temperature and gravity."""
    return log_mass - (logg - SUN_LOGG) + 4 * (log_teff - np.log10(SUN_TEFF))


def place(log_mass, stage, m_h):
    """Place stars on the Kiel diagram.

    Parameters
    ----------
    log_mass, stage, m_h : ndarray
        log10 mass [Msun], stage of life (0-4), [M/H]; they broadcast.

    Returns
    -------
    log_teff, logg : ndarray
        log10 Teff [K] and log g [dex].
    """
    fraction = np.clip(stage, 0, 1)
    ms_teff = _polynomial(_MS_LOG_TEFF, log_mass, fraction, m_h)
    ms_logg = _polynomial(_MS_LOGG, log_mass, fraction, m_h)
    base = _at_knots(_BASE_LOGG, log_mass, m_h)
    base_teff = _polynomial(_RGB_LOG_TEFF, base - 2.5, log_mass, m_h)
    step = np.clip(stage - 1, 0, 1)
    log_teff = ms_teff + step * (base_teff - ms_teff)
    logg = ms_logg + step * (base - ms_logg)

    giant_logg = base + np.clip(stage - 2, 0, 1) * (_at_knots(_TIP_LOGG, log_mass, m_h) - base)
    giant_teff = _polynomial(_RGB_LOG_TEFF, giant_logg - 2.5, log_mass, m_h)
    is_giant = stage >= RED_GIANT
    log_teff = np.where(is_giant, giant_teff, log_teff)
    logg = np.where(is_giant, giant_logg, logg)

    step = np.clip(stage - 3, 0, 1) - 0.5
    clump_teff = _at_knots(_CLUMP_LOG_TEFF, log_mass, m_h) + step * _CLUMP_LOG_TEFF_RANGE
    clump_light = _at_knots(_CLUMP_LOG_L, log_mass, m_h) + step * _CLUMP_LOG_L_RANGE
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
    return (_polynomial(_J_MINUS_K, x, y), _polynomial(_H_MINUS_K, x, y), np.interp(10**log_teff, *_G_MINUS_K))
