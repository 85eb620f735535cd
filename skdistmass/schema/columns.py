"""The columns of a catalogue (Table 2 of the paper, and what is given beyond it), as `columns.toml` defines them.

The writers, the ONNX graph and the data-model page of the documentation are made from it.
"""

import re
import tomllib
from dataclasses import dataclass, replace
from importlib import resources


@dataclass(frozen=True)
class CatalogColumn:
    """One column of a catalogue.

    Attributes
    ----------
    name : str
        Column name. ``*`` stands for the name of a mass scale.
    unit : str or None
        Unit, in astropy's notation.
    description : str
        What it is and how it was made, in one line.
    ucd : str
        Unified Content Descriptor (IVOA UCD1+).
    source : str
        "survey" if it is carried over, "DistMass" if it is predicted.
    dtype : str
        numpy type; of text the number is the most characters that fit.
    formula : str
        How to rebuild it from other columns or from the model, in words or as a formula.
    inputs : str
        Columns, of the survey or this catalogue, it is made from.
    length : int
        Number of values in a row of a column of vectors; 0 for a column of single values.
    form : str
        Forms of a stored posterior that have the column, in words; blank for every other column.
    """

    name: str
    description: str
    ucd: str
    unit: str | None = None
    source: str = "DistMass"
    dtype: str = "f8"
    formula: str = ""
    inputs: str = ""
    length: int = 0
    form: str = ""


_READ = tomllib.loads(resources.files("skdistmass.schema").joinpath("columns.toml").read_text(encoding="utf-8"))
#: Table 2 of the paper, in its order.
TABLE_2 = tuple(CatalogColumn(**values) for values in _READ["table_2"])
#: What a catalogue holds beyond Table 2. Intervals _LO, _HI hold 68.27 % of the truth, _LO95 and _HI95 95.45 %.
EXTRA_COLUMNS = tuple(CatalogColumn(**values) for values in _READ["extra"])
#: What a catalogue with posteriors holds beyond both; `*` stands for a quantity.
POSTERIOR_COLUMNS = tuple(CatalogColumn(**values) for values in _READ["posterior"])
#: Ends of the names of vectors that a graph with quantiles has beside the columns of a catalogue.
QUANTILES, SLOPES = "_QUANTILES", "_SLOPES"
_SCHEMA = {column.name: column for column in TABLE_2 + EXTRA_COLUMNS}
_PATTERN = re.compile(r"^(MASS|AGE)(?:_(?P<scale>.+?))??(?P<end>_LO|_HI|_LO95|_HI95|_ERR|_FLAG)?$")


def mass_columns(scale):
    """Return the names of the mass and age columns of a mass scale, blank for a scale without a name.

    Examples
    --------
    >>> from skdistmass.schema.columns import mass_columns
    >>> mass_columns("COR_MO"), mass_columns("")
    (('MASS_COR_MO', 'AGE_COR_MO'), ('MASS', 'AGE'))
    """
    suffix = f"_{scale}" if scale else ""
    return f"MASS{suffix}", f"AGE{suffix}"


def describe(name):
    """Look a column up by its name in a catalogue, such as ``"DISTANCE"`` or ``"MASS_COR_MO_LO"``.

    Returns
    -------
    column : CatalogColumn or None
        With the scale's name in place of the ``*``; None if the schema does not have it.

    Examples
    --------
    >>> from skdistmass.schema.columns import describe
    >>> describe("MASS_COR_MO").description
    'mass predicted by the network trained on the scale COR_MO'
    """
    if name in _SCHEMA:
        return _SCHEMA[name]
    for end, words in ((QUANTILES, "quantiles of {}"), (SLOPES, "derivatives of {} by the five labels, per unit")):
        if name.endswith(end):
            known = describe(name.removesuffix(end))
            return known and replace(known, name=name, description=words.format(known.name), ucd="stat.value")
    match = _PATTERN.match(name)
    if match is None:
        return None
    return _for_scale(_SCHEMA[f"{match[1]}_*{match['end'] or ''}"], match["scale"] or "")


def _for_scale(pattern, scale):
    """Put a scale's name in place of the ``*``."""
    mass, age = mass_columns(scale)

    def filled(text):
        return text.replace("MASS_*", mass).replace("AGE_*", age)

    description = filled(pattern.description).replace("scale *", f"scale {scale or 'MASS'}")
    formula, inputs = filled(pattern.formula), filled(pattern.inputs)
    return replace(pattern, name=filled(pattern.name), description=description, formula=formula, inputs=inputs)


def scales_of(names):
    """Return the mass scales of a catalogue by the names of its columns, in their order; blank for the column MASS.

    Examples
    --------
    >>> from skdistmass.schema.columns import scales_of
    >>> scales_of(["MASS", "MASS_COR_MO", "MASS_ERR", "MASS_LO", "MASS_COR_MO_LO", "MASS_SPACE"])
    ['', 'COR_MO']
    """
    scales = []
    for name in names:
        match = _PATTERN.match(name) if name not in _SCHEMA else None
        if match is not None and match[1] == "MASS" and match["end"] is None:
            scales.append(match["scale"] or "")
    return scales


def layout(scales):
    """Return the columns of a catalogue with these mass scales in order: Table 2, then what is beyond it.

    Examples
    --------
    >>> from skdistmass.schema.columns import layout
    >>> [column.name for column in layout(["COR_MO"])][15:20]
    ['MASS_COR_MO', 'MASS_ERR', 'AGE_COR_MO', 'AGE_ERR', 'BITMASK']
    """
    columns: dict[str, CatalogColumn] = {}
    for column in TABLE_2 + EXTRA_COLUMNS:
        for each in [_for_scale(column, scale) for scale in scales] if "*" in column.name else [column]:
            # MASS_ERR, AGE_ERR and AGE_FLAG are those of the scale without a name, and are there without it, too.
            columns.setdefault(each.name, each)
    return list(columns.values())


def posterior_layout(form, quantities, length=0, facts=()):
    """Return the columns of a stored posterior in order.

    Parameters
    ----------
    form : {"summary", "quantiles", "draws"}
        How it is stored.
    quantities : iterable of str
        Those that the draws have: ABS_MAG, DISTANCE, MASS, AGE, M_H.
    length : int, default=0
        Number of quantiles or draws of each star.
    facts : iterable of str, default=()
        Names, without ``POST_``, of what belongs to no single quantity.

    Returns
    -------
    columns : list of CatalogColumn

    Examples
    --------
    >>> from skdistmass.schema.columns import posterior_layout
    >>> [(column.name, column.unit, column.length) for column in posterior_layout("draws", ["DISTANCE"], 100)]
    [('POST_DISTANCE_DRAWS', 'kpc', 100)]
    """
    quantities = list(quantities)
    columns = []
    for pattern in POSTERIOR_COLUMNS:
        if form not in pattern.form.split():
            continue
        if "*" in pattern.name:
            vector = length if pattern.name.endswith(("_QUANTILES", "_DRAWS")) else 0
            columns += [_of_quantity(pattern, quantity, vector) for quantity in quantities]
        elif pattern.name.removeprefix("POST_") in facts:
            columns.append(pattern)
    return columns


def _of_quantity(pattern, quantity, length):
    """Put a quantity in place of the ``*``."""
    known = describe(quantity)
    name, description = (text.replace("*", quantity) for text in (pattern.name, pattern.description))
    return replace(
        pattern, name=name, description=description, unit=known.unit, ucd=f"{pattern.ucd};{known.ucd}", length=length
    )
