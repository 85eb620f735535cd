"""Fit the relations that the mock survey's stars follow, and print them.

`skdistmass.datasets` makes mock stars without data files. The numbers in its private module of stellar
relations are printed here, fitted to the PARSEC v1.2S isochrones of the shared data (Bressan et al. 2012),
with the residual of each fit. Run it as ``python benchmarks/mock_relations.py``.
"""

import itertools

import numpy as np
import pandas as pd

from skdistmass.surveys import data_dir

MAIN_SEQUENCE, SUBGIANT, RED_GIANT, HELIUM_CORE = 0, 1, 2, 3
KNOTS = np.array([0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 1.9, 2.0, 2.2, 2.5, 3.0, 4.0])


def polynomial(columns, degrees, total):
    """Return the exponents of all monomials and the matrix of their values."""
    powers = [p for p in itertools.product(*(range(d + 1) for d in degrees)) if sum(p) <= total]
    return powers, np.column_stack([np.prod([c**k for c, k in zip(columns, p, strict=True)], axis=0) for p in powers])


def fit(name, target, columns, degrees, total, weight=None):
    """Fit a polynomial by least squares, print its terms and its residual."""
    powers, matrix = polynomial(columns, degrees, total)
    weight = np.ones(len(target)) if weight is None else np.sqrt(weight)
    coefficients = np.linalg.lstsq(matrix * weight[:, None], target * weight, rcond=None)[0]
    residual = target - matrix @ coefficients
    print(f"{name} = {{  # rms residual {residual.std():.4f}, largest {np.abs(residual).max():.4f}")
    for power, coefficient in zip(powers, coefficients, strict=True):
        print(f"    {power}: {coefficient:.5f},")
    print("}")


def read_isochrones():
    """Read the isochrones, without the post-AGB points that are labelled as main sequence."""
    table = pd.read_parquet(data_dir() / "isochrones" / "parsec_v12s.parquet")
    table = table[(table.MH < 0.6) & (table.logAge > 8.15)]
    table = table[~((table.phase == MAIN_SEQUENCE) & ((table.logg < 3.5) | (table.logL > 2.6)))]
    return table.assign(MH=table.MH.round(4))


def boundaries(table):
    """Return, for each isochrone, mass, gravity and so on where the phases begin and end."""
    rows = []
    for (mh, age), iso in table.groupby(["MH", "logAge"]):
        parts = {phase: part.sort_values("Mini") for phase, part in iso.groupby("phase")}
        if not all(phase in parts for phase in (SUBGIANT, RED_GIANT, HELIUM_CORE)):
            continue
        red, helium = parts[RED_GIANT], parts[HELIUM_CORE]
        weight = np.gradient(helium.int_IMF.to_numpy())
        weight = np.clip(weight, 0, None) + 1e-12
        rows.append(
            {
                "MH": mh,
                "age": age,
                "m_tams": parts[SUBGIANT].Mini.iloc[0],
                "m_bgb": red.Mini.iloc[0],
                "logg_base": red.logg.iloc[0],
                "logg_tip": red.logg.min(),
                "clump_logl": np.average(helium.logL, weights=weight),
                "clump_logt": np.average(helium.logTe, weights=weight),
                "clump_m": np.average(helium.Mini, weights=weight),
                "width": np.sqrt(np.cov(helium.logL, aweights=weight)),
            }
        )
    return pd.DataFrame(rows)


def knot_values(mass, values, metallicity):
    """Print, at the knots in mass, the value at solar metallicity and the slope in [M/H] of points nearby."""
    for knot in KNOTS:
        near = np.abs(np.log10(mass / knot)) < 0.03
        slope, zero = np.polyfit(metallicity[near], values[near], 1)
        scatter = np.std(values[near] - zero - slope * metallicity[near])
        print(f"    {knot}: ({zero:.4f}, {slope:.4f}),  # scatter {scatter:.4f}")


