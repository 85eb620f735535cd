/** The catalogue in memory: columns of all rows, which of them are shown in which order, and what plots need of them. */
import type { CardLine, Diagram, Histogram, Plots, StarCard, TableRow } from "./messages.ts";
import type { Bit, CatalogColumn, Rules } from "./rules.ts";
import type { Rows, Values } from "./stars/complete.ts";
import { IDENTIFIERS } from "./stars/plan.ts";
import { isText, isWhole, NULL, type Catalog } from "./writers/common.ts";

/** Above this number of rows predictions are kept in single precision, so that they fit in memory. */
const MOST_DOUBLE = 300_000;
const MOST_POINTS = 20_000;
const [NX, NY] = [220, 180];
const PRODUCTS = ["DISTANCE", "MASS", "AGE"] as const;
const VERDICTS: Record<string, string> = { good: "good", warn: "careful", bad: "don't use" };

/** Columns of the page's table: title, unit, what of a row. */
export const TABLE_COLUMNS: { key: string; title: string; unit: string; digits: number }[] = [
  { key: "TEFF", title: "Teff", unit: "K", digits: 0 },
  { key: "LOGG", title: "log g", unit: "dex", digits: 2 },
  { key: "M_H", title: "[M/H]", unit: "dex", digits: 2 },
  { key: "DISTANCE", title: "Distance", unit: "kpc", digits: 3 },
  { key: "DISTANCE_ERR", title: "±", unit: "kpc", digits: 3 },
  { key: "MASS", title: "Mass", unit: "Msun", digits: 2 },
  { key: "MASS_ERR", title: "±", unit: "Msun", digits: 2 },
  { key: "AGE", title: "Age", unit: "Gyr", digits: 2 },
  { key: "AGE_LO", title: "from", unit: "Gyr", digits: 2 },
  { key: "AGE_HI", title: "to", unit: "Gyr", digits: 2 },
  { key: "ABS_MAG", title: "M_K", unit: "mag", digits: 2 },
];

const COLOURS: Record<string, string> = {
  count: "stars per cell",
  M_H: "[M/H] (dex)",
  DISTANCE: "distance (kpc)",
  DISTANCE_FRACTION: "fractional error of the distance",
  MASS: "mass (Msun)",
  AGE: "age (Gyr)",
};

export class Store {
  readonly numbers: Record<string, Values> = {};
  readonly texts: Record<string, string[]> = {};
  readonly single: boolean;
  private order: Uint32Array<ArrayBuffer>;
  private readonly mass: string;
  private readonly age: string;
  private readonly bits: Record<string, number>;

  constructor(
    readonly n: number,
    private readonly rules: Rules,
  ) {
    this.bits = Object.fromEntries(rules.bits.FLAGS.map((bit) => [bit.name, bit.value]));
    this.single = n > MOST_DOUBLE;
    this.order = new Uint32Array(n).map((_, i) => i);
    [this.mass, this.age] = rules.scales[0] ?? ["MASS", "AGE"];
  }

  add(rows: Rows, start: number): void {
    for (const [name, values] of Object.entries(rows.numbers)) {
      this.numbers[name] ??= this.empty(values);
      this.numbers[name].set(values, start);
    }
    for (const [name, values] of Object.entries(rows.texts)) {
      this.texts[name] ??= new Array<string>(this.n).fill("");
      for (let i = 0; i < values.length; i++) this.texts[name][start + i] = values[i]!;
    }
  }

  private empty(like: Values): Values {
    if (like instanceof Int32Array) return new Int32Array(this.n);
    return this.single ? new Float32Array(this.n) : new Float64Array(this.n);
  }

  /** The catalogue: all columns of the package's, with further identifiers in front. */
  catalog(): Omit<Catalog, "cards"> {
    const columns = this.columns();
    const [numbers, texts, unknown] = [{ ...this.numbers }, { ...this.texts }, new Set<string>()];
    for (const column of columns) {
      if (column.name in numbers || column.name in texts) continue;
      unknown.add(column.name);
      if (isText(column)) texts[column.name] = new Array<string>(this.n).fill("");
      else numbers[column.name] = isWhole(column) ? new Int32Array(this.n).fill(NULL) : new Float32Array(this.n).fill(NaN);
    }
    return { n: this.n, columns, numbers, texts, unknown };
  }

