"""The model card as a README for a model hub: metadata in YAML, then text for people."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from skdistmass.exceptions import FileFormatError, printable, shortened
from skdistmass.labels import LABEL_NAMES
from skdistmass.schema.bits import QualityBit
from skdistmass.schema.columns import describe

__all__ = ["model_readme"]

_TAGS = ("astronomy", "stars", "stellar-distances", "stellar-masses", "stellar-ages", "tabular-regression")
_BIBTEX = """\
@article{stonemartinez2024,
  author = {Stone-Martinez, Alexander and Holtzman, Jon A. and Imig, Julie and Nitschelm, Christian and
            Stassun, Keivan G. and Brownstein, Joel R.},
  title = {Spectroscopic distance, mass, and age estimations for APOGEE DR17},
  year = {2024}
}"""


def model_readme(model: Any, name: str) -> str:
    """Return the model card of a model in Markdown, as model hubs such as Hugging Face show it.

    All numbers are those of the model's own record: its accuracy on training stars that its networks had not seen.

    Parameters
    ----------
    model : DistMassModel or OnnxPredictor
        A trained model of any kind: distances, masses or both.
    name : str
        How the model is loaded: the name of one that comes with the package, or its file.

    Returns
    -------
    readme : str

    Raises
    ------
    FileFormatError
        If the card of the model lacks entries, as an altered file's may.

    Examples
    --------
    >>> from skdistmass import load_pretrained
    >>> from skdistmass.deploy import model_readme
    >>> print(model_readme(load_pretrained("kepler-giants"), "kepler-giants"))
    ---
    license: bsd-3-clause
    library_name: skdistmass
    ...
    # kepler-giants
    <BLANKLINE>
    Distance, mass and age of red giants from APOGEE labels.
    ...
    """
    try:
        return _readme(_card_of(model), name)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:  # a file may have any card
        raise FileFormatError(
            f"the model card of {name} is not complete ({type(error).__name__}: {shortened(error)}); write the model "
            "again with this release."
        ) from error


def _readme(card: Mapping[str, Any], name: str) -> str:
    title, metadata = _markdown(Path(name).stem), _metadata(card, Path(name).stem)
    card = _markdown(card)
    is_shipped = not Path(name).suffix and not Path(name).exists()
    sections = {
        "How to use it": _usage(card, name, is_graph=is_shipped or Path(name).suffix == ".onnx", is_shipped=is_shipped),
        "What it predicts": _quantities(card),
        "Training data": _training(card),
        "Performance": _performance(card),
        "Limits and flags": _limits(card),
        "Label scale": _label_scale(card),
        "Citation": _citation(card),
    }
    description = card["description"][:1].upper() + card["description"][1:] + "."
    parts = [metadata, f"# {title}", description]
    for heading, lines in sections.items():
        parts += [f"## {heading}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _markdown(value: Any) -> Any:
    """Return texts, alone or in a card, as Markdown that shows them: no tag, no link, no other cell of a table."""
    if isinstance(value, Mapping):
        return {_markdown(key): _markdown(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_markdown(part) for part in value]
    if not isinstance(value, str):
        return value
    text = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", printable(value))
    return text.replace("|", r"\|").replace("](", r"]\(").replace("`", "'")


def _card_of(model):
    if not hasattr(model, "masses_"):
        return model.card
    from skdistmass.deploy.card import model_card
    from skdistmass.deploy.whole_model import PHOTOMETRY

    return model_card(model, "float64", [*LABEL_NAMES, *(PHOTOMETRY if model.abs_mag_ is not None else ())])


def _metadata(card: Mapping[str, Any], title: str) -> str:
    licence = card["licence"]
    known = "bsd-3-clause" if licence.startswith("BSD-3-Clause") else "other" if licence else "unknown"
    datasets = [part.strip() for part in card["training_set"].partition(":")[0].split(",") if part.strip()]
    results = [
        {
            "task": {"type": "tabular-regression", "name": _quantity(part)},
            "dataset": {"type": "held-out", "name": f"{found['stars']} training stars, predicted out of fold"},
            "metrics": [
                {"type": key, "name": f"{meaning} of the fractional error", "value": found[key]}
                for key, meaning in (("scatter", "robust scatter"), ("bias", "median"))
                if key in found
            ],
        }
        for part, found in card["accuracy"].items()
    ]
    front = {
        "license": known,
        "library_name": "skdistmass",
        "pipeline_tag": "tabular-regression",
        "tags": list(_TAGS),
        "datasets": datasets,
        "metrics": ["scatter", "bias"],
        "model-index": [{"name": title, "results": results}],
    }
    return "---\n" + yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=120) + "---"


def _has_distances(card: Mapping[str, Any]) -> bool:
    return any(part.startswith("ABS_MAG") for part in card["accuracy"])


def _quantity(part: str) -> str:
    """Name what a network gives: part of the accuracy, such as ABS_MAG or MASS_AP3."""
    is_distance = part.startswith("ABS_MAG")
    fallback = " of stars without C or N" if part.endswith("FALLBACK") else ""
    scale = part.removesuffix("_FALLBACK").removeprefix("MASS").removeprefix("_")
    return ("distance" if is_distance else f"mass (scale {scale})" if scale else "mass") + fallback


def _usage(card: Mapping[str, Any], name: str, *, is_graph: bool, is_shipped: bool) -> list[str]:
    file, typed = f"{Path(name).stem}.onnx", shlex.quote(printable(name))
    load = "load_pretrained" if is_shipped else "load_predictor"
    imports = ["from skdistmass import load_pretrained, read_survey"]
    if not is_shipped:
        imports = ["from skdistmass import read_survey", "from skdistmass.model import load_predictor"]
    lines = ["Python (`pip install skdistmass`):", "", "```python"]
    lines += [
        *imports,
        "",
        f"model = {load}({_quoted(name)})",
        'found = model.predict(read_survey("SURVEY.fits"))',
        "```",
        "",
        "Command line:",
        "",
        "```sh",
        f"skdistmass predict {typed} SURVEY.fits -o catalog.fits",
    ]
    lines += ["```", ""] if is_graph else [f"skdistmass export {typed} -o {shlex.quote(printable(file))}", "```", ""]
    feed = ", ".join(f'"{key}": {key.lower()}' for key in card["inputs"])
    wanted = "DISTANCE" if _has_distances(card) else next(iter(card["accuracy"]))
    lines += [
        f"ONNX, for onnxruntime in any language; arrays of {card['dtype']}, one value a star, NaN where missing:",
        "",
        "```python",
        "import onnxruntime",
        "",
        f"session = onnxruntime.InferenceSession({_quoted(file)})",
        f'session.run(["{wanted}"], {{{feed}}})',
        "```",
    ]
    return lines


def _quoted(name: str) -> str:
    """Return a name as a string of Python's, on one line."""
    return json.dumps(printable(name), ensure_ascii=False)


