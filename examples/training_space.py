"""Draw where the Kepler-trained mass model may be believed.

One column of panels for each set of stars: held-back Kepler giants, K2 giants, dwarfs and subgiants, cluster
members. Above the Kiel diagram, below [C/N] against [M/H]; the K2 table has neither C nor N, so its stars are
judged by the other three labels and shown in log g against [M/H].
Run with ``python examples/training_space.py --out FOLDER``.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from astropy.table import Table

from skdistmass.estimators.training_space import ANSWERS, EDGE, INSIDE, OUTSIDE, TrainingSpace
from skdistmass.labels import LABEL_NAMES, read_labels
from skdistmass.surveys import data_dir

# Okabe & Ito's colours, told apart by all eyes.
STYLE = {
    INSIDE: {"color": "#0072B2", "marker": ".", "s": 3, "zorder": 2},
    EDGE: {"color": "#E69F00", "marker": "o", "s": 7, "zorder": 3},
    OUTSIDE: {"color": "#D55E00", "marker": "x", "s": 12, "linewidths": 0.7, "zorder": 4},
}


def read_stars(name, names=LABEL_NAMES):
    """Return the labels of a real table's stars, complete rows only, and the table's rows."""
    table = Table.read(data_dir() / name)
    labels = read_labels(table, names).values
    complete = np.isfinite(labels).all(axis=1)
    return labels[complete], table[complete]


def kepler_training_labels():
    """Return the labels of the giants whose mass is good to 10 %."""
    labels, table = read_stars("kepler_giants.fits")
    mass, error = (np.asarray(table[name], dtype=float) for name in ("MASS", "MASS_ERR"))
    with np.errstate(invalid="ignore"):
        return labels[(error / mass < 0.1) & (mass > 0.5) & (mass < 4)]


def kiel(labels):
    return labels[:, 0], labels[:, 1]


def abundances(labels):
    return labels[:, 2], labels[:, 3] - labels[:, 4]


def gravity_metallicity(labels):
    return labels[:, 2], labels[:, 1]


AXES = {
    kiel: (r"$T_\mathrm{eff}$ [K]", r"$\log g$ [dex, cgs]", (6900, 3200), (5.1, -0.4)),
    abundances: ("[M/H] [dex]", "[C/N] [dex]", (-2.6, 0.8), (-2.1, 1.2)),
    gravity_metallicity: ("[M/H] [dex]", r"$\log g$ [dex, cgs]", (-2.6, 0.8), (5.1, -0.4)),
}


def draw_panel(ax, coordinates, training, labels, answers):
    """Draw stars by answer over the training stars in grey."""
    ax.scatter(*coordinates(training), color="0.8", s=2, linewidths=0, rasterized=True, zorder=1)
    for code, style in STYLE.items():
        ax.scatter(*coordinates(labels[answers == code]), rasterized=True, **style)
    x_label, y_label, x_range, y_range = AXES[coordinates]
    ax.set(xlabel=x_label, ylabel=y_label, xlim=x_range, ylim=y_range)
    x, y = coordinates(labels)
    beyond = int(((x < min(x_range)) | (x > max(x_range)) | (y < min(y_range)) | (y > max(y_range))).sum())
    if beyond:
        ax.text(0.97, 0.03, f"{beyond} beyond the frame", transform=ax.transAxes, ha="right", fontsize=8)


def draw(out):
    """Fit the space and write ``training_space.png`` into the folder `out`."""
    training = kepler_training_labels()
    space = TrainingSpace(random_state=0).fit(training)
    without_c_n = TrainingSpace(label_names=LABEL_NAMES[:3], random_state=0).fit(training[:, :3])

    columns = [("Kepler giants, held back", training, space.answer(space.oof_scores_), abundances)]
    labels, _ = read_stars("k2_giants.fits", LABEL_NAMES[:3])
    columns.append(("K2 giants, without C and N", labels, without_c_n.classify(labels), gravity_metallicity))
    for title, name in (("Dwarfs and subgiants", "dwarfs.fits"), ("Cluster members", "cluster_members.fits")):
        labels, _ = read_stars(name)
        columns.append((title, labels, space.classify(labels), abundances))

    figure, axes = plt.subplots(2, 4, figsize=(17, 8.5), layout="constrained")
    for (title, labels, answers, lower), (top, bottom) in zip(columns, axes.T, strict=True):
        draw_panel(top, kiel, training, labels, answers)
        draw_panel(bottom, lower, training, labels, answers)
        shares = [f"{ANSWERS[code]} {100 * np.mean(answers == code):.1f} %" for code in STYLE]
        top.set_title(f"{title} ({len(labels)})\n{', '.join(shares)}", fontsize=10)
        print(f"{title}: {len(labels)} stars, {', '.join(shares)}")
    handles = [plt.Line2D([], [], linestyle="", color="0.8", marker=".", markersize=8, label="training stars")]
    for code, style in STYLE.items():
        handles.append(
            plt.Line2D([], [], linestyle="", color=style["color"], marker=style["marker"], label=ANSWERS[code])
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "training_space.png", dpi=130)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder for the figure")
    draw(parser.parse_args().out)


if __name__ == "__main__":
    main()
