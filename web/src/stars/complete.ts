/** Columns of a catalogue beside the predictions, by the rules of `skdistmass.model.prediction` and `.quality`. */
import type { Rules } from "../rules.ts";
import type { Extinction } from "./extinction.ts";
import { numbersOf, textsOf, type Stars } from "./making.ts";

type Floats = Float64Array<ArrayBuffer>;
export type Values = Float64Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** Columns of some rows of a catalogue. */
export interface Rows {
  n: number;
  numbers: Record<string, Values>;
  texts: Record<string, string[]>;
}

/** Give the inputs of the graph: the labels with the metallicity of the model, magnitude, extinction, errors. */
export function graphInputs(stars: Stars, extinction: Extinction, names: string[], rules: Rules): Record<string, Floats> {
  const own = withMetallicity(stars, rules);
  const from: Record<string, Floats> = {
    MAG: numbersOf(stars, "K"),
    EXTINCTION: extinction.values,
    MAG_ERR: numbersOf(stars, "K_ERR"),
    EXTINCTION_ERR: extinction.errors,
  };
  return Object.fromEntries(names.map((name) => [name, from[name] ?? own(name)]));
}

function withMetallicity(stars: Stars, rules: Rules): (name: string) => Floats {
  const swap = rules.metallicity === "FE_H" && stars.metallicity === "M_H" && stars.numbers.FE_H !== undefined;
  return (name) => numbersOf(stars, swap ? name.replace(/^M_H/, "FE_H") : name);
}

/** Name of the metallicity that the predictions rest on. */
export function metallicityOf(stars: Stars, rules: Rules): "M_H" | "FE_H" {
  return stars.metallicity === "M_H" && rules.metallicity === "FE_H" && stars.numbers.FE_H ? "FE_H" : stars.metallicity;
}

function clusterKey(name: string, rules: Rules): string {
  const text = name.toUpperCase().replace(/[^A-Z0-9]/g, "");
  for (const [pattern, prefix] of Object.entries(rules.clusters.spellings)) {
    const found = new RegExp(`^(?:${pattern})$`).exec(text);
    if (found) return prefix + found.slice(1).join("");
  }
  return text;
}

/** Distances from Gaia (kpc), their errors and sources, as of `reference_distances` and `survey_columns`. */
function gaiaDistances(stars: Stars, rules: Rules): { distance: Floats; error: Floats; source: string[] } {
  const [listed, parallax, plxError] = ["GAIAEDR3_DIST", "PARALLAX", "PARALLAX_ERR"].map((name) => numbersOf(stars, name));
  const [plxSource, listedSource] = [textsOf(stars, "PARALLAX_SRC"), textsOf(stars, "GAIAEDR3_DIST_SRC")];
  const clusters = textsOf(stars, "CLUSTER");
  const keys = new Set(rules.clusters.keys);
  const members = new Map<string, boolean>();
  const distance = new Float64Array(stars.n).fill(NaN);
  const error = new Float64Array(stars.n).fill(NaN);
  const source = new Array<string>(stars.n).fill("");
  for (let i = 0; i < stars.n; i++) {
    const fraction = parallax![i]! > 0 ? plxError![i]! / parallax![i]! : NaN;
    const corrected = parallax![i]! - (rules.cuts.parallax_zero_point[plxSource[i]!] ?? 0);
    const inverse = corrected > 0 ? 1 / corrected : NaN;
    const own = Number.isFinite(listed![i]!) ? listed![i]! : inverse;
    if (!Number.isFinite(fraction) || !Number.isFinite(own)) continue;
    const cluster = clusters[i]!;
    if (cluster !== "" && !members.has(cluster)) members.set(cluster, keys.has(clusterKey(cluster, rules)));
    // Where a parallax is poor, a member's distance is that of its cluster, which is not Gaia's.
    if (!(fraction < rules.cuts.max_parallax_error) && members.get(cluster)) continue;
    distance[i] = own;
    error[i] = own * fraction;
    source[i] = Number.isFinite(listed![i]!) ? listedSource[i]! : `1/parallax ${plxSource[i]!}`.trim();
  }
  return { distance, error, source };
}

