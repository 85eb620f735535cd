"""A mock survey with known truth."""

from numbers import Integral, Real

import numpy as np

from skdistmass.datasets import evolution, observe, population, spectra
from skdistmass.exceptions import InputError
from skdistmass.surveys.clusters import load_clusters, match_clusters


def make_survey(
    n_stars=10_000,
    *,
    giant_fraction=0.7,
    binary_fraction=0.35,
    twin_fraction=0.2,
    cluster_fraction=0.02,
    clusters=None,
    repeat_fraction=0.02,
    seismic_fraction=0.3,
    label_noise=1.0,
    sentinel_fraction=0.005,
    bad_fraction=0.02,
    parallax_zero_point=0.0,
    cn_feh_slope=-0.2,
    cn_scatter=0.04,
    cn_radial_trend=0.0,
    cn_low_logg_rise=0.0,
    cluster_distance_offset=None,
    random_state=None,
):
    """Make a mock spectroscopic survey whose truth is known.

    Parameters
    ----------
    n_stars : int, default=10_000
        Number of rows: spectra, repeated ones included.
    giant_fraction : float, default=0.7
        Fraction of the field stars that have reached the giant branch.
    binary_fraction : float, default=0.35
        Fraction of stars with an unresolved main-sequence companion of the same age.
    twin_fraction : float, default=0.2
        Fraction of the companions whose mass ratio is uniform in 0.95-1, an excess as Moe & Di Stefano (2017,
        ApJS 230, 15) find it; that of the others is uniform in 0.1-1.
    cluster_fraction : float, default=0.02
        Fraction of stars that are members of star clusters.
    clusters : list of str, optional
        Names of the clusters, in any usual spelling, from Table 1 of the paper; by default sixteen of them.
    repeat_fraction : float, default=0.02
        Fraction of rows that are a further spectrum of a star, with the same APOGEE_ID and labels of their own noise.
    seismic_fraction : float, default=0.3
        Fraction of giants with a seismic mass. A third of that fraction of dwarfs and subgiants have an
        isochrone or seismic mass, as in section 2 of the paper.
    label_noise : float, default=1.0
        Errors of the labels in units of the quoted ones; 0 for exact labels.
    sentinel_fraction : float, default=0.005
        Fraction of the entries of each measured column that are missing: -9999.99 or NaN for labels and
        extinctions, 99 for magnitudes, NaN for parallaxes and distances. 0 for none, and no NaN in labels.
    bad_fraction : float, default=0.02
        Fraction of spectra with the STAR_BAD bit (23) of ASPCAPFLAG, whose labels are off by 300 K and 0.5 dex.
    parallax_zero_point : float, default=0.0
        Offset [mas] added to all parallaxes.
    cn_feh_slope : float, default=-0.2
        Slope of birth [C/N] with [Fe/H] (section 5, figure 8).
    cn_scatter : float, default=0.04
        Star-to-star scatter of birth [C/N] in dex.
    cn_radial_trend : float, default=0.0
        Planted trend of birth [C/N] with Galactocentric radius, dex/kpc (figure 9 finds none).
    cn_low_logg_rise : float, default=0.0
        Planted rise of [C/N] below log g 2.5, dex per dex in log g (section 5.2, figure 10).
    cluster_distance_offset : dict, optional
        Cluster name to a factor on its distance, so that its stars contradict Table 1.
    random_state : int, numpy Generator or None, default=None
        Seed. The same seed gives the same table. The planted effects and the noise draw no numbers of their
        own: with the same seed and counts, the stars stay the same.

    Returns
    -------
    survey : astropy.table.Table
        One row per spectrum in random order. Columns are named as in APOGEE's DR17 allStar file (magnitudes,
        AK_*, Gaia EDR3, labels and errors, flags), plus A_K as chosen in section 2, seismic masses named as
        in the shared table of Kepler giants, CLUSTER, and the truth: TRUE_MASS [Msun], TRUE_LOG_AGE [log10
        yr], TRUE_DISTANCE [kpc], TRUE_ABS_MAG (M_K of the labelled star alone), TRUE_EXTINCTION (A_K),
        TRUE_TEFF and so on for the labels, TRUE_STAGE (MS, SGB, RGB, RC), TRUE_BINARY, TRUE_MASS_RATIO (0 if
        single), TRUE_MAG_EXCESS (how much brighter than TRUE_ABS_MAG the companion makes it in K),
        TRUE_BIRTH_CN and TRUE_RADIUS_GC [kpc]. ``meta["MOCK"]`` tells the parameters.

    Raises
    ------
    InputError
        If a parameter is out of its range or a cluster is not among those the mock knows.

    Notes
    -----
    *Stars.* Constant star formation in each of three populations (thin and thick disc, halo), Kroupa (2001)
    mass function, time to the base of the giant branch of Hurley, Pols & Tout (2000), later stages and Teff
    and log g along them from fits to PARSEC v1.2S (Bressan et al. 2012). M_K follows from mass, log g and
    Teff exactly but for the bolometric correction: log L = log M - log g + 4 log Teff + const, M_bol = 4.74 -
    2.5 log L, M_K = M_bol - BC_K(Teff), BC_K = 2.04 at 4700 K. No mass loss, no asymptotic giant branch.

    *Surface abundances.* Birth [C/N] depends on [Fe/H]; the first dredge-up (at log g 3.35 for stars below 1.6 Msun)
    lowers [C/N] by an amount that grows with mass, fitted to the Kepler giants at solar metallicity, and keeps C + N.

    *Observation.* Stars with 7 < H < 12.2 (clusters: 14) and 3500 < Teff < 7000 K, in plane-parallel layers around the
    Sun. Extinction from an exponential dust layer with clumps; photometric errors 0.02 mag; Gaia EDR3 parallax errors
    by magnitude; distances as of Bailer-Jones et al. (2021) from parallax and a prior; quoted label errors as DR17's. A
    companion adds its light to the magnitudes; labels and parallax stay the primary's.

    Examples
    --------
    >>> from skdistmass.datasets import make_survey
    >>> survey = make_survey(1000, random_state=1)
    >>> len(survey), survey["TRUE_DISTANCE"].unit
    (1000, Unit("kpc"))
    >>> giants = survey[survey["TRUE_LOGG"] < 3.5]
    >>> bool(0.6 < len(giants) / len(survey) < 0.8)
    True
    """
    parameters = {name: value for name, value in locals().items() if name != "random_state"}
    _check(parameters)
    offsets = _cluster_offsets(cluster_distance_offset or {})
    chosen = [_cluster(name) for name in (population.CLUSTERS if clusters is None else clusters)]
    rng = np.random.default_rng(random_state)

    n_repeats = min(round(repeat_fraction * n_stars), max(n_stars - 1, 0))  # of one star at least
    truth = _draw_stars(rng, n_stars - n_repeats, giant_fraction, cluster_fraction if chosen else 0.0, chosen, offsets)
    _add_chemistry(rng, truth, cn_feh_slope, cn_scatter, cn_radial_trend, cn_low_logg_rise)
    _add_companions(rng, truth, binary_fraction, twin_fraction)
    star = spectra.single(spectra.observe_stars(rng, truth, parallax_zero_point))
    star |= spectra.single(spectra.masses(rng, truth, seismic_fraction))
    star |= spectra.truth_columns(truth)
    del truth  # a whole survey's worth of arrays

    first = np.arange(n_stars - n_repeats)
    rows = rng.permutation(np.concatenate([first, rng.integers(0, max(len(first), 1), n_repeats)]))
    columns = {name: star.pop(name)[rows] for name in list(star)}
    columns |= spectra.single(spectra.take_spectra(rng, columns, label_noise, bad_fraction))
    spectra.lose_entries(rng, columns, sentinel_fraction)
    return spectra.as_table(columns, parameters)


