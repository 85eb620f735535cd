/** Binary tables of FITS files (standard 4.0), read in stretches of rows. */
import { PageError } from "../rules.ts";
import { fail, type Column, type TableFile } from "../stars/columns.ts";
import type { Bytes } from "./bytes.ts";

const BLOCK = 2880;
const MOST_BLOCKS = 4000;
const WIDTHS: Record<string, number> = { L: 1, B: 1, I: 2, J: 4, K: 8, E: 4, D: 8, A: 1, C: 8, M: 16, P: 8, Q: 16 };

type Header = Map<string, string | number | boolean>;

interface Field {
  name: string;
  code: string;
  repeat: number;
  at: number;
  unit: string;
  null: number | undefined;
  scale: number;
  zero: number;
}

function valueOf(text: string): string | number | boolean {
  const quoted = /^\s*'((?:[^']|'')*)'/.exec(text);
  if (quoted) return quoted[1]!.replace(/''/g, "'").trimEnd();
  const plain = text.split("/")[0]!.trim();
  if (plain === "T" || plain === "F") return plain === "T";
  return plain === "" || Number.isNaN(Number(plain.replace("D", "E"))) ? plain : Number(plain.replace("D", "E"));
}

async function readHeader(bytes: Bytes, position: number, number: number): Promise<{ header: Header; end: number } | null> {
  const header: Header = new Map();
  let long = "";
  for (let block = 0; block < MOST_BLOCKS; block++) {
    const start = position + block * BLOCK;
    const piece = await bytes.slice(start, start + BLOCK);
    const text = new TextDecoder("latin1").decode(piece);
    if (block === 0) {
      if (number > 0 && /^\0*$/.test(text)) return null;
      if (!text.startsWith(number === 0 ? "SIMPLE  =" : "XTENSION")) {
        fail(`The file is damaged: extension ${number} does not begin where it should.`);
      }
    }
    if (piece.length < BLOCK) fail(`The file is cut off: it ends in the header of extension ${number}.`);
    for (let at = 0; at < BLOCK; at += 80) {
      const card = text.slice(at, at + 80);
      const key = card.slice(0, 8).trim();
      if (key === "END") return { header, end: start + BLOCK };
      if (key === "CONTINUE" && long) {
        header.set(long, String(header.get(long)).replace(/&$/, "") + String(valueOf(card.slice(8))));
      } else if (card.slice(8, 10) === "= ") {
        header.set(key, valueOf(card.slice(10)));
        long = key;
      }
    }
  }
  return fail(`The file is damaged: the header of extension ${number} has no end.`);
}

function count(header: Header, key: string, where: string, initial?: number): number {
  const value = header.get(key) ?? initial;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
    fail(`The file is damaged: ${where} says ${key} = ${String(value)}.`);
  }
  return value as number;
}

function fieldsOf(header: Header, where: string): { fields: Field[]; width: number } {
  const fields: Field[] = [];
  let at = 0;
  for (let number = 1; number <= count(header, "TFIELDS", where); number++) {
    const form = /^\s*(\d*)([LXBIJKAEDCMPQ])/.exec(String(header.get(`TFORM${number}`) ?? ""));
    if (!form) fail(`The file is damaged: ${where} has no valid TFORM${number}.`);
    const [repeat, code] = [form![1] ? Number(form![1]) : 1, form![2]!];
    const text = (key: string): string => String(header.get(`${key}${number}`) ?? "").trim();
    const nulls = header.get(`TNULL${number}`);
    const [scale, zero] = (["TSCAL", "TZERO"] as const).map((key, i) => header.get(`${key}${number}`) ?? 1 - i);
    if (typeof scale !== "number" || typeof zero !== "number") fail(`The file is damaged: TSCAL${number} or TZERO${number} is no number.`);
    fields.push({
      name: text("TTYPE") || `col${number}`,
      code,
      repeat,
      at,
      unit: text("TUNIT"),
      null: typeof nulls === "number" ? nulls : undefined,
      scale: scale as number,
      zero: zero as number,
    });
    at += code === "X" ? Math.ceil(repeat / 8) : WIDTHS[code]! * repeat;
  }
  return { fields, width: at };
}

class FitsTable implements TableFile {
  readonly names: string[];
  readonly units: Record<string, string>;
  private readonly fields: Map<string, Field>;

  constructor(
    readonly where: string,
    readonly nRows: number,
    private readonly width: number,
    private readonly start: number,
    private readonly bytes: Bytes,
    fields: Field[],
  ) {
    this.names = fields.map((field) => field.name);
    this.units = Object.fromEntries(fields.filter((field) => field.unit).map((field) => [field.name, field.unit]));
    this.fields = new Map(fields.map((field) => [field.name, field]));
  }