def main():
    """Print all relations."""
    table = read_isochrones()
    edges = boundaries(table)

    # Main sequence: Teff and log g by mass, fraction of the main-sequence life, and metallicity.
    parts = []
    for mh, part in table[table.phase == MAIN_SEQUENCE].groupby("MH"):
        edge = edges[mh == edges.MH].sort_values("m_tams")
        end = np.interp(np.log10(part.Mini), np.log10(edge.m_tams), edge.age, left=np.nan, right=np.nan)
        slope = np.polyfit(np.log10(edge.m_tams)[:5], edge.age[:5], 1)
        end = np.where(np.isnan(end), np.polyval(slope, np.log10(part.Mini)), end)
        parts.append(part.assign(fraction=10 ** (part.logAge - end)))
    ms = pd.concat(parts)
    ms = ms[(ms.Mini > 0.45) & (ms.Mini < 3) & (ms.fraction < 1.0)]
    columns = [np.log10(ms.Mini).to_numpy(), ms.fraction.to_numpy(), ms.MH.to_numpy()]
    fit("MS_LOG_TEFF", ms.logTe.to_numpy(), columns, (3, 3, 2), 3)
    fit("MS_LOGG", ms.logg.to_numpy(), columns, (3, 3, 2), 3)

    log_mass = np.log10(edges.m_bgb).to_numpy()
    end_ms = np.concatenate(
        [
            10 ** (np.interp(np.log10(e.m_bgb), np.log10(e.m_tams), e.age, left=np.nan, right=np.nan) - e.age)
            for _, e in edges.sort_values("m_tams").groupby("MH")
        ]
    )
    ordered = pd.concat([e for _, e in edges.sort_values("m_tams").groupby("MH")])
    good = np.isfinite(end_ms)
    print("SUBGIANT_START (fraction of the time to the base of the giant branch) at knots in mass")
    knot_values(ordered.m_bgb.to_numpy()[good], end_ms[good], ordered.MH.to_numpy()[good])
    print("BASE_LOGG at knots")
    knot_values(edges.m_bgb.to_numpy(), edges.logg_base.to_numpy(), edges.MH.to_numpy())
    print("TIP_LOGG at knots")
    knot_values(edges.m_bgb.to_numpy(), edges.logg_tip.to_numpy(), edges.MH.to_numpy())
    print("CLUMP_LOG_L at knots")
    knot_values(edges.clump_m.to_numpy(), edges.clump_logl.to_numpy(), edges.MH.to_numpy())
    print("CLUMP_LOG_TEFF at knots")
    knot_values(edges.clump_m.to_numpy(), edges.clump_logt.to_numpy(), edges.MH.to_numpy())
    print("spread of log L in the clump", edges.width.describe().round(3).to_dict(), log_mass.shape)

    rgb = table[(table.phase == RED_GIANT) & (table.logg < 3.5) & (table.logg > 0) & (table.Mini < 4)]
    fit(
        "RGB_LOG_TEFF",
        rgb.logTe.to_numpy(),
        [rgb.logg.to_numpy() - 2.5, np.log10(rgb.Mini).to_numpy(), rgb.MH.to_numpy()],
        (2, 1, 2),
        2,
    )

    ages = pd.read_csv(data_dir() / "isochrones" / "giant_ages.csv")
    ages = ages[(ages.mass_init < 4.2) & (ages.feh <= 0.5)]
    bgb, tip, end = (10 ** ages[c].to_numpy() for c in ("logt_bgb", "logt_trgb", "logt_end"))
    print("log10 RGB_TIME / t_bgb")
    knot_values(ages.mass_init.to_numpy(), np.log10((tip - bgb) / bgb), ages.feh.to_numpy())
    print("log10 HELIUM_TIME / t_bgb")
    knot_values(ages.mass_init.to_numpy(), np.log10((end - tip) / bgb), ages.feh.to_numpy())

    # Bolometric correction and colours by temperature alone, over stars as a survey meets them.
    stars = table[(table.logTe > 3.53) & (table.logTe < 3.90) & (table.phase <= HELIUM_CORE) & (table.Mini > 0.4)]
    x = stars.logTe.to_numpy() - 3.7
    fit("BC_K", (stars.mbol - stars.Ks).to_numpy(), [x], (4,), 4)
    frames = []
    for path in sorted((data_dir() / "isochrones" / "cmd39").glob("*thin*.dat")):
        with open(path) as file:
            names = next(line for line in file if line.startswith("# Zini")).lstrip("# ").split()
        frames.append(pd.read_csv(path, comment="#", sep=r"\s+", names=names))
    cmd = pd.concat(frames)
    cmd = cmd[(cmd.label <= 4) & (cmd.logTe > 3.53) & (cmd.logTe < 3.90) & (cmd.Mini > 0.4)]
    x = cmd.logTe.to_numpy() - 3.7
    fit("J_MINUS_K", (cmd.Jmag - cmd.Ksmag).to_numpy(), [x, cmd.logg.to_numpy() - 2.5], (4, 1), 4)
    fit("H_MINUS_K", (cmd.Hmag - cmd.Ksmag).to_numpy(), [x, cmd.logg.to_numpy() - 2.5], (4, 1), 4)
    fit("BC_K from CMD", (cmd.mbolmag - cmd.Ksmag).to_numpy(), [x], (4,), 4)


if __name__ == "__main__":
    main()
