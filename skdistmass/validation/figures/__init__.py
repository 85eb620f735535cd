"""Figures 1 to 18 of the paper, drawn of one's own catalogue.

Each function takes a table of `skdistmass.validation.join_reference` (a bare catalogue will do where no reference is
needed) and returns a matplotlib Figure, made without pyplot: ``figure.savefig("fig04.pdf")``. One that lacks its
input raises `skdistmass.validation.MissingInputError`, which says what is lacking.
"""

from skdistmass.validation.figures.ages import (
    fig15_age_vs_cn,
    fig16_age_comparison,
    fig17_cluster_ages,
    fig18_cluster_kiel,
)
from skdistmass.validation.figures.distances import (
    fig01_parameter_space,
    fig02_cluster_coverage,
    fig03_binaries,
    fig04_mad_vs_logg,
    fig05_cluster_distances,
)
from skdistmass.validation.figures.masses import (
    fig06_kiel_mass_cn,
    fig07_cn_mass,
    fig08_birth_cn,
    fig09_cn_radius,
    fig10_cn_low_logg,
    fig11_mass_space,
    fig12_reference_mass_histograms,
    fig13_learned_relations,
    fig14_predicted_mass_histograms,
)

__all__ = [
    "fig01_parameter_space",
    "fig02_cluster_coverage",
    "fig03_binaries",
    "fig04_mad_vs_logg",
    "fig05_cluster_distances",
    "fig06_kiel_mass_cn",
    "fig07_cn_mass",
    "fig08_birth_cn",
    "fig09_cn_radius",
    "fig10_cn_low_logg",
    "fig11_mass_space",
    "fig12_reference_mass_histograms",
    "fig13_learned_relations",
    "fig14_predicted_mass_histograms",
    "fig15_age_vs_cn",
    "fig16_age_comparison",
    "fig17_cluster_ages",
    "fig18_cluster_kiel",
]
