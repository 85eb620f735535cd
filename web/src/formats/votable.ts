/** VOTables (1.4): TABLEDATA, BINARY and BINARY2, parsed as a stream. */
import { SaxesParser } from "saxes";
import { PageError } from "../rules.ts";
import { fail, type Column, type TableFile } from "../stars/columns.ts";
import type { Bytes } from "./bytes.ts";

const WIDTHS: Record<string, number> = {
  boolean: 1, unsignedByte: 1, char: 1, unicodeChar: 2, short: 2, int: 4, long: 8, float: 4, double: 8,
  floatComplex: 8, doubleComplex: 16,
};
const NULLS = new Set(["null", "none", "nan", "--", "n/a", ""]);

interface Field {
  name: string;
  type: string;
  /** Values a row; null where rows differ. */
  size: number | null;
  isArray: boolean;
  null: string | undefined;
}

/** A column that grows by cells. */
class Cells {
  readonly floats: number[] = [];
  readonly longs: bigint[] = [];
  readonly texts: string[] = [];
  readonly missing: number[] = [];

  constructor(readonly field: Field) {}

  get isText(): boolean {
    return this.field.type === "char" || this.field.type === "unicodeChar";
  }

  addText(text: string): void {
    if (this.isText) {
      this.texts.push(text);
      this.missing.push(0);
      return;
    }
    const parts = this.field.isArray ? text.trim().split(/\s+/) : [text.trim()];
    for (const part of parts) this.addNumber(part);
  }

  private addNumber(part: string): void {
    const isNull = NULLS.has(part.toLowerCase()) || part === this.field.null;
    this.missing.push(Number(isNull));
    if (this.field.type === "long") {
      if (!isNull && !/^[+-]?\d+$/.test(part)) fail(`The VOTable has a number that is none ('${part.slice(0, 20)}').`);
      this.longs.push(isNull ? 0n : BigInt(part.replace(/^\+/, "")));
      return;
    }
    if (this.field.type === "boolean") {
      this.floats.push(Number(/^(t|true|1)$/i.test(part)));
      return;
    }
    const value = isNull ? NaN : Number(/^[+-]?inf/i.test(part) ? (part.startsWith("-") ? -Infinity : Infinity) : part);
    if (!isNull && Number.isNaN(value)) fail(`The VOTable has a number that is none ('${part.slice(0, 20)}').`);
    this.floats.push(this.field.type === "float" ? Math.fround(value) : value);
  }

  column(start: number, stop: number): Column {
    const { field } = this;
    if (!(field.type in WIDTHS) || field.type.endsWith("Complex")) return { kind: "other", values: [], what: field.type };
    if (this.isText) return { kind: "text", values: this.texts.slice(start, stop) };
    if (field.isArray && field.size === null) return { kind: "other", values: [], what: `array of ${field.type}` };
    const width = field.isArray ? field.size! : 1;
    const part = <T>(values: T[]): T[] => values.slice(start * width, stop * width);
    const vector = field.isArray ? { width } : {};
    const missing = Uint8Array.from(part(this.missing));
    if (field.type === "long") return { kind: "long", values: BigInt64Array.from(part(this.longs)), missing, ...vector };
    const kind = field.type === "boolean" ? "bool" : field.type === "float" || field.type === "double" ? "float" : "integer";
    return { kind, values: Float64Array.from(part(this.floats)), missing, ...vector };
  }
}

function fieldOf(attributes: Record<string, string>, number: number): Field {
  const text = attributes.arraysize ?? "1";
  const sizes = text.split("x").map((size) => size.trim());
  const fixed = sizes.every((size) => /^\d+$/.test(size));
  return {
    name: attributes.name ?? attributes.ID ?? `col${number}`,
    type: attributes.datatype ?? "",
    size: fixed ? sizes.reduce((product, size) => product * Number(size), 1) : null,
    isArray: attributes.arraysize !== undefined && !(fixed && Number(text) === 1),
    null: undefined,
  };
}

/** The rows of BINARY data, cell by cell. */
class BinaryRows {
  private at = 0;
  private readonly view: DataView;

