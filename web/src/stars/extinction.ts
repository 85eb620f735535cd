/** A_K of each star, by the rules of `skdistmass.extinction`. */
import type { Colours, Law, Rules } from "../rules.ts";
import { numbersOf, textsOf, type Stars } from "./making.ts";

type Floats = Float64Array<ArrayBuffer>;

export interface Extinction {
  values: Floats;
  method: string[];
  flag: Int32Array<ArrayBuffer>;
  errors: Floats;
}

const TOO_BLUE = 3;
const EXPONENTIAL = -30;

/** exp(x^2) erfc(x). */
export function erfcx(x: number): number {
  if (x < 2) {
    // erf by its series; a negative argument has nothing to lose.
    let [term, sum] = [x, x];
    for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum) && k < 400; k++) {
      term *= (-x * x) / k;
      sum += term / (2 * k + 1);
    }
    const erf = x < -6 ? -1 : (2 / Math.sqrt(Math.PI)) * sum;
    return Math.exp(x * x) * (1 - erf);
  }
  let fraction = 0;
  for (let k = 120; k > 0; k--) fraction = k / 2 / (x + fraction);
  return 1 / (Math.sqrt(Math.PI) * (x + fraction));
}

/** Mean and deviation of A_K: what a colour says, with an exponential law of the usual A_K. */
export function withPrior(seen: number, error: number, usual: number): [number, number] {
  const place = seen / error - error / usual;
  if (place < EXPONENTIAL || seen < -TOO_BLUE * error) {
    const tail = seen < -TOO_BLUE * error ? usual : error / -Math.min(place, EXPONENTIAL);
    return [tail, tail];
  }
  const slope = Math.sqrt(2 / Math.PI) / erfcx(-place / Math.SQRT2);
  return [error * (place + slope), error * Math.sqrt(1 - slope * (slope + place))];
}

export function galacticLatitude(stars: Stars, rules: Rules): Floats {
  const latitude = numbersOf(stars, "GLAT").slice();
  const ra = numbersOf(stars, "RA");
  const dec = numbersOf(stars, "DEC");
  const [x, y, z] = rules.extinction.galactic_pole;
  const degree = Math.PI / 180;
  for (let i = 0; i < latitude.length; i++) {
    if (Math.abs(latitude[i]!) > 90) latitude[i] = NaN;
    if (!Number.isNaN(latitude[i]!) || !Number.isFinite(ra[i]!) || !(Math.abs(dec[i]!) <= 90)) continue;
    const [a, d] = [ra[i]! * degree, dec[i]! * degree];
    const sine = x * Math.cos(d) * Math.cos(a) + y * Math.cos(d) * Math.sin(a) + z * Math.sin(d);
    latitude[i] = Math.asin(Math.max(-1, Math.min(1, sine))) / degree;
  }
  return latitude;
}

/** Colour without dust. */
export function intrinsicColour(colours: Colours, name: string, teff: number, logg: number, mH: number): number {
  const { lower, upper, center, scale, powers } = colours;
  const metallicity = Math.min(Math.max(mH, lower[2]!), upper[2]!);
  const inside = teff >= lower[0]! && teff <= upper[0]! && logg >= lower[1]! && logg <= upper[1]!;
  if (!inside || Number.isNaN(metallicity)) return NaN;
  const [a, b, c] = [Math.log10(teff), logg, metallicity].map((value, i) => (value - center[i]!) / scale[i]!);
  const coefficients = colours.coefficients[name]!;
  return powers.reduce((sum, [p, q, r], k) => sum + coefficients[k]! * a! ** p * b! ** q * c! ** r, 0);
}

class Chosen {
  readonly values: Floats;
  readonly errors: Floats;
  readonly method: string[];
  readonly flag: Int32Array<ArrayBuffer>;

  constructor(readonly n: number) {
    this.values = new Float64Array(n).fill(NaN);
    this.errors = new Float64Array(n).fill(NaN);
    this.method = new Array<string>(n).fill("");
    this.flag = new Int32Array(n);
  }

  take(
    value: (i: number) => number,
    allowed: (i: number) => boolean,
    method: string | ((i: number) => string),
    flag = 0,
    error?: (i: number) => number,
  ): void {
    for (let i = 0; i < this.n; i++) {
      if (!Number.isNaN(this.values[i]!) || !allowed(i)) continue;
      const found = value(i);
      if (!Number.isFinite(found)) continue;
      this.values[i] = found;
      this.method[i] = typeof method === "string" ? method : method(i);
      this.flag[i]! |= flag;
      if (error) this.errors[i] = error(i);
    }
  }
}

