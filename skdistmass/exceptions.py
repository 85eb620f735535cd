"""The errors and warnings of skdistmass.

Every error derives from `DistMassError` and says what was wrong, where, and what to do about it. Errors about
values also derive from `ValueError`, so that code written against scikit-learn's conventions keeps working.
"""

__all__ = [
    "ColumnError",
    "DistMassError",
    "DistMassWarning",
    "FileFormatError",
    "ImpossibleValueWarning",
    "InputError",
    "NoValleyWarning",
    "RowsLeftOutWarning",
    "SmallSampleWarning",
    "UnitError",
    "printable",
    "shortened",
]


def printable(text: object) -> str:
    """Return a text as one line that any terminal can show, with control characters written as escapes.

    Names from a file may hold them: codes that a terminal obeys, or marks that turn the direction of a text.
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(text))


class DistMassError(Exception):
    """Base of all errors raised by skdistmass.

    The message is one line that any terminal can show: control characters, as damaged names of columns have, are
    written as escapes.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class InputError(DistMassError, ValueError):
    """A value, a shape or a parameter that can't be used."""


class ColumnError(InputError):
    """A column that is absent, doubled, misnamed or of an unusable type."""


class UnitError(InputError):
    """A unit that can't be converted to the one needed."""


class FileFormatError(DistMassError, ValueError):
    """A file that is not what it should be: foreign, truncated, altered or of an unknown version."""


class DistMassWarning(UserWarning):
    """Base of all warnings issued by skdistmass."""


class RowsLeftOutWarning(DistMassWarning):
    """Rows of the training data were left out because a value was missing."""


class SmallSampleWarning(DistMassWarning):
    """A training set is so small that the coverage of intervals is uncertain."""


class NoValleyWarning(DistMassWarning):
    """The distribution of distance residuals has no valley between single stars and binaries."""


class ImpossibleValueWarning(DistMassWarning):
    """Values of a survey table that no star can have are read as missing."""


def shortened(error: object, length: int = 200) -> str:
    """Return the first line of another library's message, cut to a readable length."""
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip()
    return line if len(line) <= length else line[: length - 3] + "..."