  constructor(
    private readonly data: Uint8Array,
    private readonly fields: Field[],
    private readonly withNulls: boolean,
  ) {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get ended(): boolean {
    return this.at >= this.data.length;
  }

  readRow(cells: (Cells | undefined)[]): void {
    const flags = this.at;
    if (this.withNulls) this.at += Math.ceil(this.fields.length / 8);
    this.fields.forEach((field, i) => {
      const isNull = this.withNulls && ((this.data[flags + (i >> 3)]! >> (7 - (i % 8))) & 1) === 1;
      this.readCell(field, cells[i], isNull);
    });
  }

  private take(size: number): number {
    const from = this.at;
    this.at += size;
    if (this.at > this.data.length) fail("The binary data of the VOTable are no whole number of rows: bytes are missing.");
    return from;
  }

  private readCell(field: Field, cells: Cells | undefined, isNull: boolean): void {
    const width = WIDTHS[field.type];
    if (width === undefined) fail(`Column ${field.name} has the type ${field.type}, which is not read here.`);
    const size = field.size ?? this.view.getUint32(this.take(4));
    const from = this.take(size * width!);
    if (!cells) return;
    if (cells.isText) {
      const raw = this.data.subarray(from, this.at);
      const text = new TextDecoder(field.type === "char" ? "utf-8" : "utf-16be").decode(raw).split("\0")[0]!;
      cells.texts.push(isNull ? "" : text);
      return;
    }
    for (let k = 0; k < size; k++) this.readNumber(field, cells, from + k * width!, isNull);
  }

  private readNumber(field: Field, cells: Cells, at: number, isNull: boolean): void {
    if (field.type === "long") {
      const value = this.view.getBigInt64(at);
      cells.longs.push(value);
      cells.missing.push(Number(isNull || String(value) === field.null));
      return;
    }
    let value: number;
    if (field.type === "float") value = this.view.getFloat32(at);
    else if (field.type === "double") value = this.view.getFloat64(at);
    else if (field.type === "int") value = this.view.getInt32(at);
    else if (field.type === "short") value = this.view.getInt16(at);
    else value = this.view.getUint8(at);
    if (field.type === "boolean") {
      const letter = String.fromCharCode(value);
      cells.floats.push(Number("Tt1".includes(letter)));
      cells.missing.push(Number(isNull || !"TtFf10".includes(letter)));
      return;
    }
    cells.floats.push(value);
    cells.missing.push(Number(isNull || String(value) === field.null));
  }
}

function decodeBase64(text: string): Uint8Array {
  const clean = text.replace(/\s+/g, "");
  if (clean.length % 4) fail("The binary data of the VOTable are cut off.");
  const found = new Uint8Array((clean.length / 4) * 3 - (clean.endsWith("==") ? 2 : clean.endsWith("=") ? 1 : 0));
  const piece = 4 * 8192;
  for (let from = 0, at = 0; from < clean.length; from += piece) {
    const letters = atob(clean.slice(from, from + piece));
    for (let i = 0; i < letters.length; i++) found[at++] = letters.charCodeAt(i);
  }
  return found;
}

/** Parse a document from its beginning; `feed` is true as long as more is wanted. */
async function parseAll(bytes: Bytes, parser: SaxesParser, more: () => boolean, progress?: (share: number) => Promise<void>): Promise<void> {
  const decoder = new TextDecoder();
  let done = 0;
  parser.on("error", (error) => {
    throw new PageError(`The file can't be read as VOTable (${error.message.replace(/^\d+:\d+: /, "")}); it may be damaged.`);
  });
  parser.on("doctype", (text) => {
    if (text.includes("<!ENTITY")) throw new PageError("The VOTable declares an XML entity, which a table does not need; it is not read.");
  });
  for await (const piece of bytes.stream()) {
    done += piece.length;
    // Small pieces, so that the head of a large file is enough.
    for (let from = 0; from < piece.length && more(); from += 1 << 16) {
      parser.write(decoder.decode(piece.subarray(from, from + (1 << 16)), { stream: true }));
    }
    if (!more()) return;
    await progress?.(done / bytes.size);
  }
  parser.close();
}

const plain = (name: string): string => name.slice(name.indexOf(":") + 1);

class VOTable implements TableFile {
  readonly where: string;
  nRows = NaN;
  private cells = new Map<string, Cells>();

  constructor(
    private readonly bytes: Bytes,
    private readonly number: number,
    private readonly fields: Field[],
    readonly units: Record<string, string>,
    private readonly stated: number | null,
  ) {
    this.where = `table ${number + 1}`;
  }

