/** What the writers of catalogue files share. */
import type { CatalogColumn } from "../rules.ts";
import type { Values } from "../stars/complete.ts";

/** Keyword, value and comment of a card in the header. */
export type Card = [string, string | number, string];

export interface Catalog {
  n: number;
  columns: CatalogColumn[];
  numbers: Record<string, Values>;
  texts: Record<string, string[]>;
  cards: Card[];
}

export type Pause = (done: number, total: number) => Promise<void>;

/** Rows written at a time. */
export const ROWS = 10_000;

export const isText = (column: CatalogColumn): boolean => column.dtype.startsWith("U");
export const isBool = (column: CatalogColumn): boolean => column.dtype === "?";
export const isWhole = (column: CatalogColumn): boolean => column.dtype.startsWith("i");

/** Words for a description on what a logarithm is of. */
export function logarithmNote(unit: string | null): string {
  if (!unit?.startsWith("dex")) return "";
  return unit === "dex" ? " (dex)" : ` (log10 of the value in ${unit.slice(4, -1)})`;
}

/** Numbers in single precision have seven digits or so. */
export function digits(value: number, single: boolean): string {
  if (Number.isNaN(value)) return "";
  return single ? String(Number(value.toPrecision(8))) : String(value);
}

const quoted = (text: string): string => `'${text.replace(/'/g, "''")}'`;
const TYPES: Record<string, string> = { f8: "float64", i2: "int16", i4: "int32", "?": "bool" };

/** Units, descriptions and provenance in YAML, as astropy keeps them. */
export function yamlHeader({ columns, cards }: Catalog): string[] {
  const fields = columns.map((column) => {
    const type = isText(column) ? "string" : TYPES[column.dtype]!;
    const unit = column.unit ? `, unit: ${quoted(column.unit)}` : "";
    return `- {name: ${column.name}${unit}, datatype: ${type}, description: ${quoted(column.description)}}`;
  });
  const meta = cards.map(([key, value]) => `- {${key}: ${typeof value === "number" ? value : quoted(value)}}`);
  return ["datatype:", ...fields, "meta: !!omap", ...meta];
}
