/** Quantities made from the columns of a table, by the rules of `skdistmass.surveys.making` and `.plausibility`. */
import { PageError, type Flag, type Quantity, type Rules, type Source } from "../rules.ts";
import { asFlagWords, asFloats, asIdentifiers, asTexts, fail, oneEach, type Column } from "./columns.ts";
import type { Plan } from "./plan.ts";
import { converter } from "./units.ts";

type Floats = Float64Array<ArrayBuffer>;

/** Stars of some rows of a table: numbers (NaN where missing) and texts (blank) by the name of the quantity. */
export interface Stars {
  n: number;
  numbers: Record<string, Floats>;
  texts: Record<string, string[]>;
  badStar: Uint8Array;
  metallicity: "M_H" | "FE_H";
  impossible: Record<string, number>;
  notes: string[];
}

const WITH_SOURCE = new Set(["A_K", "EBV", "PARALLAX", "GAIAEDR3_DIST"]);
const JUDGED = ["TEFF", "LOGG", "GAIAEDR3_DIST", "PARALLAX_ERR"];
const FEWEST = 3;

export function numbersOf(stars: Stars, name: string): Floats {
  return stars.numbers[name] ?? new Float64Array(stars.n).fill(NaN);
}

export function textsOf(stars: Stars, name: string): string[] {
  return stars.texts[name] ?? new Array<string>(stars.n).fill("");
}

function unitBefore(transform: string | undefined, unit: string): string {
  if (transform === "log10") return unit.startsWith("dex(") ? unit.slice(4, -1) : unit;
  return transform === "power10" ? `dex(${unit})` : unit;
}

class Maker {
  readonly stars: Stars;
  private readonly quantities: Map<string, Quantity>;

  constructor(
    private readonly plan: Plan,
    private readonly columns: Record<string, Column>,
    private readonly units: Record<string, string>,
    private readonly rules: Rules,
    n: number,
  ) {
    this.quantities = new Map(rules.quantities.map((item) => [item.name, item]));
    this.stars = { n, numbers: {}, texts: {}, badStar: new Uint8Array(n), metallicity: "M_H", impossible: {}, notes: [] };
  }

  make(): void {
    for (const [name, sources] of Object.entries(this.plan.sources)) {
      const about = this.quantities.get(name)!;
      if (about.kind === "number") this.number(about, sources);
      else this.other(about, sources[0]!);
    }
    this.stars.badStar = this.flagged(this.plan.badStar);
    const { numbers } = this.stars;
    if (!numbers.M_H && numbers.FE_H) {
      numbers.M_H = numbers.FE_H.slice();
      if (numbers.FE_H_ERR) numbers.M_H_ERR = numbers.FE_H_ERR.slice();
      this.stars.metallicity = "FE_H";
    }
    judge(numbers, this.plan);
    for (const [name, values] of Object.entries(numbers)) {
      const about = this.quantities.get(name);
      if (!about) continue;
      const count = dropImpossible(values, about);
      if (count && !(name === "FE_H" && this.stars.metallicity === "FE_H")) this.stars.impossible[name] = count;
    }
  }

  private floats(name: string, about: Quantity, unit: string, stated?: string): Floats {
    const column = this.columns[name]!;
    const isPair = about.name.endsWith("_ERR") && column.width === 2;
    if (!isPair) oneEach(column, name);
    let values = asFloats(column, name, about.high_sentinels, this.rules);
    for (const number of this.plan.layout.sentinels ?? []) {
      const near = this.rules.sentinels.tolerance * Math.abs(number);
      values = values.map((value) => (Math.abs(value - number) <= near ? NaN : value));
    }
    if (isPair) {
      const pairs = values;
      values = new Float64Array(this.stars.n).map((_, i) => (Math.abs(pairs[2 * i]!) + Math.abs(pairs[2 * i + 1]!)) / 2);
    }
    const own = this.units[name]?.trim() ? this.units[name]! : stated;
    const convert = converter(own, unit, name, this.rules.units);
    if (convert === null) return values;
    if (about.name === "LOGG" && !own!.startsWith("dex") && median(values) < 10) {
      fail(`Column ${name} has the unit ${own}, but its values are those of a logarithm; give it the unit dex(${own}), or none.`);
    }
    return values.map(convert);
  }