  get names(): string[] {
    return this.fields.map((field) => field.name);
  }

  async load(names: string[], _texts: Set<string>, progress: (share: number) => Promise<void>): Promise<void> {
    const wanted = new Set(names);
    const cells = this.fields.map((field) => (wanted.has(field.name) ? new Cells(field) : undefined));
    this.cells = new Map(cells.filter((own) => own !== undefined).map((own) => [own.field.name, own]));
    let [table, form, cell, text, nRows] = [-1, "", -1, "", 0];
    const parser = new SaxesParser();
    const here = (): boolean => table === this.number;
    parser.on("opentag", (tag) => {
      const name = plain(tag.name);
      if (name === "TABLE") table++;
      else if (name === "BINARY" || name === "BINARY2" || name === "FITS") form = name;
      else if (name === "STREAM" && here()) {
        if (tag.attributes.href) fail("The data of the VOTable are in another file (STREAM href), which is not opened.");
        text = "";
      } else if (name === "TR" && here()) cell = -1;
      else if (name === "TD") {
        cell++;
        text = "";
      }
    });
    parser.on("text", (piece) => {
      text += piece;
    });
    parser.on("cdata", (piece) => {
      text += piece;
    });
    parser.on("closetag", (tag) => {
      const name = plain(tag.name);
      if (!here()) return;
      if (name === "TD") cells[cell]?.addText(text);
      else if (name === "TR") {
        if (cell + 1 !== cells.length) fail(`Row ${nRows + 1} of the VOTable has ${cell + 1} cells for ${cells.length} columns.`);
        nRows++;
      } else if (name === "STREAM") {
        if (form === "FITS") fail("The VOTable holds its data as FITS; save it with data of its own.");
        const rows = new BinaryRows(decodeBase64(text), this.fields, form === "BINARY2");
        for (; !rows.ended; nRows++) rows.readRow(cells);
        text = "";
      }
    });
    await parseAll(this.bytes, parser, () => true, progress);
    if (this.stated !== null && this.stated !== nRows) fail(`The VOTable says that it has ${this.stated} rows, but has ${nRows}.`);
    this.nRows = nRows;
  }

  async read(names: string[], start: number, stop: number): Promise<Record<string, Column>> {
    return Object.fromEntries(names.map((name) => [name, this.cells.get(name)!.column(start, stop)]));
  }
}

/** Return the first table of a VOTable for which `wanted` is true, else the first. */
export async function findVOTable(bytes: Bytes, wanted: (names: string[]) => boolean): Promise<TableFile[]> {
  const found: VOTable[] = [];
  let fields: Field[] = [];
  let [units, stated, enough]: [Record<string, string>, number | null, boolean] = [{}, null, false];
  let number = -1;
  const parser = new SaxesParser();
  const finish = (): void => {
    if (!fields.length) return;
    const table = new VOTable(bytes, number, fields, units, stated);
    found.push(table);
    enough = wanted(table.names);
    fields = [];
  };
  parser.on("opentag", (tag) => {
    const name = plain(tag.name);
    const attributes = tag.attributes as Record<string, string>;
    if (name === "TABLE") {
      finish();
      [fields, units, number] = [[], {}, number + 1];
      stated = /^\d+$/.test(attributes.nrows ?? "") ? Number(attributes.nrows) : null;
    } else if (name === "FIELD") {
      fields.push(fieldOf(attributes, fields.length + 1));
      if (attributes.unit?.trim()) units[fields[fields.length - 1]!.name] = attributes.unit.trim();
    } else if (name === "VALUES" && fields.length && attributes.null !== undefined) {
      fields[fields.length - 1]!.null = attributes.null;
    } else if (name === "DATA") finish();
  });
  await parseAll(bytes, parser, () => !enough);
  return found;
}

/** Units of the fields of a VOTable in a text. */
export function votableUnits(document: string): Record<string, string> {
  const units: Record<string, string> = {};
  const parser = new SaxesParser();
  parser.on("opentag", (tag) => {
    const { name, ID, unit } = tag.attributes as Record<string, string>;
    if (plain(tag.name) === "FIELD" && unit) units[name ?? ID ?? ""] = unit;
  });
  parser.write(document).close();
  return units;
}