/** Give intervals of the distance the error of the star's own extinction, where the graph assumed one. */
function widenDistances(found: Record<string, Values>, errors: Floats, inputs: string[], rules: Rules): void {
  const distance = found.DISTANCE;
  if (inputs.includes("EXTINCTION_ERR") || !distance || !found.DISTANCE_LO) return;
  const assumed = rules.cuts.assumed_extinction_error;
  const ends = [["DISTANCE_LO", 1], ["DISTANCE_HI", 1], ["DISTANCE_LO95", 4], ["DISTANCE_HI95", 4]] as const;
  if (!errors.some((error) => error > 0)) return;
  for (const [name, weight] of ends) {
    const values = found[name]!;
    for (let i = 0; i < values.length; i++) {
      const extra = errors[i]! > 0 ? errors[i]! ** 2 - assumed ** 2 : 0;
      const side = 5 * Math.log10(values[i]! / distance[i]!);
      const width = Math.sqrt(Math.max(side ** 2 + weight * extra, 0));
      values[i] = distance[i]! * 10 ** (0.2 * Math.sign(side) * width);
    }
  }
  const [low, high] = [found.DISTANCE_LO!, found.DISTANCE_HI!];
  found.DISTANCE_ERR = (found.DISTANCE_ERR ?? low).map((_, i) => 0.5 * (high[i]! - low[i]!)) as Values;
}

/** Put the columns of the survey, and what follows from both, beside a model's predictions. */
export function complete(
  stars: Stars,
  extinction: Extinction,
  predicted: Record<string, Values>,
  inputs: string[],
  rules: Rules,
): Rows {
  const { n } = stars;
  const numbers: Record<string, Values> = { ...predicted };
  widenDistances(numbers, extinction.errors, inputs, rules);
  const own = withMetallicity(stars, rules);
  for (const name of ["TEFF", "LOGG", "M_H", "C_FE", "N_FE"]) numbers[name] = own(name);
  numbers.MAG = numbersOf(stars, "K");
  numbers.EXTINCTION = extinction.values;
  numbers.EXTINCTION_ERR = extinction.values.map((value, i) => {
    if (!Number.isFinite(value)) return NaN;
    return extinction.errors[i]! > 0 ? extinction.errors[i]! : rules.cuts.extinction_error;
  });
  numbers.EXTINCTION_FLAG = extinction.flag;
  const gaia = gaiaDistances(stars, rules);
  numbers.GAIAEDR3_DIST = gaia.distance;
  const weighted = weightedDistances(numbers, gaia, n);
  numbers.DISTANCE_WEIGHTED = weighted[0];
  numbers.DISTANCE_WEIGHTED_ERR = weighted[1];
  numbers.LABEL_FALLBACK_MASS ??= new Int32Array(n);
  numbers.FLAGS = qualityFlags(numbers, stars, gaia.error, rules);
  const texts = { ...stars.texts, EXTINCTION_METHOD: extinction.method, GAIAEDR3_DIST_SRC: gaia.source };
  return { n, numbers, texts };
}

function weightedDistances(
  numbers: Record<string, Values>,
  gaia: { distance: Floats; error: Floats },
  n: number,
): [Floats, Floats] {
  const nothing = new Float64Array(n).fill(NaN);
  const [distance, error] = [numbers.DISTANCE ?? nothing, numbers.DISTANCE_ERR ?? nothing];
  const mean = new Float64Array(n).fill(NaN);
  const meanError = new Float64Array(n).fill(NaN);
  const usable = (d: number, e: number): boolean => d > 0 && Number.isFinite(d) && e > 0 && Number.isFinite(e);
  for (let i = 0; i < n; i++) {
    const [d, e, g, f] = [distance[i]!, error[i]!, gaia.distance[i]!, gaia.error[i]!];
    const [one, other] = [usable(d, e), usable(g, f)];
    if (one && other) {
      const [w, v] = [(d ** 2 / e) ** 2, (g ** 2 / f) ** 2];
      mean[i] = (w + v) / (w / d + v / g);
      meanError[i] = mean[i]! ** 2 / Math.sqrt(w + v);
    } else if (one) [mean[i], meanError[i]] = [d, e];
    else if (other) [mean[i], meanError[i]] = [g, f];
  }
  return [mean, meanError];
}

function namedBits(bits: { name: string; value: number }[]): Record<string, number> {
  return Object.fromEntries(bits.map((bit) => [bit.name, bit.value]));
}

