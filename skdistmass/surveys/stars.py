"""The record of stars that a survey table becomes: read once, then passed on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skdistmass.exceptions import ColumnError, InputError
from skdistmass.labels import LABEL_NAMES


@dataclass(frozen=True, eq=False)
class Stars:
    """Stars of a survey, read once: one array for each quantity, in one unit, with one name.

    `skdistmass.surveys.read_survey` and `skdistmass.surveys.as_stars` make it. A single column is
    ``stars["TEFF"]``; rows are taken by ``stars[:100]``, a mask or row numbers. The quantities are:

    - APOGEE_ID, APSTAR_ID, TMASS_ID, SURVEY_ID, CLUSTER : text.
    - GAIA_SOURCE_ID, SDSS_ID, KIC, EPIC : int64, 0 if missing.
    - RA, DEC, GLON, GLAT [deg].
    - TEFF [K], LOGG [dex(cm s-2)], M_H, FE_H, C_FE, N_FE [dex] and their errors, TEFF_ERR and so on. If the
      file has no [M/H], [Fe/H] stands in for it, and ``stars.metallicity`` says so.
    - J, H, K and their errors, IRAC_4_5, WISE_4_5 and Gaia's magnitudes [mag].
    - A_K, EBV [mag], with A_K_SRC and EBV_SRC, which say where each star's value is from; A_K_ERR, NaN if unknown.
    - PARALLAX, PARALLAX_ERR [mas], PARALLAX_SRC: "Gaia EDR3", "Gaia DR2", "Hipparcos" ...; " corrected" is added
      if the zero point is taken off. A value is never taken from one source and its error from another.
    - GAIAEDR3_DIST [kpc], GAIAEDR3_DIST_SRC, and GAIAEDR3_DIST_LO and _HI if the file has them.
    - LABEL_SRC, MASS_SRC : text, the source of each star's labels and mass, where a file has several.
    - MASS and MASS_* [Msun], AGE and AGE_* (in the unit of ``stars.units``; log10 of years if it has none).
    - STARFLAG, ASPCAPFLAG : int64, 0 if missing.
    - BAD_STAR : bool, whether the survey's flags say not to use the star. An abundance that is flagged is missing.
    - BAD_PARALLAX : bool, whether RUWE is above 1.4 (Lindegren et al. 2018, Gaia technical note GAIA-C3-TN-LU-LL-124);
      parallax and distance are kept.

    Attributes
    ----------
    columns : dict of ndarray
        Name of each quantity to its values: NaN where a number is missing, blank where a text is.
    origin : dict of tuple of str
        Name of each quantity to the columns of the file it was read from.
    units : dict of str
        Unit of each column of floats that is no quantity of the package, as the file states it.
    metallicity : str
        ``"M_H"`` or ``"FE_H"``: what the quantity M_H holds.
    source : str
        File the stars are from, blank for a table in memory.
    table : str
        Table within the file.
    layout : str
        Name of the survey layout it was recognised as.
    impossible : dict of int
        Name of a quantity to the number of its values that no star can have, which are missing here.
    """

    columns: Mapping[str, np.ndarray]
    origin: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    metallicity: str = "M_H"
    source: str = ""
    table: str = ""
    layout: str = ""
    impossible: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {len(values) for values in self.columns.values()}
        if len(lengths) > 1:
            raise InputError("the columns of the stars differ in length.")

    def __len__(self) -> int:
        return next((len(values) for values in self.columns.values()), 0)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of stars and of columns; with it scikit-learn's splitters take rows of a record."""
        return len(self), len(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            if key not in self.columns:
                raise ColumnError(f"the stars have no {key}; they have {', '.join(self.columns)}.")
            return self.columns[key]
        return replace(self, columns={name: values[key] for name, values in self.columns.items()})

    def floats(self, name: str) -> np.ndarray:
        """Return a column of numbers; NaN for every star if it is absent."""
        return self.columns[name] if name in self.columns else np.full(len(self), np.nan)

    def text(self, name: str) -> np.ndarray:
        """Return a column of text; blank for every star if it is absent."""
        return self.columns[name] if name in self.columns else np.full(len(self), "", dtype="U1")

    def integers(self, name: str) -> np.ndarray:
        """Return a column of whole numbers; 0 for every star if it is absent."""
        return self.columns[name] if name in self.columns else np.zeros(len(self), dtype=np.int64)

    @property
    def labels(self) -> np.ndarray:
        """The five labels, shape (n_stars, 5); NaN where missing."""
        return np.column_stack([self.floats(name) for name in LABEL_NAMES])

    @property
    def label_errors(self) -> np.ndarray:
        """Their errors, shape (n_stars, 5); NaN where unknown."""
        return np.column_stack([self.floats(f"{name}_ERR") for name in LABEL_NAMES])

    def with_columns(self, columns: Mapping[str, np.ndarray]) -> "Stars":
        """Return stars with some columns added or replaced; the others are shared."""
        return replace(self, columns={**self.columns, **columns})

    def with_metallicity(self, name: str) -> "Stars":
        """Return stars whose M_H and M_H_ERR hold [M/H] or [Fe/H] ("M_H", "FE_H"), as a model was trained on.

        They are the same stars if the survey does not have the one wanted.
        """
        if name == self.metallicity or name != "FE_H" or "FE_H" not in self.columns:
            return self
        columns = {"M_H": self.columns["FE_H"], "M_H_ERR": self.floats("FE_H_ERR")}
        origin = {**self.origin, "M_H": self.origin.get("FE_H", ("FE_H",))}
        return replace(self, columns={**self.columns, **columns}, origin=origin, metallicity="FE_H")


def stack_stars(parts: Sequence[Stars]) -> Stars:
    """Put stars of several surveys one below the other, on one kind of metallicity.

    Parameters
    ----------
    parts : sequence of Stars

    Returns
    -------
    stars : Stars
        All rows; a column that one part does not have is missing in its rows. If [Fe/H] stands for [M/H] in one part,
        it does in all.

    Raises
    ------
    ColumnError
        If one part has [Fe/H] only and another has none, or a column is text in one and numbers in another.
    InputError
        If there is no part.

    Examples
    --------
    >>> from skdistmass.surveys import as_stars, stack_stars
    >>> a = as_stars({"TEFF": [4800.0], "FE_H": [-0.1]})
    >>> b = as_stars({"TEFF": [5000.0], "M_H": [0.1], "FE_H": [0.0]})
    >>> stack_stars([a, b])["M_H"].tolist()
    [-0.1, 0.0]
    """
    parts = list(parts)
    if not parts:
        raise InputError("there are no stars to stack.")
    if len(parts) == 1:
        return parts[0]
    if any(part.metallicity == "FE_H" for part in parts):
        parts = [part.with_metallicity("FE_H") for part in parts]
        lacking = [part.source or "a table" for part in parts if part.metallicity != "FE_H" and "M_H" in part]
        if lacking:
            raise ColumnError(f"{', '.join(lacking)} has no FE_H, which stands for [M/H] in another table.")
    names = dict.fromkeys(name for part in parts for name in part.columns)
    first = next((part for part in parts if part.metallicity == "FE_H"), parts[0])
    return Stars(
        {name: _stack(name, parts) for name in names},
        origin={name: columns for part in reversed(parts) for name, columns in part.origin.items()},
        units={name: unit for part in parts for name, unit in part.units.items()},
        metallicity=first.metallicity,
        source=", ".join(part.source for part in parts),
        layout=", ".join(dict.fromkeys(part.layout for part in parts)),
        impossible={n: sum(other.impossible.get(n, 0) for other in parts) for part in parts for n in part.impossible},
    )


def _stack(name: str, parts: Sequence[Stars]) -> np.ndarray:
    there = [part.columns[name] for part in parts if name in part]
    kinds = {values.dtype.kind for values in there}
    if "U" in kinds and len(kinds) > 1:
        raise ColumnError(f"column {name} is text in one table and numbers in another; rename one of them.")
    if len({values.shape[1:] for values in there}) > 1:
        raise ColumnError(f"column {name} has a different number of values per star in each table; leave it out.")
    kind = next(kind for kind in "Ufib" if kind in kinds)
    missing = {"U": "", "f": np.nan, "i": 0, "b": False}[kind]
    shape = there[0].shape[1:]
    filled = [part.columns[name] if name in part else np.full((len(part), *shape), missing) for part in parts]
    return np.concatenate(filled)