  private columns(): CatalogColumn[] {
    const known = this.rules.columns;
    const names = new Set(known.map((column) => column.name));
    const more = IDENTIFIERS.filter((name) => this.texts[name] && !names.has(name)).map((name) => ({
      name,
      description: "identifier of the survey file",
      ucd: "meta.id",
      unit: null,
      dtype: "U30",
      formula: "as in the survey",
    }));
    return [...known.filter((c) => IDENTIFIERS.includes(c.name)), ...more, ...known.filter((c) => !IDENTIFIERS.includes(c.name))];
  }

  id(row: number): string {
    for (const name of IDENTIFIERS) if (this.texts[name]?.[row]) return this.texts[name][row]!;
    return `row ${row + 1}`;
  }

  get total(): number {
    return this.order.length;
  }

  private column(name: string): Values | undefined {
    return this.numbers[name.replace(/^MASS(?=$|_(LO|HI|ERR)$)/, this.mass).replace(/^AGE(?=$|_(LO|HI)$)/, this.age)];
  }

  /** Value of a column for people: ages are in Gyr. */
  private shown(name: string, row: number): number {
    if (name === "DISTANCE_FRACTION") return this.number("DISTANCE_ERR", row) / this.number("DISTANCE", row);
    const own = /^MASS_ERR$/.test(name) ? (this.numbers.MASS_ERR ?? this.column(name)) : this.column(name);
    const value = own ? own[row]! : NaN;
    return /^AGE/.test(name) && !/ERR|FLAG/.test(name) ? 10 ** (value - 9) : value;
  }

  private number(name: string, row: number): number {
    return this.numbers[name]?.[row] ?? NaN;
  }

  private verdict(product: string, row: number): string {
    const flags = this.number("FLAGS", row);
    if (flags & this.bits[`${product}_BAD`]!) return "bad";
    return flags & this.bits[`${product}_WARN`]! ? "warn" : "good";
  }

  counts(): Record<string, number> {
    const found: Record<string, number> = {};
    for (const product of PRODUCTS) {
      for (const verdict of ["good", "warn", "bad"]) found[`${product}_${verdict}`] = 0;
      for (let row = 0; row < this.n; row++) found[`${product}_${this.verdict(product, row)}`]!++;
    }
    return found;
  }