  /** Fill a quantity star by star: the first source with a value is taken, with its own error. */
  private number(about: Quantity, sources: Source[]): void {
    const { n } = this.stars;
    const values = new Float64Array(n).fill(NaN);
    const error = new Float64Array(n).fill(NaN);
    const called = new Array<string>(n).fill("");
    for (const source of sources) {
      const own = this.value(source, about);
      const bad = this.flagged(source.flags ?? []);
      const ownError = this.errors(source, about, own);
      const names = WITH_SOURCE.has(about.name) ? this.called(source) : null;
      for (let i = 0; i < n; i++) {
        if (!Number.isNaN(values[i]!) || !Number.isFinite(own[i]!) || bad[i]) continue;
        values[i] = own[i]!;
        error[i] = ownError ? ownError[i]! : NaN;
        if (names) called[i] = names(i);
      }
    }
    this.stars.numbers[about.name] = values;
    if (about.name === "PARALLAX" || sources.some((s) => s.error?.length || s.lower || s.below)) {
      this.stars.numbers[`${about.name}_ERR`] = error;
    }
    if (WITH_SOURCE.has(about.name)) this.stars.texts[`${about.name}_SRC`] = called;
  }

  private value(source: Source, about: Quantity): Floats {
    const values = this.transformed(source.column[0]!, source, about);
    if (!source.minus) return values;
    const minus = this.transformed(source.minus, source, about);
    return values.map((value, i) => value - minus[i]!);
  }

  private transformed(name: string, source: Source, about: Quantity): Floats {
    const values = this.floats(name, about, unitBefore(source.transform, about.unit), source.unit);
    if (source.transform === "log10") return values.map((value) => (value > 0 ? Math.log10(value) : NaN));
    if (source.transform === "power10") return values.map((value) => 10 ** value);
    const factor = this.lawOf(source);
    return factor === 1 ? values : values.map((value) => value * factor);
  }

  private lawOf(source: Source): number {
    return source.law ? this.rules.laws[source.transform!]![source.law]! : 1;
  }

  private errors(source: Source, about: Quantity, values: Floats): Floats | null {
    let ends: [Floats, Floats];
    if (source.lower) {
      ends = [this.transformed(source.lower, source, about), this.transformed(source.upper!, source, about)];
    } else if (source.below) {
      const unit = unitBefore(source.transform, about.unit);
      const middle = this.floats(source.column[0]!, about, unit, source.unit);
      const low = { ...about, high_sentinels: false };
      const [below, above] = [source.below, source.above!].map((side) => this.floats(side, low, unit, source.unit));
      ends = [middle.map((value, i) => value - below![i]!), middle.map((value, i) => value + above![i]!)];
      if (source.transform === "log10") {
        ends = ends.map((end) => end.map((v) => (v > 0 ? Math.log10(v) : NaN))) as [Floats, Floats];
      }
    } else return this.symmetric(source, about, values);
    return ends[0].map((low, i) => {
      const half = 0.5 * (ends[1][i]! - low);
      return half > 0 ? half : NaN;
    });
  }

  private symmetric(source: Source, about: Quantity, values: Floats): Floats | null {
    if (!source.error?.length) return null;
    const errorAbout = this.quantities.get(`${about.name}_ERR`) ?? about;
    let unit = about.unit.startsWith("dex") ? "dex" : about.unit;
    if (source.transform) unit = unitBefore(source.transform, about.unit);
    let errors = this.floats(source.error[0]!, errorAbout, unit, unit === "dex" ? undefined : source.unit);
    if (source.minus_error) {
      const minus = this.floats(source.minus_error, errorAbout, unit);
      errors = errors.map((error, i) => Math.hypot(error, minus[i]!));
    }
    if (about.name === "PARALLAX") errors = errors.map((error) => (error > 0 ? error : NaN));
    if (source.transform === "log10") return errors.map((error, i) => error / (10 ** values[i]! * Math.LN10));
    if (source.transform === "power10") return errors.map((error, i) => error * values[i]! * Math.LN10);
    const factor = this.lawOf(source);
    return factor === 1 ? errors : errors.map((error) => error * factor);
  }

  private called(source: Source): (row: number) => string {
    const name = source.column[0]!;
    const own = source.called_by?.length ? asTexts(this.columns[source.called_by[0]!]!, source.called_by[0]!) : null;
    const corrected = this.plan.layout.parallax_corrected && source.called?.startsWith("Gaia") ? " corrected" : "";
    const fixed = source.called || name;
    return (row) => {
      const text = own ? own[row]! || name : fixed;
      return (text === "Gaia DR3" ? "Gaia EDR3" : text) + corrected;
    };
  }

