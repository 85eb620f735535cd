"""Any table to plain arrays: floats, integers and text, with their units and missing values.

Everything that enters the package from outside comes through here: astropy tables (masked, with units, big-endian),
pandas frames, structured arrays, dictionaries and plain arrays. Numbers end as native float64, NaN where missing; text
as str, blank where missing; integers stay exact.
"""

from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real

import numpy as np

from skdistmass.exceptions import ColumnError, InputError, shortened
from skdistmass.units import convert_unit

#: Placeholders for "no value" in survey files. Every quantity met here is far above -999, so all numbers at or below it
#: are placeholders; the positive ones are known by their value, to a relative tolerance that allows for float32.
LOWEST_VALUE = -999.0
SENTINEL_TOLERANCE = 2e-7
HIGH_SENTINELS = np.array([99.0, 99.9, 99.99, 99.999, 999.0, 999.9, 999.99, 9999.0, 9999.99, 999999.0])


def is_sentinel(values, *, high=True):
    """Tell which numbers are survey placeholders for a missing value; NaN and infinity are none.

    The positive ones (99, 99.99, 999 ...) count for labels, magnitudes and extinctions; pass ``high=False`` for angles
    and identifiers, where 99 is a value like any other.

    >>> is_sentinel(np.array([4750.0, -9999.99, 99.99, 0.1]))
    array([False,  True,  True, False])
    """
    values = np.asarray(values)
    mask = np.asarray(values <= LOWEST_VALUE)
    if high:
        # Cheap test first: on a survey's labels hardly any value is near a placeholder.
        candidates = np.asarray(values >= HIGH_SENTINELS[0] - 1e-4)
        if candidates.any():
            found = values[candidates].astype(np.float64)
            near = np.abs(found[:, None] - HIGH_SENTINELS) <= SENTINEL_TOLERANCE * HIGH_SENTINELS
            mask[candidates] = near.any(axis=1)
    return mask


def is_table(X):
    """Tell whether `X` has named columns: an astropy table, a data frame, a structured array or a mapping."""
    if isinstance(X, np.ndarray):
        return X.dtype.names is not None
    if type(X).__module__.startswith("scipy.sparse"):  # some are mappings, of positions to values
        return False
    return isinstance(X, Mapping) or hasattr(X, "colnames") or hasattr(X, "columns")


def column_names(table):
    """Return the names of a table's columns as a list; raise `ColumnError` if two of them are the same."""
    if isinstance(table, np.ndarray):
        names = list(table.dtype.names)
    elif hasattr(table, "colnames"):
        names = list(table.colnames)
    elif isinstance(table, Mapping):
        names = list(table)
    else:
        names = list(table.columns)
    check_names(names)
    return names


def check_names(names):
    """Refuse a table with two columns of one name."""
    if len(set(names)) < len(names):
        doubled = sorted({str(name) for name in names if list(names).count(name) > 1})
        raise ColumnError(f"column {', '.join(doubled)} occurs more than once; rename or drop one of them.")


def find_column(table, name, aliases=(), *, required=True):
    """Find a column by name, by the same name in other letter case, or by an alias; the first of these that is there.

    Raise `ColumnError` if two columns differ from the name in letter case only, or if the column is absent; return None
    for an absent one that is not `required`.
    """
    names = column_names(table)
    for candidate in (name, *aliases):
        if candidate in names:
            return candidate
        similar = [n for n in names if isinstance(n, str) and n.lower() == candidate.lower()]
        if len(similar) > 1:
            raise ColumnError(f"columns {', '.join(similar)} could all be {candidate}; rename or drop all but one.")
        if similar:
            return similar[0]
    if not required:
        return None
    wanted = " (or ".join((name, *aliases)) + ")" * len(aliases)
    shown = ", ".join(map(str, names[:40])) + (f" and {len(names) - 40} more" if len(names) > 40 else "")
    raise ColumnError(f"no column {wanted}; the table has: {shown or 'no columns'}. Rename the column that holds it.")