def _check(parameters):
    if not isinstance(parameters["n_stars"], Integral) or parameters["n_stars"] < 0:
        raise InputError(f"n_stars is {parameters['n_stars']!r}; give a whole number of 0 or more.")
    for name, value in parameters.items():
        if name in ("n_stars", "clusters", "cluster_distance_offset"):
            continue
        if not isinstance(value, Real) or not np.isfinite(value):
            raise InputError(f"{name} is {value!r}; give a finite number.")
        if name.endswith("_fraction") and not 0 <= value <= 1:
            raise InputError(f"{name} is {value!r}; give a number from 0 to 1.")
        if name in ("label_noise", "cn_scatter") and value < 0:
            raise InputError(f"{name} is {value!r}; give a number of 0 or more.")


def _cluster(name):
    """Return name and distance (kpc) of a cluster as Table 1 has them."""
    row = match_clusters(name)
    known = load_clusters()[row] if row >= 0 else {"NAME": None}
    if known["NAME"] not in population.CLUSTERS:
        raise InputError(f"no mock cluster {name!r}; there are: {', '.join(population.CLUSTERS)}.")
    return str(known["NAME"]), float(known["DISTANCE"])


def _cluster_offsets(factors):
    """Return {name as in Table 1: factor}."""
    for name, factor in factors.items():
        if not isinstance(factor, Real) or not 0 < factor < np.inf:
            raise InputError(f"cluster_distance_offset of {name!r} is {factor!r}; give a positive factor.")
    return {_cluster(name)[0]: float(factor) for name, factor in factors.items()}


