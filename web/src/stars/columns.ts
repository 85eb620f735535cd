/** Columns of any file as plain arrays, by the rules of `skdistmass.tables`. */
import { PageError, type Rules } from "../rules.ts";

/** One column of some rows. Numbers are Float64Array, but integers of 64 bits, which would lose digits. */
export interface Column {
  kind: "float" | "integer" | "long" | "bool" | "text" | "other";
  values: Float64Array | BigInt64Array | string[];
  /** Values a row, if the column holds vectors. */
  width?: number;
  /** 1 where a value is missing. */
  missing?: Uint8Array;
  /** Of a kind that can't be read: what it is. */
  what?: string;
}

/** A table of a file, of which columns and rows are read when asked for. */
export interface TableFile {
  where: string;
  names: string[];
  units: Record<string, string>;
  nRows: number;
  /** Read columns of a file that can't be read in parts; `texts` are not taken for numbers. */
  load?(names: string[], texts: Set<string>, progress: (share: number) => Promise<void>): Promise<void>;
  read(names: string[], start: number, stop: number): Promise<Record<string, Column>>;
}

export function fail(message: string): never {
  throw new PageError(message);
}

export function oneEach(column: Column, name: string): void {
  if (column.kind === "other") fail(`Column ${name} has the type ${column.what}, which can't be read.`);
  if (column.width !== undefined) {
    fail(`Column ${name} has ${column.width} values per star; one number per star is needed.`);
  }
}

/** Return numbers, NaN where missing, infinite or a survey's placeholder. */
export function asFloats(column: Column, name: string, high: boolean, rules: Rules): Float64Array<ArrayBuffer> {
  if (column.kind === "other") fail(`Column ${name} has the type ${column.what}, which can't be read.`);
  if (column.kind === "text") {
    const texts = column.values as string[];
    if (texts.some((text, i) => !column.missing?.[i] && text !== "")) {
      const example = texts.find((text) => text !== "")!;
      fail(`Column ${name} holds text ('${example.slice(0, 20)}'), not numbers.`);
    }
    return new Float64Array(texts.length).fill(NaN);
  }
  const found = Float64Array.from(column.values as ArrayLike<number | bigint>, Number);
  const { lowest, tolerance, high: sentinels } = rules.sentinels;
  const first = sentinels[0]! - 1e-4;
  for (let i = 0; i < found.length; i++) {
    const value = found[i]!;
    if (column.missing?.[i] || !(value > lowest) || value === Infinity) found[i] = NaN;
    else if (high && value >= first && sentinels.some((s) => Math.abs(value - s) <= tolerance * s)) found[i] = NaN;
  }
  return found;
}

/** Return texts, blank where missing; whole numbers with all their digits. */
export function asTexts(column: Column, name: string): string[] {
  oneEach(column, name);
  const { values, missing } = column;
  if (column.kind === "text") return (values as string[]).map((text, i) => (missing?.[i] ? "" : text.trim()));
  return Array.from(values as ArrayLike<number | bigint>, (value, i) => {
    if (missing?.[i] || Number.isNaN(value)) return "";
    if (typeof value === "number") checkWhole(value, name);
    return String(value);
  });
}

function checkWhole(value: number, name: string): void {
  if (!Number.isInteger(value)) fail(`Column ${name} holds fractions, not whole numbers.`);
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    fail(`Column ${name} holds whole numbers as floating-point numbers, which have lost their last digits.`);
  }
}

/** Return identifiers that are numbers as text, blank where missing or 0; null if their digits are lost. */
export function asIdentifiers(column: Column, name: string): string[] | null {
  oneEach(column, name);
  try {
    const texts = asTexts(column, name);
    if (texts.some((text) => !/^([+-]?\d+)?$/.test(text))) return null;
    return texts.map((text) => (text === "0" || text === "-1" ? "" : text));
  } catch (error) {
    if (error instanceof PageError) return null;
    throw error;
  }
}

const LOGICAL: Record<string, number> = { true: 1, t: 1, false: 0, f: 0 };

/** Return flag words, 0 where missing; true and false are 1 and 0. */
export function asFlagWords(column: Column, name: string): Float64Array | BigInt64Array {
  oneEach(column, name);
  if (column.kind === "long") {
    const words = (column.values as BigInt64Array).slice();
    if (column.missing) for (let i = 0; i < words.length; i++) if (column.missing[i]) words[i] = 0n;
    return words;
  }
  const texts = column.kind === "text";
  return Float64Array.from(column.values as ArrayLike<number | string>, (value, i) => {
    if (column.missing?.[i] || value === "" || Number.isNaN(value)) return 0;
    const word = texts ? (LOGICAL[(value as string).trim().toLowerCase()] ?? Number(value)) : (value as number);
    if (!Number.isInteger(word)) fail(`Column ${name} holds values that are not whole numbers.`);
    return word;
  });
}