/** Choose the extinction of each star: colours near the plane, dust map away from it, the file's value, J - K. */
export function chooseExtinction(stars: Stars, rules: Rules): Extinction {
  const about = rules.extinction;
  const flags = Object.fromEntries(rules.bits.EXTINCTION_FLAG.map((bit) => [bit.name, bit.value])) as Record<string, number>;
  const latitude = galacticLatitude(stars, rules);
  const column = (name: string): Floats => numbersOf(stars, name);
  const by = (law: Law, value: number): number => law.coefficient * (value - law.intrinsic_colour);
  const [h, irac, wise, sfd, ebv] = [column("H"), column("IRAC_4_5"), column("WISE_4_5"), column("SFD_EBV"), column("EBV")];
  const ebvSource = textsOf(stars, "EBV_SRC");
  const byIrac = (i: number): number => by(about.irac, h[i]! - irac[i]!);
  const byWise = (i: number): number => by(about.wise, h[i]! - wise[i]!);
  const reddening = (i: number): number => (Number.isNaN(sfd[i]!) && ebvSource[i] === "SFD_EBV" ? ebv[i]! : sfd[i]!);
  const byMap = (i: number): number => by(about.dust, reddening(i));
  const far = (i: number): boolean => Math.abs(latitude[i]!) >= about.latitude_limit;
  const near = (i: number): boolean => !far(i); // stars without a position among them
  const all = (): boolean => true;
  const chosen = new Chosen(stars.n);
  chosen.take(byIrac, near, about.irac.name);
  chosen.take(byWise, near, about.wise.name);
  chosen.take(byMap, far, about.dust.name);
  for (const [name, called] of [["A_K", "A_K_SRC"], ["EXTINCTION", "EXTINCTION_METHOD"], ["AK_TARG", "AK_TARG_METHOD"]] as const) {
    const [values, errors, methods] = [column(name), column(`${name}_ERR`), textsOf(stars, called)];
    const error = (i: number): number => (errors[i]! > 0 ? errors[i]! : NaN);
    chosen.take((i) => values[i]!, all, (i) => methods[i] || name, flags.FROM_FILE, error);
  }
  const akWise = column("AK_WISE");
  chosen.take((i) => akWise[i]!, all, "AK_WISE", flags.FROM_FILE);
  chosen.take(byMap, near, about.dust.name, flags.FROM_FILE);
  chosen.take((i) => by(about.dust, ebv[i]!), all, "EBV", flags.FROM_FILE);
  chosen.take(byIrac, all, about.irac.name, flags.FROM_FILE);
  chosen.take(byWise, all, about.wise.name, flags.FROM_FILE);
  takeColours(chosen, stars, latitude, about.colours, flags.COLOUR!);
  for (let i = 0; i < stars.n; i++) {
    if (chosen.values[i]! < 0) {
      chosen.values[i] = 0;
      chosen.flag[i]! |= flags.NEGATIVE!;
    }
    if (Number.isNaN(chosen.values[i]!)) {
      chosen.flag[i]! |= flags.MISSING!;
      chosen.method[i] = "";
      chosen.errors[i] = NaN;
    } else if (Number.isNaN(latitude[i]!)) chosen.flag[i]! |= flags.NO_LATITUDE!;
  }
  return chosen;
}

function takeColours(chosen: Chosen, stars: Stars, latitude: Floats, colours: Colours, flag: number): void {
  const [teff, logg, mH] = ["TEFF", "LOGG", "M_H"].map((name) => numbersOf(stars, name));
  const bands = ["J", "H", "K"].map((name) => numbersOf(stars, name));
  const errors = ["J", "H", "K"].map((name) => numbersOf(stars, `${name}_ERR`));
  const found = new Float64Array(2 * stars.n).fill(NaN);
  for (let i = 0; i < stars.n; i++) {
    if (!Number.isNaN(chosen.values[i]!)) continue;
    for (const [name, [first, second, factor]] of Object.entries(colours.bands)) {
      const colour = bands[first]![i]! - bands[second]![i]!;
      const seen = factor * (colour - intrinsicColour(colours, name, teff![i]!, logg![i]!, mH![i]!));
      if (!Number.isFinite(seen)) continue;
      const photometric = factor * Math.hypot(errors[first]![i]!, errors[second]![i]!);
      const scatter = colours.scatter[name]!;
      const usual = 0.015 + 0.2 * Math.exp(-Math.abs(latitude[i]! || 0) / 15);
      found.set(withPrior(seen, photometric > scatter ? photometric : scatter, usual), 2 * i);
      break;
    }
  }
  chosen.take((i) => found[2 * i]!, () => true, "COLOUR", flag, (i) => found[2 * i + 1]!);
}