  private flagged(flags: Flag[]): Uint8Array {
    const bad = new Uint8Array(this.stars.n);
    for (const flag of flags) {
      const column = this.columns[flag.column]!;
      if (flag.above !== undefined) {
        asFloats(column, flag.column, false, this.rules).forEach((value, i) => (bad[i]! |= Number(value > flag.above!)));
        continue;
      }
      const words = asFlagWords(column, flag.column);
      const mask = (flag.bits ?? []).reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
      for (let i = 0; i < words.length; i++) {
        const word = words[i]!;
        // A word below 0 is a placeholder, not a set of bits.
        if (mask === 0n) bad[i]! |= Number(word != 0);
        else if (word > 0) bad[i]! |= Number((BigInt(word) & mask) !== 0n);
      }
    }
    return bad;
  }

  private other(about: Quantity, source: Source): void {
    const name = source.column[0]!;
    const column = this.columns[name]!;
    if (about.kind === "text") this.stars.texts[about.name] = asTexts(column, name);
    else if (about.kind === "flags") {
      this.stars.numbers[about.name] = Float64Array.from(asFlagWords(column, name) as ArrayLike<number | bigint>, Number);
    } else {
      const found = asIdentifiers(column, name);
      if (found) this.stars.texts[about.name] = found;
      else this.stars.notes.push(`Column ${name} has no whole numbers with all digits; ${about.name} is left out.`);
    }
  }
}

function dropImpossible(values: Floats, about: Quantity): number {
  const { minimum = -Infinity, maximum = Infinity, zero_is_missing: zero } = about;
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < minimum || value > maximum || (zero && value === 0)) {
      values[i] = NaN;
      count++;
    }
  }
  return count;
}

function median(values: Floats): number {
  const known = values.filter((value) => Number.isFinite(value)).sort();
  if (!known.length) return NaN;
  const middle = known.length >> 1;
  return known.length % 2 ? known[middle]! : 0.5 * (known[middle - 1]! + known[middle]!);
}

/** Refuse a column whose values show that it is in another unit than the one it is taken for. */
function judge(numbers: Record<string, Floats>, plan: Plan): void {
  for (const name of JUDGED) {
    const known = numbers[name]?.filter((value) => Number.isFinite(value));
    if (!known || known.length < FEWEST) continue;
    const middle = median(known);
    const reason = reasonAgainst(name, middle, known);
    if (reason) refuse(name, plan, `have a median of ${Number(middle.toPrecision(4))}: ${reason}`);
  }
  const { GAIAEDR3_DIST: distance, PARALLAX: parallax, PARALLAX_ERR: error } = numbers;
  if (!distance || !parallax) return;
  const products = distance.map((d, i) => {
    const plx = parallax[i]!;
    return plx > 0 && !(error && error[i]! > 0.2 * plx) ? d * plx : NaN;
  });
  if (products.filter((value) => Number.isFinite(value)).length < FEWEST) return;
  const middle = median(products);
  if (middle > 30) refuse("GAIAEDR3_DIST", plan, `are about ${middle.toFixed(0)} times 1 / PARALLAX; they look like pc`);
  if (middle < 1 / 30) refuse("PARALLAX", plan, `are about 1 / ${(1 / middle).toFixed(0)} of 1 / GAIAEDR3_DIST; they look like arcsec`);
}

function reasonAgainst(name: string, middle: number, values: Floats): string {
  if (name === "TEFF" && middle < 100) {
    const top = values.reduce((a, b) => Math.max(a, b), -Infinity);
    return top < 4.5 && middle > 3.2 ? "they look like log10 of the temperature" : "they look like kK";
  }
  if (name === "LOGG" && middle > 10) return "they look like the gravity itself, not its logarithm";
  if (name === "GAIAEDR3_DIST" && middle > 100) return "no survey of stars reaches that far in kpc; they look like pc";
  if (name === "PARALLAX_ERR" && middle < 1e-3) return "no parallax is that exact in mas; they look like arcsec";
  return "";
}

function refuse(name: string, plan: Plan, problem: string): never {
  const sources = plan.sources[name] ?? plan.sources[name.replace("_ERR", "")] ?? [];
  const columns = sources.map((source) => source.column[0]).join(", ");
  throw new PageError(`The values of ${name} (column ${columns || name}) ${problem}. Choose the right unit or column.`);
}

/** Make the stars of some rows of a table from its columns. */
export function makeStars(
  plan: Plan,
  columns: Record<string, Column>,
  units: Record<string, string>,
  n: number,
  rules: Rules,
): Stars {
  const maker = new Maker(plan, columns, units, rules, n);
  maker.make();
  return maker.stars;
}
