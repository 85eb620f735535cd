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
  /** Columns of which no value is known. */
  unknown: Set<string>;
  cards: Card[];
}

/** What stands for a whole number that is not known. */
export const NULL = -1;

export type Pause = (done: number, total: number) => Promise<void>;

/** Rows written at a time; a multiple of three, so that pieces of base64 join without padding. */
export const ROWS = 9_000;

export const isText = (column: CatalogColumn): boolean => column.dtype.startsWith("U");
export const isBool = (column: CatalogColumn): boolean => column.dtype === "?";
export const isWhole = (column: CatalogColumn): boolean => column.dtype.startsWith("i");

/** Rows as bytes, big-endian, as FITS and VOTable have them. */
export class RowBytes {
  /** Bytes that each column takes. */
  readonly widths: number[];
  private readonly texts: (Uint8Array[] | null)[];

  /** `before` bytes of 0 stand in front of each row. */
  constructor(
    private readonly catalog: Catalog,
    private readonly before = 0,
  ) {
    const encoder = new TextEncoder();
    const { columns, numbers, texts } = catalog;
    this.texts = columns.map((column) => (isText(column) ? texts[column.name]!.map((text) => encoder.encode(text)) : null));
    this.widths = columns.map((column, i) => {
      const own = this.texts[i];
      if (own) return Math.max(1, own.reduce((most, text) => Math.max(most, text.length), 0));
      if (isBool(column)) return 1;
      return isWhole(column) || numbers[column.name] instanceof Float32Array ? 4 : 8;
    });
  }

  get rowBytes(): number {
    return this.widths.reduce((sum, width) => sum + width, this.before);
  }

  encode(start: number, count: number): Uint8Array<ArrayBuffer> {
    const { rowBytes } = this;
    const raw = new Uint8Array(count * rowBytes);
    const view = new DataView(raw.buffer);
    let at = this.before;
    this.catalog.columns.forEach((column, i) => {
      const values = this.catalog.numbers[column.name];
      const texts = this.texts[i];
      for (let k = 0, place = at; k < count; k++, place += rowBytes) {
        if (texts) raw.set(texts[start + k]!, place);
        else if (isBool(column)) raw[place] = values![start + k] ? 84 : 70;
        else if (isWhole(column)) view.setInt32(place, values![start + k]!);
        else if (this.widths[i] === 4) view.setFloat32(place, values![start + k]!);
        else view.setFloat64(place, values![start + k]!);
      }
      at += this.widths[i]!;
    });
    return raw;
  }
}

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
