/** Units of columns, by the rules of `skdistmass.units`. */
import { PageError, type Rules } from "../rules.ts";

/** A number in this unit times `scale` (plus `offset`) is one in base units with these powers. */
export interface Unit {
  scale: number;
  powers: number[];
  offset: number;
  /** A logarithm of a number in the unit `of`; its own powers are then those of dex. */
  of?: Unit;
}

const NO_UNIT = new Set(["", "-", "--", "---", "none", "unitless", "dimensionless"]);
const NAMES: Record<string, string> = {
  "solar mass": "solMass",
  "solar masses": "solMass",
  "solar radii": "solRad",
  vega: "mag",
};
const NOTHING: Unit = { scale: 1, powers: [0, 0, 0, 0, 0, 0], offset: 0 };

function times(a: Unit, b: Unit, power: number): Unit {
  return {
    scale: a.scale * b.scale ** power,
    powers: a.powers.map((p, i) => p + power * b.powers[i]!),
    offset: 0,
  };
}

/** Factors by their names, joined by spaces, dots or stars; a power behind; what follows a slash divides. */
function parse(text: string, units: Rules["units"]): Unit | null {
  const logarithm = /^(dex|mag|dB)\(\s*(.*)\)$/.exec(text);
  if (logarithm) {
    const of = logarithm[2] === "" ? NOTHING : parse(logarithm[2]!, units);
    const own = units[logarithm[1]!]!;
    return of && { scale: own[0], powers: own[1], offset: 0, of };
  }
  let found = NOTHING;
  let divide = false;
  let rest = text.trim();
  if (rest === "") return null;
  if (units[rest]) return { scale: units[rest]![0], powers: units[rest]![1], offset: units[rest]![2] ?? 0 };
  while (rest !== "") {
    if (rest[0] === "/") {
      divide = true;
      rest = rest.slice(1).trim();
      continue;
    }
    const group = /^\(([^()]*)\)/.exec(rest);
    const number = /^(10)(?:\*\*|\^)?\(?([+-]\d+)\)?|^(\d+(?:\.\d+)?)/.exec(rest);
    const name = /^[^\s./*^()+\-0-9]+/u.exec(rest);
    let factor: Unit | null;
    if (group) {
      factor = parse(group[1]!, units);
      rest = rest.slice(group[0].length);
    } else if (number) {
      const value = number[1] ? 10 ** Number(number[2]) : Number(number[3]);
      factor = { scale: value, powers: NOTHING.powers, offset: 0 };
      rest = rest.slice(number[0].length);
    } else if (name) {
      const known = units[name[0]];
      factor = known ? { scale: known[0], powers: known[1], offset: known[2] ?? 0 } : null;
      rest = rest.slice(name[0].length);
    } else return null;
    if (factor === null || factor.offset) return null;
    const power = /^(?:\*\*|\^)?\s*\(?([+-]?\d+)\)?/.exec(rest);
    if (power) rest = rest.slice(power[0].length);
    found = times(found, factor, (divide ? -1 : 1) * Number(power?.[1] ?? 1));
    divide = false;
    rest = rest.replace(/^\s*[.*]?\s*/, "");
  }
  return found;
}

/** Return the unit that a text stands for, or null. */
export function understandUnit(text: string, units: Rules["units"]): Unit | null {
  text = text.trim();
  const low = text.toLowerCase();
  for (const spelling of [text, NAMES[low] ?? low, low.replace(/s$/, "")]) {
    const unit = spelling === "" ? null : parse(spelling, units);
    if (unit) return unit;
  }
  return null;
}

const isLogarithm = (unit: Unit): boolean => unit.powers[5] !== 0;
const sameKind = (a: Unit, b: Unit): boolean => a.powers.every((power, i) => power === b.powers[i]);
const isNothing = (unit: Unit): boolean => sameKind(unit, NOTHING) && unit.scale === 1;
const isDex = (unit: Unit): boolean => isLogarithm(unit) && unit.scale === 1;

/** Return a function that converts numbers to the wanted unit, or null if they are right as they are. */
export function converter(
  own: string | undefined,
  wanted: string,
  name: string,
  units: Rules["units"],
): ((value: number) => number) | null {
  if (own === undefined || NO_UNIT.has(own.trim().toLowerCase())) return null;
  const target = wanted === "" ? NOTHING : parse(wanted, units)!;
  const unit = understandUnit(own, units);
  const refused = new PageError(
    `Column ${name} has the unit ${own}, which can't be converted to ${wanted || "a plain number"}; ` +
      "give it another unit, or none if the numbers are right as they are.",
  );
  if (isDex(target)) {
    // Files write the unit of a logarithm in many ways.
    if (unit === null || isNothing(unit)) return null;
    const of = target.of ?? NOTHING;
    if (isLogarithm(unit)) {
      if (unit.scale !== 1) throw refused;
      const inner = unit.of ?? NOTHING;
      if (isNothing(inner) || isNothing(of)) return null;
      if (!sameKind(inner, of)) throw refused;
      const shift = Math.log10(inner.scale / of.scale);
      return shift === 0 ? null : (value) => value + shift;
    }
    if (!sameKind(unit, of)) throw refused;
    return (value) => Math.log10((value * unit.scale + unit.offset) / of.scale);
  }
  if (unit === null) {
    throw new PageError(
      `Column ${name} has the unit '${own}', which is not understood; choose another unit, or none if the numbers are ` +
        `in ${wanted} already.`,
    );
  }
  if (unit.of !== undefined || (isLogarithm(unit) && !isLogarithm(target))) {
    const inner = unit.of ?? NOTHING;
    if (!sameKind(inner, target)) throw refused;
    return (value) => (10 ** (value * unit.scale) * inner.scale) / target.scale;
  }
  if (!sameKind(unit, target)) throw refused;
  if (unit.scale === target.scale && unit.offset === 0) return null;
  return (value) => (value * unit.scale + unit.offset) / target.scale;
}