def _quantities(card: Mapping[str, Any]) -> list[str]:
    lines = ["| input | unit | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {part['unit']} | {part['meaning']} |" for name, part in card["inputs"].items()]
    names = ["ABS_MAG", "DISTANCE"] if _has_distances(card) else []
    masses = [part for part in card["accuracy"] if part.startswith("MASS") and not part.endswith("FALLBACK")]
    names += masses + [part.replace("MASS", "AGE", 1) for part in masses]
    lines += ["", "| output | unit | meaning |", "|---|---|---|"]
    for name in names:
        column = describe(name)
        lines.append(f"| `{name}` | {column.unit} | {column.description} |")
    return [*lines, "", f"Outputs are {card['outputs']}."]


def _training(card: Mapping[str, Any]) -> list[str]:
    lines = [card["training_set"] or "Not recorded."]
    if card["training_rows"]:
        lines += ["", f"{card['training_rows']} rows, before these cuts:"]
    lines += [""]
    for part, removed in card["removed_by_cuts"].items():
        gone = ", ".join(f"{cut} {count}" for cut, count in removed.items() if count)
        lines.append(f"- {_quantity(part)}: {gone or 'none removed'}")
    trained = card["versions"].get("trained_with", "")
    return [*lines, "", f"Trained with skdistmass {trained}. Ages: {card['age_relation']}."]


def _performance(card: Mapping[str, Any]) -> list[str]:
    lines = [f"Held-out numbers: {card['accuracy_meaning']}.", "", "| quantity | stars | scatter | bias |"]
    lines += ["|---|---|---|---|"]
    for part, found in card["accuracy"].items():
        lines.append(_row(_quantity(part), found))
        for region, numbers in card.get("accuracy_by_region", {}).items():
            whole, _, where = region.partition(", ")
            if whole == part:
                lines.append(_row(f"{_quantity(part)}, {where}", numbers))
    for part, reason in card.get("absent", {}).items():
        lines += ["", f"No {part}: {reason}."]
    return lines


def _row(name: str, found: Mapping[str, Any]) -> str:
    scatter, bias = (f"{100 * found[key]:.1f} %" if key in found else "" for key in ("scatter", "bias"))
    if "rms" in found:
        scatter = f"{100 * found['rms']:.1f} % (rms of the means of {found['clusters']} clusters)"
    return f"| {name} | {found['stars']} | {scatter} | {bias} |"


def _limits(card):
    products = ["DISTANCE"] if _has_distances(card) else []
    products += ["MASS", "AGE"] if any(part.startswith("MASS") for part in card["accuracy"]) else []
    says = "In a catalogue, the column FLAGS says which values to be careful with (WARN) and which to leave (BAD):"
    lines = [card["limits"], "", says, ""]
    for product in products:
        for ending in ("WARN", "BAD"):
            bit = QualityBit[f"{product}_{ending}"]
            lines.append(f"- `{bit.name}` ({int(bit)}): {bit.description}")
    return lines


def _label_scale(card: Mapping[str, Any]) -> list[str]:
    columns = ", ".join(f"{name} from the column `{column}`" for name, column in card["training_columns"].items())
    lines = [f"Labels have to be on the scale of those trained on: {columns}."]
    if card["metallicity"] == "FE_H":
        lines.append("The metallicity is [Fe/H].")
    if card.get("calibration"):
        lines.append(f"The labels are brought to this scale by the calibration {card['calibration']}.")
    lines.append(
        "`skdistmass calibrate` brings labels of another survey to this scale, and `skdistmass catalog` says if"
    )
    return [*lines, "labels seem to be on another one."]


def _citation(card: Mapping[str, Any]) -> Sequence[str]:
    return ["```bibtex", *_BIBTEX.splitlines(), "```", "", *(f"- {reference}" for reference in card["references"])]
