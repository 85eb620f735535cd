/** Parquet files, of which the columns that are needed are kept in memory. */
import { parquetMetadataAsync, parquetRead, parquetSchema, type FileMetaData } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { PageError } from "../rules.ts";
import { fail, type Column, type TableFile } from "../stars/columns.ts";
import type { Bytes } from "./bytes.ts";
import { yamlUnits } from "./text.ts";
import { votableUnits } from "./votable.ts";

const DAMAGED = "The file can't be read as Parquet; it may be damaged.";

function unitsOf(metadata: FileMetaData): Record<string, string> {
  const units: Record<string, string> = {};
  for (const { key, value } of metadata.key_value_metadata ?? []) {
    if (key === "IVOA.VOTable-Parquet.content" && value) Object.assign(units, votableUnits(value));
    if (key === "table_meta_yaml" && value) Object.assign(units, yamlUnits(value.split("\n")));
  }
  return units;
}

/** A column that is filled piece by piece. */
class Filled {
  private column: Column | null = null;

  constructor(
    private readonly name: string,
    private readonly nRows: number,
  ) {}

  add(data: ArrayLike<unknown>, at: number): void {
    const n = Math.min(data.length, this.nRows - at);
    for (let i = 0; i < n; i++) {
      const value = data[i];
      if (value === null || value === undefined) continue;
      this.column ??= this.begin(value);
      if (this.column.kind === "other") return;
      this.set(at + i, value);
    }
  }

  private begin(value: unknown): Column {
    const missing = new Uint8Array(this.nRows).fill(1);
    if (typeof value === "bigint") return { kind: "long", values: new BigInt64Array(this.nRows), missing };
    if (typeof value === "string") return { kind: "text", values: new Array<string>(this.nRows).fill(""), missing };
    if (typeof value === "boolean") return { kind: "bool", values: new Float64Array(this.nRows), missing };
    if (typeof value === "number") return { kind: "float", values: new Float64Array(this.nRows), missing };
    if (ArrayBuffer.isView(value) || Array.isArray(value)) {
      const width = (value as ArrayLike<unknown>).length;
      return { kind: "float", values: new Float64Array(this.nRows * width).fill(NaN), width };
    }
    return { kind: "other", values: [], what: "neither numbers nor text" };
  }

  private set(row: number, value: unknown): void {
    const column = this.column!;
    if (column.width !== undefined) {
      const entries = Array.from(value as ArrayLike<number | bigint | null>, (entry) => (entry === null ? NaN : Number(entry)));
      if (entries.length !== column.width) fail(`Column ${this.name} has lists of different lengths.`);
      (column.values as Float64Array).set(entries, row * column.width);
      return;
    }
    (column.values as unknown[])[row] = typeof value === "boolean" ? Number(value) : value;
    column.missing![row] = 0;
  }

  slice(start: number, stop: number): Column {
    const { column } = this;
    if (column === null) return { kind: "float", values: new Float64Array(stop - start).fill(NaN) };
    if (column.kind === "other") return column;
    const width = column.width ?? 1;
    const values = column.values.slice(start * width, stop * width) as Column["values"];
    const missing = column.missing?.slice(start, stop);
    const whole = column.kind === "float" && !column.width && (values as Float64Array).every((v) => Number.isInteger(v));
    const kind = whole ? "integer" : column.kind;
    return { ...column, kind, values, ...(missing ? { missing } : {}) };
  }
}

class ParquetTable implements TableFile {
  readonly where = "Parquet";
  readonly names: string[];
  readonly units: Record<string, string>;
  readonly nRows: number;
  private columns: Record<string, Filled> = {};

  constructor(
    private readonly file: { byteLength: number; slice(start: number, end?: number): Promise<ArrayBuffer> },
    private readonly metadata: FileMetaData,
  ) {
    this.names = parquetSchema(metadata).children.map((child) => child.element.name);
    this.units = unitsOf(metadata);
    this.nRows = Number(metadata.num_rows);
  }

  async load(names: string[], _texts: Set<string>, progress: (share: number) => Promise<void>): Promise<void> {
    this.columns = Object.fromEntries(names.map((name) => [name, new Filled(name, this.nRows)]));
    if (!names.length) return;
    const { file, metadata } = this;
    let rowStart = 0;
    let failure: unknown = null;
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      try {
        await parquetRead({
          file,
          metadata,
          columns: names,
          rowStart,
          rowEnd,
          compressors,
          onChunk: ({ columnName, columnData, rowStart: at }) => {
            // What is thrown here would be lost.
            try {
              this.columns[columnName]!.add(columnData, at);
            } catch (error) {
              failure ??= error;
            }
          },
        });
      } catch {
        throw new PageError(DAMAGED);
      }
      if (failure) throw failure;
      rowStart = rowEnd;
      await progress(rowStart / this.nRows);
    }
  }

  async read(names: string[], start: number, stop: number): Promise<Record<string, Column>> {
    return Object.fromEntries(names.map((name) => [name, this.columns[name]!.slice(start, stop)]));
  }
}

export async function openParquet(bytes: Bytes): Promise<TableFile> {
  const slice = async (start: number, end = bytes.size): Promise<ArrayBuffer> => {
    const piece = await bytes.slice(start < 0 ? bytes.size + start : start, end);
    return piece.buffer.slice(piece.byteOffset, piece.byteOffset + piece.byteLength);
  };
  const file = { byteLength: bytes.size, slice };
  try {
    return new ParquetTable(file, await parquetMetadataAsync(file));
  } catch {
    throw new PageError(DAMAGED);
  }
}