  /** Choose and sort the rows that are shown. */
  show(filter: string, search: string, sort: string, descending: boolean): void {
    const [product, wanted] = filter.split("-");
    const text = search.trim().toLowerCase();
    const kept: number[] = [];
    const ids = IDENTIFIERS.filter((name) => this.texts[name]);
    for (let row = 0; row < this.n; row++) {
      if (product && wanted && product !== "all" && this.verdict(product, row) === "bad") continue;
      if (text && !ids.some((name) => this.texts[name]![row]!.toLowerCase().includes(text))) continue;
      kept.push(row);
    }
    this.order = Uint32Array.from(kept);
    if (!sort) return;
    const sign = descending ? -1 : 1;
    if (sort === "id") {
      const names = kept.map((row) => this.id(row));
      const places = Uint32Array.from(kept.keys()).sort((a, b) => sign * (names[a]! < names[b]! ? -1 : 1));
      this.order = places.map((place) => kept[place]!);
      return;
    }
    const keys = new Float64Array(this.n).fill(NaN);
    for (const row of kept) keys[row] = this.shown(sort, row);
    // What is missing comes last in either direction.
    this.order.sort((a, b) => {
      const [x, y] = [keys[a]!, keys[b]!];
      if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y)) || a - b;
      return sign * (x - y) || a - b;
    });
  }

  rows(start: number, stop: number): TableRow[] {
    return Array.from(this.order.subarray(start, stop), (row) => ({
      row,
      id: this.id(row),
      values: TABLE_COLUMNS.map(({ key }) => finite(this.shown(key, row))),
      verdicts: PRODUCTS.map((product) => this.verdict(product, row)) as [string, string, string],
      flags: this.reasons(row).map((bit) => bit.description),
    }));
  }

  /** Bits of FLAGS that are set, but the verdicts. */
  private reasons(row: number): Bit[] {
    const flags = this.number("FLAGS", row);
    return this.rules.bits.FLAGS.filter((bit) => flags & bit.value && !/_(WARN|BAD)$/.test(bit.name.replace("STAR_BAD", "")));
  }

  star(row: number): StarCard {
    const line = (name: string, label: string, unit: string, base = name): CardLine => {
      const value = (end: string): number | null => finite(this.shown(base + end, row));
      const error = name === "MASS" ? this.number("MASS_ERR", row) : this.number(`${base}_ERR`, row);
      const ends = { low: value("_LO"), high: value("_HI"), low95: value("_LO95"), high95: value("_HI95") };
      return { name, label, unit, value: finite(this.shown(base, row)), error: name.startsWith("AGE") ? null : finite(error), ...ends };
    };
    const [mass, age] = [this.mass, this.age];
    const others = this.rules.scales.slice(1);
    const flags: StarCard["flags"] = this.reasons(row).map((bit) => ({ column: "FLAGS", ...bit }));
    for (const column of ["AGE_FLAG", "EXTINCTION_FLAG", "BITMASK"] as const) {
      const value = this.number(column, row);
      for (const bit of this.rules.bits[column]) if (value & bit.value) flags.push({ column, ...bit });
    }
    const space = (name: string): string => this.rules.spaces[String(this.number(name, row))] ?? "";
    const notes = [
      space("DISTANCE_SPACE") && `Distance model: ${space("DISTANCE_SPACE")}.`,
      space("MASS_SPACE") && `Mass model: ${space("MASS_SPACE")}.`,
      this.texts.EXTINCTION_METHOD?.[row] && `Extinction by ${this.texts.EXTINCTION_METHOD[row]}.`,
      this.texts.GAIAEDR3_DIST_SRC?.[row] && `Gaia distance: ${this.texts.GAIAEDR3_DIST_SRC[row]}.`,
      this.number("LABEL_FALLBACK", row) === 1 && "Without carbon or nitrogen: M_K from Teff, log g and metallicity alone.",
    ];
    return {
      row,
      id: this.id(row),
      identifiers: IDENTIFIERS.filter((name) => this.texts[name]?.[row]).map((name) => [name, this.texts[name]![row]!]),
      inputs: [
        line("TEFF", "Teff", "K"), line("LOGG", "log g", "dex"), line("M_H", "[M/H]", "dex"), line("C_FE", "[C/Fe]", "dex"),
        line("N_FE", "[N/Fe]", "dex"), line("MAG", "K", "mag"), line("EXTINCTION", "A_K", "mag"),
        line("GAIAEDR3_DIST", "Gaia distance", "kpc"),
      ],
      results: [
        line("DISTANCE", "Distance", "kpc"), line("DISTANCE_WEIGHTED", "Distance with Gaia's", "kpc"), line("ABS_MAG", "M_K", "mag"),
        line("MASS", "Mass", "Msun", mass), line("AGE", "Age", "Gyr", age),
      ],
      scales: others.flatMap(([m, a]) => [line(m, m, "Msun"), line(a, a, "Gyr")]),
      verdicts: PRODUCTS.map((product) => this.explain(product, row)),
      flags,
      notes: notes.filter((note): note is string => typeof note === "string" && note !== ""),
    };
  }

  private explain(product: (typeof PRODUCTS)[number], row: number): StarCard["verdicts"][number] {
    const verdict = this.verdict(product, row);
    const bits = verdict === "bad" ? this.rules.spoilers[product] : this.rules.warnings[product];
    const reasons = this.reasons(row).filter((bit) => bit.value & bits).map((bit) => bit.description);
    if (verdict === "bad") {
      const value = this.shown(product, row);
      if (!Number.isFinite(value)) reasons.push(product === "AGE" && this.isDwarf(row) ? "not a giant, so no age is given" : "there is no value");
      else if (product === "MASS" && value <= 0) reasons.push("the mass is not above 0");
      if (product === "AGE" && this.verdict("MASS", row) === "bad") reasons.push("the mass can't be used");
    }
    return { product, verdict: VERDICTS[verdict]!, reasons };
  }

  private isDwarf(row: number): boolean {
    return this.number("LOGG", row) >= this.rules.limits.GIANT_LOGG!;
  }

  nearest(teff: number, logg: number, scale: [number, number]): number | null {
    const [x, y] = [this.numbers.TEFF!, this.numbers.LOGG!];
    let [best, least]: [number | null, number] = [null, Infinity];
    for (const row of this.order) {
      const distance = ((x[row]! - teff) / scale[0]) ** 2 + ((y[row]! - logg) / scale[1]) ** 2;
      if (distance < least) [best, least] = [row, distance];
    }
    return best;
  }

  plots(colour: string): Plots {
    return {
      kiel: this.kiel(colour),
      distance: this.histogram("DISTANCE", "distance (kpc)", true),
      age: this.histogram("AGE", "age (Gyr)", false),
    };
  }

  private kiel(colour: string): Diagram {
    const [x, y] = [this.numbers.TEFF!, this.numbers.LOGG!];
    const rows = this.order.filter((row) => Number.isFinite(x[row]!) && Number.isFinite(y[row]!));
    const range = (values: Values, ends: [number, number]): [number, number] => {
      const sorted = Float64Array.from(rows, (row) => values[row]!).sort();
      if (!sorted.length) return ends;
      const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))]!;
      const margin = 0.04 * (at(0.9995) - at(0.0005)) || 0.1 * Math.abs(ends[1] - ends[0]);
      return [at(0.0005) - margin, at(0.9995) + margin];
    };
    const [xs, ys] = [range(x, [3500, 7000]), range(y, [0, 5])];
    const label = COLOURS[colour] ?? colour;
    if (rows.length <= MOST_POINTS && colour !== "count") {
      const c = Float32Array.from(rows, (row) => this.shown(colour, row));
      const points = { x: Float32Array.from(rows, (row) => x[row]!), y: Float32Array.from(rows, (row) => y[row]!), c };
      return { points, x: xs, y: ys, c: ends(c), label, n: rows.length };
    }
    const counts = new Uint32Array(NX * NY);
    const known = new Uint32Array(NX * NY);
    const sums = new Float64Array(NX * NY);
    for (const row of rows) {
      const i = Math.floor(((x[row]! - xs[0]) / (xs[1] - xs[0])) * NX);
      const j = Math.floor(((y[row]! - ys[0]) / (ys[1] - ys[0])) * NY);
      if (i < 0 || i >= NX || j < 0 || j >= NY) continue;
      counts[j * NX + i]!++;
      if (colour === "count") continue;
      const value = this.shown(colour, row);
      if (!Number.isFinite(value)) continue;
      known[j * NX + i]!++;
      sums[j * NX + i]! += value;
    }
    const means = Float32Array.from(counts, (n, k) => (colour === "count" ? n || NaN : sums[k]! / known[k]!));
    const c: [number, number] = colour === "count" ? [1, means.reduce((a, b) => (b > a ? b : a), 1)] : ends(means);
    return { grid: { nx: NX, ny: NY, counts, means }, x: xs, y: ys, c, label, n: rows.length };
  }

  private histogram(name: string, label: string, log: boolean): Histogram {
    const values = Float64Array.from(this.order, (row) => this.shown(name, row)).filter((v) => Number.isFinite(v) && (!log || v > 0));
    values.sort();
    const n = values.length;
    const at = (share: number): number => values[Math.round(share * (n - 1))]!;
    const change = (value: number): number => (log ? Math.log10(value) : value);
    const [low, high] = n ? [log ? change(at(0.0005)) : 0, log ? change(at(0.9995)) : Math.max(at(0.9995), 14)] : [log ? -1 : 0, log ? 1 : 14];
    const nBins = Math.max(10, Math.min(60, Math.ceil(2 * Math.cbrt(n || 1))));
    const step = (high - low) / nBins || 0.1;
    const counts = new Array<number>(nBins).fill(0);
    for (const value of values) {
      const bin = Math.min(Math.floor((change(value) - low) / step), nBins - 1);
      if (bin >= 0) counts[bin]!++;
    }
    return { edges: Array.from({ length: nBins + 1 }, (_, i) => low + i * step), counts, label, log, n, median: n ? at(0.5) : null };
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Values between which most of the others are. */
function ends(values: Float32Array): [number, number] {
  const known = values.filter((value) => Number.isFinite(value)).sort();
  if (!known.length) return [0, 1];
  const at = (share: number): number => known[Math.round(share * (known.length - 1))]!;
  const [low, high] = [at(0.02), at(0.98)];
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}