def _draw_stars(rng, n, giant_fraction, cluster_fraction, clusters, offsets):
    """Draw masses, stages, metallicities and places of field and cluster stars, and what follows."""
    n_members = round(cluster_fraction * n)
    log_mass, stage, m_h, distance, longitude, latitude = population.draw_field(rng, n - n_members, giant_fraction)
    member_of = rng.integers(0, max(len(clusters), 1), n_members)
    parts = [(log_mass, stage, m_h, longitude, latitude)]
    distances, names = [distance], [np.full(n - n_members, "", dtype="U9")]
    for index, (name, table_distance) in enumerate(clusters):
        count = np.count_nonzero(member_of == index)
        parts.append(population.draw_cluster(rng, count, name, table_distance))
        distances.append(np.full(count, table_distance * offsets.get(name, 1.0)))
        names.append(np.full(count, name, dtype="U9"))
    keys = ("log_mass", "stage", "m_h", "longitude", "latitude")
    truth = {key: np.concatenate(values) for key, values in zip(keys, zip(*parts, strict=True), strict=True)}
    truth["distance"], truth["cluster"] = np.concatenate(distances), np.concatenate(names)
    truth["log_teff"], truth["logg"] = evolution.place(truth["log_mass"], truth["stage"], truth["m_h"])
    truth["age"] = evolution.age(truth["log_mass"], truth["stage"], truth["m_h"])
    truth["abs_mag"] = evolution.absolute_magnitude(truth["log_mass"], truth["log_teff"], truth["logg"])
    truth["extinction"], truth["ebv"] = observe.dust(rng, truth["distance"], truth["latitude"])
    return truth


def _add_chemistry(rng, truth, feh_slope, scatter, radial_trend, low_logg_rise):
    radius = population.galactocentric_radius(truth["distance"], truth["longitude"], truth["latitude"])
    truth["radius"] = radius
    trends = observe.BIRTH_CN + feh_slope * truth["m_h"] + radial_trend * (radius - population.SUN_RADIUS)
    truth["birth_cn"] = trends + scatter * rng.standard_normal(len(radius))
    stars = 10 ** truth["log_mass"], truth["logg"], truth["stage"], truth["birth_cn"]
    truth["c_fe"], truth["n_fe"] = observe.carbon_nitrogen(*stars, low_logg_rise)


def _add_companions(rng, truth, binary_fraction, twin_fraction):
    """Add the magnitudes J, H, K, G of star plus companion at 10 pc, without extinction."""
    n = len(truth["logg"])
    truth["binary"] = rng.random(n) < binary_fraction
    ratio = np.where(rng.random(n) < twin_fraction, rng.uniform(0.95, 1.0, n), rng.uniform(0.1, 1.0, n))
    truth["mass_ratio"] = np.where(truth["binary"], ratio, 0.0)
    log_mass = truth["log_mass"] + np.log10(ratio)
    # Below 0.5 Msun, where the relations end, M_K rises by 5.6 mag per dex in mass (PARSEC: 9.8 at 0.1 Msun).
    missing = np.clip(np.log10(0.5) - log_mass, 0, None)
    log_mass = np.maximum(log_mass, np.log10(0.5))
    fraction = evolution.main_sequence_fraction(log_mass, truth["age"], truth["m_h"])
    log_teff, logg = evolution.place(log_mass, fraction, truth["m_h"])
    companion = evolution.absolute_magnitude(log_mass, log_teff, logg) + 5.6 * missing
    own, light = evolution.colours(truth["log_teff"], truth["logg"]), evolution.colours(log_teff, logg)
    for band, mine, other in zip("JHG", own, light, strict=True):
        truth["M_" + band] = _together(truth["abs_mag"] + mine, companion + other, truth["binary"])
    truth["M_K"] = _together(truth["abs_mag"], companion, truth["binary"])


def _together(magnitude, other, both):
    """Return the magnitude of the first light and, where `both`, the second."""
    return magnitude - np.where(both, 2.5 * np.log10(1 + 10 ** (-0.4 * (other - magnitude))), 0.0)
