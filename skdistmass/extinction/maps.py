"""Maps of the reddening, by the packages dustmaps and mwdust."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from skdistmass.exceptions import InputError, shortened

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["DUST_MAPS", "load_dust_map"]

#: Name of each map to the package, the module and the class that has it.
DUST_MAPS = {
    "sfd": ("dustmaps", "dustmaps.sfd", "SFDQuery"),
    "planck": ("dustmaps", "dustmaps.planck", "PlanckQuery"),
    "mwdust": ("mwdust", "mwdust", "SFD"),
}


def load_dust_map(name: str) -> Callable[[SkyCoord], Any]:
    """Return a map of E(B-V), for the parameter `dust_map` of `skdistmass.ExtinctionChoice`.

    The packages and their data are not part of this one: ``pip install 'skdistmass[dust]'``, and for maps of dustmaps
    ``dustmaps.sfd.fetch()`` or ``dustmaps.planck.fetch()`` in Python. mwdust fetches its data by itself.

    Parameters
    ----------
    name : {"sfd", "planck", "mwdust"}
        Schlegel, Finkbeiner & Davis (1998) or Planck Collaboration (2014) by dustmaps; the first one by mwdust. All
        give the reddening of the whole line of sight, on the scale of the first.

    Returns
    -------
    dust_map : callable
        Gets an astropy SkyCoord and returns E(B-V) (mag).

    Raises
    ------
    InputError
        If there is no map of this name, or the package or its data are not there.

    Examples
    --------
    >>> from skdistmass.extinction import load_dust_map
    >>> load_dust_map("no-such-map")
    Traceback (most recent call last):
      ...
    skdistmass.exceptions.InputError: there is no dust map 'no-such-map'; choose one of sfd, planck, mwdust.
    """
    if name not in DUST_MAPS:
        raise InputError(f"there is no dust map {name!r}; choose one of {', '.join(DUST_MAPS)}.")
    package, module, kind = DUST_MAPS[name]
    try:
        query = getattr(import_module(module), kind)()
    except ModuleNotFoundError as error:
        remedy = "pip install 'skdistmass[dust]'"
        raise InputError(f"the dust map {name} needs the package {error.name}: {remedy}.") from error
    except Exception as error:  # the packages have no common type for absent data
        remedy = f"; fetch its data with {module}.fetch()" if package == "dustmaps" else ""
        raise InputError(
            f"the dust map {name} can't be read ({type(error).__name__}: {shortened(error)}){remedy}."
        ) from error
    return query if package == "dustmaps" else _InGalactic(query, name)


class _InGalactic:
    """A map of mwdust, which takes Galactic longitude, latitude and distance, as one that takes coordinates."""

    def __init__(self, query: Callable[..., Any], name: str) -> None:
        self.query, self.__qualname__ = query, name

    def __call__(self, coordinates: SkyCoord) -> Any:
        place = coordinates.galactic
        # The map has no depth, but a distance (kpc) must be given.
        return self.query(place.l.deg, place.b.deg, np.ones(len(place)))
