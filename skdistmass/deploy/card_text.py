"""A model card as text, for people to read."""

from collections.abc import Iterator, Mapping

from skdistmass.exceptions import printable

__all__ = ["card_lines"]


def card_lines(card: Mapping) -> Iterator[str]:
    """Yield the lines of a model card, a dict of text, numbers, lists and dicts, without control characters."""
    return map(printable, _lines(card, ""))


def _lines(card: Mapping, indent: str) -> Iterator[str]:
    for key, value in card.items():
        title = f"{indent}{key.replace('_', ' ') if key.islower() else key}"
        if isinstance(value, dict) and value and all(isinstance(part, dict) for part in value.values()):
            yield f"{title}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, dict):
            yield f"{title}: " + ", ".join(f"{name or 'MASS'} {part}" for name, part in value.items())
        elif isinstance(value, list) and len(value) > 2 and all(isinstance(part, float) for part in value):
            yield f"{title}: {len(value)} from {value[0]:.4g} to {value[-1]:.4g}"
        elif isinstance(value, list) and not indent:
            yield f"{title}:"
            yield from (f"  {part}" for part in value)
        else:
            yield f"{title}: {value}"
