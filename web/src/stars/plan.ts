/** Which column of a table becomes which quantity, by the rules of `skdistmass.surveys.layout` and `.plan`. */
import { PageError, type Flag, type Layout, type Rules, type Source } from "../rules.ts";

/** A layout with the names that one table has. */
export interface Plan {
  layout: Layout;
  sources: Record<string, Source[]>;
  badStar: Flag[];
}

/** What the user says of one quantity: its column, blank for none, and the unit of the numbers. */
export interface Choice {
  column: string;
  unit: string;
}

type Find = (wanted: string | string[] | undefined) => string;

// Quantities that predictions rest on; the others of a layout are not read.
const NUMBERS =
  "TEFF LOGG M_H FE_H C_FE N_FE J H K IRAC_4_5 WISE_4_5 A_K AK_TARG AK_WISE EXTINCTION EXTINCTION_ERR SFD_EBV EBV " +
  "PARALLAX GAIAEDR3_DIST GLAT RA DEC";
export const IDENTIFIERS = ["APOGEE_ID", "APSTAR_ID", "SDSS_ID", "GAIA_SOURCE_ID", "TMASS_ID", "SURVEY_ID", "KIC", "EPIC"];
const OTHERS = [...IDENTIFIERS, "CLUSTER", "ASPCAPFLAG", "AK_TARG_METHOD", "EXTINCTION_METHOD"];
const USED = new Set([...NUMBERS.split(" "), ...OTHERS]);
/** What a user may choose the column of, in the order of the form. */
export const CHOSEN = ["TEFF", "LOGG", "M_H", "FE_H", "C_FE", "N_FE", "K", "J", "H", "A_K", "GLAT", "PARALLAX", "GAIAEDR3_DIST"];

export function checkNames(names: string[]): void {
  const doubled = names.find((name, i) => names.indexOf(name) !== i);
  if (doubled !== undefined) throw new PageError(`Column ${doubled} occurs more than once; rename or drop one of them.`);
}

function matches(layout: Layout, names: Set<string>): boolean {
  const has = (name: string): boolean => names.has(name.toLowerCase());
  const columns = layout.columns ?? [];
  return columns.length > 0 && columns.every(has) && (!layout.any_of || layout.any_of.some(has)) && !layout.absent?.some(has);
}

/** Find the layout of a table by its columns, the generic one if no other asks for them. */
export function recognise(names: string[], rules: Rules): Layout {
  const exact = new Set(names);
  const lower = new Set(names.map((name) => name.toLowerCase()));
  let best: Layout | undefined;
  let worth = [-1, -1];
  for (const layout of rules.layouts) {
    if (!matches(layout, lower)) continue;
    const columns = layout.columns!;
    const own = [columns.filter((name) => exact.has(name)).length, columns.length + (layout.absent?.length ?? 0)];
    if (own[0]! > worth[0]! || (own[0] === worth[0] && own[1]! > worth[1]!)) [best, worth] = [layout, own];
  }
  return best ?? layoutNamed("generic", rules);
}

export function layoutNamed(name: string, rules: Rules): Layout {
  return rules.layouts.find((layout) => layout.name === name)!;
}

function finder(names: string[], exact = false): Find {
  const there = new Set(names);
  const byLower = new Map<string, string[]>();
  for (const name of names) byLower.set(name.toLowerCase(), [...(byLower.get(name.toLowerCase()) ?? []), name]);
  return (wanted) => {
    for (const candidate of (typeof wanted === "string" ? [wanted] : (wanted ?? [])).filter((name) => name !== "")) {
      if (there.has(candidate)) return candidate;
      if (exact) continue;
      const similar = byLower.get(candidate.toLowerCase()) ?? [];
      if (similar.length > 1) {
        throw new PageError(`Columns ${similar.join(", ")} could all be ${candidate}; rename or drop all but one.`);
      }
      if (similar.length) return similar[0]!;
    }
    return "";
  };
}

function resolve(source: Source, find: Find): Source | null {
  const column = find(source.column);
  if (column === "" || (source.minus && find(source.minus) === "")) return null;
  const minusError = find(source.minus_error);
  const error = source.minus && minusError === "" ? "" : find(source.error);
  const found: Source = { ...source, column: [column], error: error ? [error] : [], minus_error: minusError };
  found.minus = find(source.minus);
  for (const [one, other] of [["lower", "upper"], ["below", "above"]] as const) {
    const ends = [find(source[one]), find(source[other])];
    const both = ends[0] !== "" && ends[1] !== "";
    found[one] = both ? ends[0] : "";
    found[other] = both ? ends[1] : "";
  }
  const called = find(source.called_by);
  found.called_by = called ? [called] : [];
  found.flags = (source.flags ?? []).map((flag) => ({ ...flag, column: find(flag.column) })).filter((flag) => flag.column);
  return found;
}