function qualityFlags(numbers: Record<string, Values>, stars: Stars, gaiaError: Floats, rules: Rules): Int32Array<ArrayBuffer> {
  const { n } = stars;
  const bit = namedBits(rules.bits.FLAGS);
  const age = namedBits(rules.bits.AGE_FLAG);
  const ext = namedBits(rules.bits.EXTINCTION_FLAG);
  const limit = rules.limits;
  const nothing = new Float64Array(n).fill(NaN);
  const column = (name: string): Values => numbers[name] ?? nothing;
  const fallbacks = ext.FROM_FILE! | ext.COLOUR! | ext.ASSUMED!;
  const ageLimits = age.MASS_LOW! | age.MASS_HIGH! | age.FEH_LOW! | age.FEH_HIGH!;
  const [massName, ageName] = rules.scales[0] ?? ["MASS", "AGE"];
  const [teff, logg, mH, cFe, nFe] = ["TEFF", "LOGG", "M_H", "C_FE", "N_FE"].map(column);
  const [mag, ak, akFlag] = [column("MAG"), column("EXTINCTION"), column("EXTINCTION_FLAG")];
  const [distance, distanceError, gaia] = [column("DISTANCE"), column("DISTANCE_ERR"), column("GAIAEDR3_DIST")];
  const [space, massSpace, ageFlag] = [column("DISTANCE_SPACE"), column("MASS_SPACE"), column("AGE_FLAG")];
  const [mass, ages, aspcap] = [column(massName), column(ageName), numbersOf(stars, "ASPCAPFLAG")];
  const starBad = BigInt(limit.ASPCAP_STAR_BAD!);
  const missing = (value: number | undefined): boolean => !Number.isFinite(value);
  const flags = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    let found = 0;
    const set = (name: string, wanted: boolean): void => {
      if (wanted) found |= bit[name]!;
    };
    set("LABEL_MISSING", missing(teff![i]) || missing(logg![i]) || missing(mH![i]));
    set("CN_MISSING", missing(cFe![i]) || missing(nFe![i]));
    set("DISTANCE_EDGE", space[i] === 1);
    set("DISTANCE_OUTSIDE", space[i] === 2);
    set("MASS_EDGE", massSpace[i] === 1);
    set("MASS_OUTSIDE", massSpace[i] === 2);
    set("MAG_MISSING", missing(mag[i]));
    set("EXTINCTION_MISSING", Number.isNaN(ak[i]));
    set("EXTINCTION_FALLBACK", (akFlag[i]! & fallbacks) !== 0);
    set("EXTINCTION_NEGATIVE", (akFlag[i]! & ext.NEGATIVE!) !== 0);
    set("EXTINCTION_HIGH", ak[i]! >= limit.HIGH_EXTINCTION!);
    const allowed = limit.CONFLICT_SIGMA! * Math.hypot(gaiaError[i]!, distanceError[i]!);
    set("GAIA_CONFLICT", Math.abs(distance[i]! - gaia[i]!) > allowed);
    set("NOT_GIANT", logg![i]! >= limit.GIANT_LOGG!);
    set("AGE_LIMIT", (ageFlag[i]! & ageLimits) !== 0);
    const word = aspcap[i]!;
    set("STAR_BAD", stars.badStar[i] === 1 || (BigInt(word || 0) & starBad) !== 0n);
    set("AGE_OLD", (ageFlag[i]! & age.OLD!) !== 0);
    set("AGE_CLIPPED", (ageFlag[i]! & age.CLIPPED!) !== 0);
    for (const product of ["DISTANCE", "MASS", "AGE"] as const) {
      set(`${product}_WARN`, (found & rules.warnings[product]) !== 0);
    }
    const spoiled = (product: "DISTANCE" | "MASS" | "AGE", lost: boolean): boolean =>
      lost || (found & rules.spoilers[product]) !== 0;
    set("DISTANCE_BAD", spoiled("DISTANCE", missing(distance[i])));
    set("MASS_BAD", spoiled("MASS", !(mass[i]! > 0) || missing(mass[i])));
    set("AGE_BAD", spoiled("AGE", missing(ages[i])) || (found & bit.MASS_BAD!) !== 0);
    flags[i] = found;
  }
  return flags;
}
