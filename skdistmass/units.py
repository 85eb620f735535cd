"""Units of columns: what a text stands for, and numbers converted to the unit that is needed."""

from skdistmass.exceptions import UnitError

__all__ = ["convert_unit", "understand_unit"]


def convert_unit(values, own_unit, unit, name="values"):
    """Convert numbers from a column's unit to the wanted one; numbers without a unit are taken as they are.

    Raise `UnitError`, with the `name` of the column, if the unit is not understood, or is of another kind. For a
    logarithm (a unit of dex) a unit that is not understood is accepted, since files write it in many ways.

    >>> import numpy as np
    >>> convert_unit(np.array([1500.0]), "pc", "kpc")
    array([1.5])
    >>> convert_unit(np.array([2.5]), "log(cgs)", "dex(cm s-2)")
    array([2.5])
    """
    from astropy import units as u

    if own_unit is None or str(own_unit).strip().lower() in _NO_UNIT:
        return values
    wanted = u.Unit(unit) if unit else u.dimensionless_unscaled
    # A VOTable may define Msun or dex as units of its own, which only their names tie to astropy's.
    own = understand_unit(str(own_unit))
    if own is None and not isinstance(own_unit, str | u.UnrecognizedUnit):
        own = own_unit
    if _is_logarithm(wanted):
        if own is None or not _is_other_logarithm(own, wanted):
            return values
    elif own is None:
        raise UnitError(
            f"column {name} has the unit {str(own_unit)!r}, which is not understood; write it as astropy does, or "
            f"leave it out if the numbers are in {unit} already."
        )
    try:
        if _is_logarithm(wanted) and own in (u.mag, u.dB):
            raise u.UnitConversionError("a magnitude is no logarithm of this kind")
        # The unit converts, not a Quantity: a Quantity of a logarithmic unit can't be made.
        return own.to(wanted, values, equivalencies=u.temperature())
    except (u.UnitConversionError, u.UnitTypeError) as error:
        raise UnitError(
            f"column {name} has the unit {own}, which can't be converted to {wanted}; "
            "give it in a unit of that kind, or without a unit if the numbers are right as they are."
        ) from error


# What files write where a column has no unit, and names of units that astropy does not know.
_NO_UNIT = ("", "-", "--", "---", "none", "unitless", "dimensionless")
_UNIT_NAMES = {"solar mass": "solMass", "solar masses": "solMass", "solar radii": "solRad", "vega": "mag"}


def understand_unit(text):
    """Return the astropy unit that a text stands for, or None if it stands for none.

    Besides astropy's own spelling other letter case, a plural and a few names of survey files are understood.

    >>> understand_unit("Parsec"), understand_unit("arcseconds"), understand_unit("furlong")
    (Unit("pc"), Unit("arcsec"), None)
    """
    from astropy import units as u

    text = str(text).strip()
    low = text.lower()
    for spelling in (text, _UNIT_NAMES.get(low, low), low.removesuffix("s")):
        try:
            unit = u.Unit(spelling, parse_strict="silent")
        except (ValueError, TypeError):
            continue
        if spelling and not isinstance(unit, u.UnrecognizedUnit):
            return unit
    return None


def _is_logarithm(unit):
    from astropy import units as u

    return unit == u.dex or getattr(unit, "function_unit", None) == u.dex


def _is_other_logarithm(own, wanted):
    """Tell whether numbers in a unit have to be converted, or refused, to be the wanted logarithm."""
    from astropy import units as u

    if own == u.dimensionless_unscaled:
        return False
    of = [getattr(unit, "physical_unit", u.dimensionless_unscaled) for unit in (own, wanted)]
    return not _is_logarithm(own) or (u.dimensionless_unscaled not in of and of[0] != of[1])
