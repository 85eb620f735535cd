/** A FITS binary table. */
import { isBool, isText, isWhole, logarithmNote, NULL, RowBytes, ROWS, type Card, type Catalog, type Pause } from "./common.ts";

const BLOCK = 2880;

function ascii(text: string): string {
  return text.replace(/[^ -~]/g, "?");
}

/** One card, or several with CONTINUE for a text that is longer than 68 characters. */
function cardsOf([key, value, comment]: Card): string[] {
  if (typeof value === "number") return [`${key.padEnd(8)}= ${String(value).padStart(20)} / ${ascii(comment)}`.slice(0, 80).padEnd(80)];
  const text = ascii(value).replace(/'/g, "''");
  if (text.length <= 68) {
    const start = `${key.padEnd(8)}= '${text.padEnd(8)}'`;
    return [(start.length + comment.length < 77 && comment ? `${start} / ${ascii(comment)}` : start).padEnd(80)];
  }
  const found: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + 67, text.length);
    if (end < text.length && text[end - 1] === "'" && text[end] === "'") end--; // a doubled quote stays together
    const more = end < text.length ? "&" : "";
    found.push(`${found.length ? "CONTINUE  " : `${key.padEnd(8)}= `}'${text.slice(at, end)}${more}'`.padEnd(80));
    at = end;
  }
  return found;
}

function header(cards: Card[]): string {
  const text = cards.flatMap((card) => (card[0] === "SIMPLE" || card[0] === "EXTEND" ? logical(card) : cardsOf(card))).join("") + "END".padEnd(80);
  return text.padEnd(Math.ceil(text.length / BLOCK) * BLOCK);
}

function logical([key, , comment]: Card): string[] {
  return [`${key.padEnd(8)}= ${"T".padStart(20)} / ${comment}`.padEnd(80)];
}

const UNITS: Record<string, string> = { Msun: "solMass" };

export async function writeFits(catalog: Catalog, pause: Pause): Promise<Blob> {
  const { n, columns } = catalog;
  const rows = new RowBytes(catalog);
  const { widths, rowBytes } = rows;
  const cards: Card[] = [
    ["XTENSION", "BINTABLE", "binary table extension"], ["BITPIX", 8, "8-bit bytes"], ["NAXIS", 2, "2-dimensional table"],
    ["NAXIS1", rowBytes, "bytes in a row"], ["NAXIS2", n, "rows"], ["PCOUNT", 0, "no heap"], ["GCOUNT", 1, "one group"],
    ["TFIELDS", columns.length, "columns"], ["EXTNAME", "DISTMASS", ""], ["LONGSTRN", "OGIP 1.0", "long texts go on in CONTINUE"],
  ];
  columns.forEach((column, i) => {
    const letter = isBool(column) ? "L" : isWhole(column) ? "J" : widths[i] === 4 ? "E" : "D";
    cards.push([`TTYPE${i + 1}`, column.name, ""], [`TFORM${i + 1}`, isText(column) ? `${widths[i]}A` : letter, ""]);
    const unit = column.unit && !column.unit.startsWith("dex") ? (UNITS[column.unit] ?? column.unit) : "";
    if (unit) cards.push([`TUNIT${i + 1}`, unit, ""]);
    if (isWhole(column) && catalog.unknown.has(column.name)) cards.push([`TNULL${i + 1}`, NULL, ""]);
    cards.push([`TCOMM${i + 1}`, column.description + logarithmNote(column.unit), ""], [`TUCD${i + 1}`, column.ucd, ""]);
  });
  const primary: Card[] = [
    ["SIMPLE", "T", "FITS standard"], ["BITPIX", 8, ""], ["NAXIS", 0, "no data"], ["EXTEND", "T", "the table follows"], ...catalog.cards.slice(0, 2),
  ];
  const parts: BlobPart[] = [header(primary), header([...cards, ...catalog.cards])];
  for (let start = 0; start < n; start += ROWS) {
    const count = Math.min(ROWS, n - start);
    parts.push(rows.encode(start, count));
    await pause(start, n);
  }
  parts.push(new Uint8Array((BLOCK - ((n * rowBytes) % BLOCK)) % BLOCK));
  return new Blob(parts, { type: "application/fits" });
}
