"""Why a star is inside or outside the space of labels, in a sentence."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skdistmass.schema.bits import Space

__all__ = ["ANSWERS", "SpaceExplanation"]

#: Name of each answer, by its code.
ANSWERS = tuple(answer.name.lower() for answer in Space)


@dataclass(frozen=True, eq=False)
class SpaceExplanation:
    """Which label decides a star's answer, and which value of it would fit the rest of the star.

    Attributes
    ----------
    answer : ndarray of int8, shape (n_stars,)
        `INSIDE`, `EDGE`, `OUTSIDE` or `MISSING`.
    label : ndarray of str, shape (n_stars,)
        The label whose change alone raises the score most; the first missing one if the answer is `MISSING`.
    value, fitting_value : ndarray of shape (n_stars,)
        That label as it is, and the value that fits the star's other labels best. In the label's unit.
    fitting_answer : ndarray of int8, shape (n_stars,)
        The answer the star would get with `fitting_value`. Still `OUTSIDE` if more than one label does not fit.
    gain : ndarray of shape (n_stars, n_labels)
        Rise of the score with the best value of each label, the others unchanged.
    """

    answer: NDArray[np.int8]
    label: NDArray[np.object_]
    value: NDArray[np.float64]
    fitting_value: NDArray[np.float64]
    fitting_answer: NDArray[np.int8]
    gain: NDArray[np.float64]

    def messages(self) -> list[str]:
        """Return one sentence for each star, as a list of str."""
        return [self._message(i) for i in range(len(self.answer))]

    def _message(self, i):
        if self.answer[i] == Space.INSIDE:
            return "inside"
        if self.answer[i] == Space.MISSING:
            return f"missing: {self.label[i]} has no value"
        better = self.fitting_answer[i] < self.answer[i]
        verdict = f"would be {ANSWERS[self.fitting_answer[i]]}" if better else "would come closer"
        return (
            f"{ANSWERS[self.answer[i]]}: {self.label[i]} = {self.value[i]:.4g} ({self.fitting_value[i]:.4g} {verdict})"
        )