def values_and_mask(column, name):
    """Split a column into a plain array and the mask of its missing values.

    Missing are masked entries of any kind of mask, and None, NaN, NaT and pandas.NA in arrays of objects.
    """
    mask = getattr(column, "mask", None)
    if callable(mask):  # of a pandas Series or Index, where it is a method
        mask = None
    if hasattr(column, "unmasked"):
        column = column.unmasked
    if hasattr(column, "to_value"):  # a Quantity
        column = column.value
    if hasattr(column, "to_numpy"):
        # Whole numbers with gaps would become floats, which lose digits.
        with_gaps = hasattr(column.dtype, "na_value") and getattr(column.dtype, "kind", "") in ("i", "u")
        column = column.to_numpy(dtype=object if with_gaps else None)
    try:
        values = np.asarray(np.ma.getdata(column) if isinstance(column, np.ma.MaskedArray) else column)
    except ValueError as error:  # rows of unequal lengths
        raise ColumnError(f"column {name} can't be made an array: {shortened(error)}") from error
    mask = np.zeros(values.shape, bool) if mask is None else np.array(np.broadcast_to(mask, values.shape))
    if values.dtype.kind == "O":
        null = np.array([_is_null(value) for value in values.ravel()], dtype=bool)
        mask |= null.reshape(values.shape)
    return values, mask


def as_floats(column, unit=None, *, name="values", sentinels=True, high_sentinels=True):
    """Turn a column of any shape, masked, big-endian and nullable ones included, into native float64: a new array.

    NaN stand where a value is missing or infinite and, with `sentinels`, where it is a placeholder (`high_sentinels`:
    see `is_sentinel`). A column that has a unit of its own is converted to `unit`; one without is taken as it is. Raise
    `ColumnError` if it does not hold numbers, `UnitError` if its unit can't be converted.

    >>> from astropy import units as u
    >>> as_floats([4.75, 5.1] * u.kK, "K")
    array([4750., 5100.])
    >>> as_floats([0.1, -9999.0])
    array([0.1, nan])
    """
    own_unit = getattr(column, "unit", None)
    raw, mask = values_and_mask(column, name)
    if raw.dtype.kind == "O":
        raw = _numbers_of_objects(raw, mask, name)
    if raw.dtype.kind not in "fiub":
        raise ColumnError(f"column {name} holds {raw.dtype} values, not numbers.")
    values = raw.astype(np.float64)
    # Placeholders are numbers in the unit of the file: they are looked for before it is converted.
    bad = mask | np.isinf(values)
    if sentinels:
        bad |= is_sentinel(values, high=high_sentinels)
    values[bad] = np.nan
    return values if own_unit is None or unit is None else convert_unit(values, own_unit, unit, name)


def _numbers_of_objects(raw, mask, name):
    """Turn an array of objects into numbers; decimals of a database are numbers too."""
    if not all(isinstance(value, Real | Decimal | np.bool_) for value in raw[~mask].tolist()):
        kinds = sorted({type(value).__name__ for value in raw[~mask].tolist() if not isinstance(value, Real | Decimal)})
        raise ColumnError(f"column {name} holds values of type {', '.join(kinds)}, not numbers.")
    numbers = np.full(raw.shape, np.nan)
    numbers[~mask] = raw[~mask].astype(np.float64)
    return numbers


def as_integers(column, *, missing=0, name="values"):
    """Turn a column of whole numbers (flags, identifiers) into int64 with all digits, `missing` where there is none.

    Floats and text are accepted if they are whole and exact. Raise `ColumnError` for anything else, and for floats
    whose last digits are lost.

    >>> as_integers(np.ma.array([4295806720, 7], mask=[False, True]), missing=-1)
    array([4295806720,         -1])
    """
    raw, mask = values_and_mask(column, name)
    if raw.dtype.kind == "O":
        values = np.full(raw.shape, missing, dtype=object)
        values[~mask] = raw[~mask]
        if not all(isinstance(value, Integral) for value in values.ravel().tolist()):
            raise ColumnError(f"column {name} holds values that are not whole numbers.")
        return values.astype(np.int64)
    if raw.dtype.kind in "iub":
        if raw.dtype.kind == "u" and raw.size and raw[~mask].max(initial=0) > np.iinfo(np.int64).max:
            raise ColumnError(f"column {name} holds numbers too large for a signed integer of 64 bits.")
        return np.where(mask, missing, raw.astype(np.int64))
    if raw.dtype.kind in "SU":
        return _integers_of_text(as_text(column, name=name), missing, name)
    if raw.dtype.kind != "f":
        raise ColumnError(f"column {name} holds {raw.dtype} values, not whole numbers.")
    mask = mask | ~np.isfinite(raw)
    numbers = np.where(mask, 0.0, raw).astype(np.float64)
    if (numbers != np.floor(numbers)).any():
        raise ColumnError(f"column {name} holds fractions, not whole numbers.")
    exact = 2.0 ** (np.finfo(raw.dtype).nmant + 1)
    if (np.abs(numbers) > exact).any():
        raise ColumnError(f"column {name} holds whole numbers as {raw.dtype}, which has lost their last digits.")
    return np.where(mask, missing, numbers).astype(np.int64)


