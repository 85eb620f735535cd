/** A VOTable, its rows as BINARY2. */
import { isBool, isText, isWhole, logarithmNote, NULL, RowBytes, ROWS, type Catalog, type Pause } from "./common.ts";

function escape(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 24_573) {
    text += btoa(String.fromCharCode(...bytes.subarray(at, at + 24_573))) + "\n"; // a multiple of three bytes
  }
  return text;
}

function head({ columns, cards, numbers, unknown }: Catalog, widths: number[]): string {
  const params = cards.map(
    ([key, value, comment]) =>
      `<PARAM name="${key}" datatype="char" arraysize="*" value="${escape(String(value))}"><DESCRIPTION>${escape(comment)}</DESCRIPTION></PARAM>`,
  );
  const fields = columns.map((column, i) => {
    const single = numbers[column.name] instanceof Float32Array;
    const type = isText(column) ? "char" : isBool(column) ? "boolean" : isWhole(column) ? "int" : single ? "float" : "double";
    const size = isText(column) && widths[i]! > 1 ? ` arraysize="${widths[i]}"` : "";
    const unit = column.unit ? ` unit="${escape(column.unit.startsWith("dex") ? "dex" : column.unit)}"` : "";
    const about = escape(column.description + logarithmNote(column.unit));
    const values = isWhole(column) && unknown.has(column.name) ? `<VALUES null="${NULL}"/>` : "";
    return `<FIELD name="${column.name}" ID="${column.name}" datatype="${type}"${size}${unit} ucd="${column.ucd}"><DESCRIPTION>${about}</DESCRIPTION>${values}</FIELD>`;
  });
  return `<?xml version="1.0" encoding="utf-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
<TABLE name="DISTMASS">
<DESCRIPTION>Distances, masses and ages of stars</DESCRIPTION>
${[...params, ...fields].join("\n")}
<DATA><BINARY2><STREAM encoding="base64">
`;
}

export async function writeVOTable(catalog: Catalog, pause: Pause): Promise<Blob> {
  const { n } = catalog;
  // A bit for each column says whether its value is null; none is.
  const rows = new RowBytes(catalog, Math.ceil(catalog.columns.length / 8));
  const parts: BlobPart[] = [head(catalog, rows.widths)];
  for (let start = 0; start < n; start += ROWS) {
    const count = Math.min(ROWS, n - start);
    parts.push(base64(rows.encode(start, count)));
    await pause(start, n);
  }
  parts.push("</STREAM></BINARY2></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n");
  return new Blob(parts, { type: "application/x-votable+xml" });
}