  async read(names: string[], start: number, stop: number): Promise<Record<string, Column>> {
    const from = this.start + start * this.width;
    const raw = await this.bytes.slice(from, this.start + stop * this.width);
    if (raw.length < (stop - start) * this.width) fail("The file is cut off: it ends inside of its table.");
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    return Object.fromEntries(names.map((name) => [name, this.decode(this.fields.get(name)!, raw, view, stop - start)]));
  }

  private decode(field: Field, raw: Uint8Array, view: DataView, n: number): Column {
    const { code, repeat, at } = field;
    if (code === "A") return { kind: "text", values: this.texts(raw, at, repeat, n) };
    if (!"LBIJKED".includes(code)) return { kind: "other", values: [], what: `FITS ${code}` };
    const vector = repeat === 1 ? {} : { width: repeat };
    const read = reader(view, code);
    const step = WIDTHS[code]!;
    if (code === "K" && (field.scale === 1 && field.zero === 0)) {
      const values = new BigInt64Array(n * repeat);
      const missing = new Uint8Array(n * repeat);
      for (let i = 0; i < values.length; i++) {
        values[i] = view.getBigInt64(Math.floor(i / repeat) * this.width + at + (i % repeat) * 8);
        if (field.null !== undefined && Number(values[i]) === field.null) missing[i] = 1;
      }
      return { kind: "long", values, missing, ...vector };
    }
    const values = new Float64Array(n * repeat);
    const missing = new Uint8Array(n * repeat);
    for (let row = 0, i = 0; row < n; row++) {
      for (let k = 0, place = row * this.width + at; k < repeat; k++, i++, place += step) {
        const value = read(place);
        if (code === "L") {
          values[i] = Number(value === 84);
          missing[i] = Number(value !== 84 && value !== 70);
        } else {
          if (field.null !== undefined && value === field.null) missing[i] = 1;
          values[i] = value * field.scale + field.zero;
        }
      }
    }
    const whole = "BIJK".includes(code) && field.scale === 1;
    return { kind: code === "L" ? "bool" : whole ? "integer" : "float", values, missing, ...vector };
  }

  private texts(raw: Uint8Array, at: number, width: number, n: number): string[] {
    const decoder = new TextDecoder();
    const found = new Array<string>(n);
    for (let row = 0; row < n; row++) {
      const from = row * this.width + at;
      let end = raw.indexOf(0, from); // what follows a NUL is not part of the text
      if (end < 0 || end > from + width) end = from + width;
      while (end > from && raw[end - 1] === 32) end--;
      found[row] = decoder.decode(raw.subarray(from, end));
    }
    return found;
  }
}

function reader(view: DataView, code: string): (at: number) => number {
  switch (code) {
    case "I":
      return (at) => view.getInt16(at);
    case "J":
      return (at) => view.getInt32(at);
    case "K":
      return (at) => Number(view.getBigInt64(at));
    case "E":
      return (at) => view.getFloat32(at);
    case "D":
      return (at) => view.getFloat64(at);
    default:
      return (at) => view.getUint8(at);
  }
}

/** Return the binary tables of a FITS file. */
export async function fitsTables(bytes: Bytes): Promise<TableFile[]> {
  if (bytes.size % BLOCK) fail(`The file has ${bytes.size} bytes, which is no whole number of FITS blocks: bytes are missing.`);
  const found: TableFile[] = [];
  for (let position = 0, number = 0; position < bytes.size; number++) {
    const read = await readHeader(bytes, position, number);
    if (read === null) break;
    const { header, end } = read;
    const where = `HDU ${number}`;
    const axes = count(header, "NAXIS", where, 0);
    let size = axes ? 1 : 0;
    for (let axis = 1; axis <= axes; axis++) size *= count(header, `NAXIS${axis}`, where);
    const heap = count(header, "PCOUNT", where, 0);
    const total = (Math.abs(Number(header.get("BITPIX") ?? 8)) / 8) * count(header, "GCOUNT", where, 1) * (heap + size);
    const kind = number ? String(header.get("XTENSION") ?? "") : "";
    if (kind === "BINTABLE" && header.get("ZIMAGE") !== true) {
      const { fields, width } = fieldsOf(header, where);
      const [rowBytes, nRows] = [count(header, "NAXIS1", where), count(header, "NAXIS2", where)];
      if (width !== rowBytes) fail(`The file is damaged: the columns of ${where} take ${width} bytes a row, but a row has ${rowBytes}.`);
      if (end + width * nRows > bytes.size) fail(`The file is cut off: ${where} ends at byte ${end + width * nRows}, the file at ${bytes.size}.`);
      found.push(new FitsTable(where, nRows, width, end, bytes, fields));
    } else if (kind === "TABLE") throw new PageError("ASCII tables of FITS are not read here; convert the file to a binary table.");
    position = end + Math.ceil(total / BLOCK) * BLOCK;
  }
  return found;
}