def _integers_of_text(texts, missing, name):
    values = np.full(texts.shape, missing, dtype=np.int64)
    given = texts != ""
    try:
        values[given] = [int(text) for text in texts[given].tolist()]
    except (ValueError, OverflowError) as error:
        raise ColumnError(f"column {name} holds texts that are not whole numbers.") from error
    return values


def as_text(column, *, name="values"):
    """Turn a column into str without padding, blank where the value is missing; whole numbers keep all their digits.

    Raise `ColumnError` if it holds numbers with fractions.

    >>> as_text([b"M67  ", None, "00123"]).tolist()
    ['M67', '', '00123']
    """
    raw, mask = values_and_mask(column, name)
    if raw.dtype.kind == "f":
        # A text column that is missing throughout becomes one of NaN in pandas.
        mask = mask | np.isnan(raw)
        if not mask.all():
            raw = as_integers(np.ma.array(raw, mask=mask), name=name)
    if raw.dtype.kind == "S":
        raw = np.strings.strip(raw)
        try:
            # Wide columns of short texts are common in FITS, and a letter takes four bytes.
            raw = raw.astype(f"U{max(int(np.strings.str_len(raw).max(initial=0)), 1)}")
            return np.where(mask, "", raw) if mask.any() else raw
        except UnicodeDecodeError:  # not plain ASCII, which is much faster
            raw = np.char.decode(raw, "utf-8", "replace")
    elif raw.dtype.kind == "O":
        texts = ["" if null else _text_of(value) for value, null in zip(raw.ravel(), mask.ravel(), strict=True)]
        raw = np.array(texts, dtype=str).reshape(raw.shape)
    texts = np.strings.strip(raw.astype(str, copy=False))
    return np.where(mask, "", texts) if mask.any() else texts


def _text_of(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _is_null(value):
    """Tell whether an object stands for a missing value: None, NaN, pandas.NA, a masked constant."""
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, Real | Decimal) and value != value


def number_of_rows(table):
    """Return the number of rows of a table; raise InputError if its columns differ in length."""
    lengths = {len(table[name]) for name in column_names(table)}
    if len(lengths) > 1:
        raise InputError("the columns of the table differ in length.")
    return lengths.pop() if lengths else 0


def optional_floats(table, name, unit=None):
    """Return a column as floats, NaN for every row if the table does not have it."""
    found = find_column(table, name, required=False)
    if found is None:
        return np.full(number_of_rows(table), np.nan)
    return as_floats(table[found], unit, name=found, high_sentinels=False)


def optional_text(table, name):
    """Return a column as text, blank for every row if the table does not have it."""
    found = find_column(table, name, required=False)
    if found is None:
        return np.full(number_of_rows(table), "", dtype="U1")
    return as_text(table[found], name=found)


def picks_by_name(X, known_names, *, named=False):
    """Tell whether the columns of an estimator's input are to be found by name.

    Those of a table are. Those of a data frame are only if it has one of the `known_names` (in upper case), or if
    columns are asked for by name (`named`): a frame with other names is an array with feature names, as everywhere in
    scikit-learn.
    """
    if not is_table(X):
        return False
    if hasattr(X, "iloc") and not named:
        return any(str(name).upper() in known_names for name in X.columns)
    return True
