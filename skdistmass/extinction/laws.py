"""Laws of extinction: A_K from a colour or a reddening."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["RJCE_IRAC", "RJCE_WISE", "SFD", "ExtinctionLaw"]


@dataclass(frozen=True)
class ExtinctionLaw:
    """A_K from a colour or a reddening: ``coefficient * (colour - intrinsic_colour)``.

    Attributes
    ----------
    name : str
        Name of the method in a catalogue.
    coefficient : float
        A_K per magnitude of colour excess.
    intrinsic_colour : float
        Colour without dust (mag); 0 where the input is an excess already, such as E(B-V).
    reference : str
        Source of the numbers.

    Examples
    --------
    >>> from skdistmass.extinction import RJCE_WISE
    >>> RJCE_WISE.extinction([0.15, float("nan")]).round(4)  # H - W2
    array([0.0918, nan])
    """

    name: str
    coefficient: float
    intrinsic_colour: float
    reference: str

    def extinction(self, colour: ArrayLike) -> NDArray[np.float64]:
        """Return A_K (mag) for colours (mag); negative for a star bluer than the intrinsic colour."""
        return self.coefficient * (np.asarray(colour, dtype=np.float64) - self.intrinsic_colour)


_RJCE = "Majewski, Zasowski & Nidever (2011), ApJ 739, 25"
#: H - [4.5] of Spitzer's IRAC.
RJCE_IRAC = ExtinctionLaw("RJCE_IRAC", 0.918, 0.08, _RJCE)
#: H - W2 of WISE.
RJCE_WISE = ExtinctionLaw("RJCE_WISE", 0.918, 0.05, f"{_RJCE}; zero point of Zasowski et al. (2013), AJ 146, 81")
#: E(B-V) of the map of Schlegel et al.
SFD = ExtinctionLaw(
    "SFD", 0.302, 0.0, "Schlegel, Finkbeiner & Davis (1998), ApJ 500, 525; A_K/E(B-V) as in APOGEE's targeting"
)