function resolveAll(quantities: Record<string, Source[]>, find: Find): Record<string, Source[]> {
  const found: Record<string, Source[]> = {};
  for (const [name, sources] of Object.entries(quantities)) {
    if (!USED.has(name)) continue;
    const resolved = sources.map((source) => resolve(source, find)).filter((source) => source !== null);
    if (resolved.length) found[name] = resolved;
  }
  return found;
}

/** Add the columns that a layout keeps under their own names; with `exact` only those that are in upper case. */
function addKept(names: string[], keep: string[], sources: Record<string, Source[]>, exact: boolean): void {
  const patterns = keep.filter((name) => name.endsWith("*")).map((name) => name.slice(0, -1));
  const added = new Set<string>();
  for (const name of names) {
    const key = name.toUpperCase();
    const wanted = keep.includes(key) || patterns.some((pattern) => key.startsWith(pattern));
    if (!USED.has(key) || !wanted || (exact && key !== name)) continue;
    if (added.has(key)) throw new PageError(`Two columns could both be ${key}; rename or drop one of them.`);
    if (key in sources) continue;
    sources[key] = [{ column: [name] }];
    added.add(key);
  }
}

/** Find the columns of a table that a layout asks for, by default the one that is recognised. */
export function makePlan(names: string[], rules: Rules, chosen?: Layout, choices: Record<string, Choice> = {}): Plan {
  checkNames(names);
  const layout = chosen ?? recognise(names, rules);
  if (layout.refuse) throw new PageError(`This is ${layout.title}: ${layout.refuse}`);
  const find = finder(names);
  const sources = resolveAll(layout.quantities, find);
  const generic = layoutNamed("generic", rules);
  // Columns that were joined on count in any layout if they are spelled as the package spells them.
  if (layout !== generic) {
    const others = Object.entries(generic.quantities).filter(([name]) => layout.quantities[name]?.length !== 0);
    const joined = resolveAll(Object.fromEntries(others), finder(names, true));
    for (const [name, found] of Object.entries(joined)) sources[name] ??= found;
  }
  addKept(names, layout.keep ?? [], sources, false);
  addKept(names, generic.keep ?? [], sources, true);
  const badStar = (layout.bad_star ?? []).map((flag) => ({ ...flag, column: find(flag.column) })).filter((f) => f.column);
  const plan = { layout, sources, badStar };
  for (const [name, choice] of Object.entries(choices)) applyChoice(plan, name, choice, names);
  return plan;
}

function applyChoice(plan: Plan, name: string, choice: Choice, names: string[]): void {
  if (choice.column === "") {
    delete plan.sources[name];
    return;
  }
  const known = plan.sources[name]?.[0];
  if (known?.column[0] === choice.column) return;
  const error = [`${choice.column}_ERR`, `e_${choice.column}`, `${choice.column}_error`].find((own) => names.includes(own));
  plan.sources[name] = [{ column: [choice.column], error: error ? [error] : [] }];
}

/** Names of the columns to read. */
export function neededColumns(plan: Plan): string[] {
  const names = new Set<string>();
  const add = (...found: (string | undefined)[]): void => found.forEach((name) => name && names.add(name));
  for (const source of Object.values(plan.sources).flat()) {
    add(...source.column, ...(source.error ?? []), ...(source.called_by ?? []), source.minus, source.minus_error);
    add(source.lower, source.upper, source.below, source.above, ...(source.flags ?? []).map((flag) => flag.column));
  }
  add(...plan.badStar.map((flag) => flag.column));
  return [...names];
}

/** Names of the columns that are taken as the text they are. */
export function textColumns(plan: Plan, rules: Rules): Set<string> {
  const names = new Set<string>();
  for (const [name, sources] of Object.entries(plan.sources)) {
    const kind = rules.quantities.find((quantity) => quantity.name === name)?.kind;
    for (const source of sources) {
      if (kind === "text" || kind === "identifier") names.add(source.column[0]!);
      (source.called_by ?? []).forEach((called) => names.add(called));
    }
  }
  return names;
}
