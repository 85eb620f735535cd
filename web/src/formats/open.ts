/** Table files of any format, told apart by content, and the table of a file that holds the survey. */
import { PageError, type Layout, type Rules } from "../rules.ts";
import type { Column, TableFile } from "../stars/columns.ts";
import { makePlan, recognise } from "../stars/plan.ts";
import { openBytes, type Bytes } from "./bytes.ts";
import { fitsTables } from "./fits.ts";
import { openParquet } from "./parquet.ts";
import { TextTable } from "./text.ts";
import { findVOTable } from "./votable.ts";

export interface Opened {
  kind: string;
  table: TableFile;
}

function identify(head: Uint8Array): string {
  const text = new TextDecoder("latin1").decode(head).replace(/^\xef\xbb\xbf/, "");
  if (text.startsWith("SIMPLE  =")) return "FITS";
  if (text.startsWith("PAR1")) return "Parquet";
  if (/<VOTABLE|:VOTABLE/.test(text)) return "VOTable";
  if (text.startsWith("# %ECSV")) return "ECSV";
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() && !line.startsWith("#"));
  const onlyComments = head.length >= 4000 && !lines.length;
  if (!text.includes("\0") && (onlyComments || (lines.length && /[,|\t;]/.test(lines[0]!)))) return "CSV";
  throw new PageError("The file is none of FITS, VOTable, Parquet, ECSV and CSV; convert it to one of them.");
}

/** Number of quantities that a table gives; 1 if it can have no labels, which is said when it is read. */
function countKnown(names: string[], rules: Rules): number {
  const layout: Layout = recognise(names, rules);
  if (layout.refuse) return 1;
  try {
    return Object.keys(makePlan(names, rules, layout).sources).length;
  } catch {
    return 1;
  }
}

async function tablesOf(kind: string, bytes: Bytes, rules: Rules): Promise<TableFile[]> {
  if (kind === "FITS") return fitsTables(bytes);
  if (kind === "Parquet") return [await openParquet(bytes)];
  if (kind === "VOTable") return findVOTable(bytes, (names) => countKnown(names, rules) > 0);
  return [await TextTable.open(bytes, kind)];
}

/** Open a file and find its table of stars. */
export async function openTable(file: Blob, rules: Rules): Promise<Opened> {
  if (file.size === 0) throw new PageError("The file is empty.");
  const bytes = await openBytes(file);
  const kind = identify(await bytes.slice(0, 4096));
  const tables = await tablesOf(kind, bytes, rules);
  if (!tables.length) throw new PageError(`The ${kind} file holds no table.`);
  const worth = (table: TableFile): number => {
    const known = countKnown(table.names, rules);
    return Math.min(known, 1) * 1e6 + Number(table.nRows !== 0) * 1e5 + known;
  };
  const table = tables.reduce((best, own) => (worth(own) > worth(best) ? own : best));
  if (countKnown(table.names, rules) === 0) {
    const shown = table.names.slice(0, 12).join(", ") + (table.names.length > 12 ? " ..." : "");
    throw new PageError(`No column is one of a survey (TEFF, LOGG, M_H, K ...); there are: ${shown}.`);
  }
  return { kind, table };
}

/** Read columns, missing where the column with the mask of astropy says so. */
export async function readColumns(table: TableFile, names: string[], start: number, stop: number): Promise<Record<string, Column>> {
  const found = await table.read(withMasks(table, names), start, stop);
  for (const name of names) {
    const mask = found[`${name}.mask`];
    if (!mask || names.includes(`${name}.mask`)) continue;
    const column = found[name]!;
    const words = mask.values as ArrayLike<number>;
    column.missing = Uint8Array.from(words, (word, i) => Number(word > 0 || (column.missing?.[i] ?? 0) > 0));
  }
  return found;
}

export function withMasks(table: TableFile, names: string[]): string[] {
  const there = new Set(table.names);
  return [...new Set(names.flatMap((name) => [name, `${name}.mask`]))].filter((name) => there.has(name));
}
