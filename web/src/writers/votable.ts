/** A VOTable, its rows as BINARY2. */
import { isBool, isText, isWhole, logarithmNote, type Catalog, type Pause } from "./common.ts";

/** Rows at a time; a multiple of three, so that pieces of base64 join without padding. */
const ROWS = 9_000;

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

function head({ columns, cards, numbers }: Catalog, widths: number[]): string {
  const params = cards.map(
    ([key, value, comment]) =>
      `<PARAM name="${key}" datatype="char" arraysize="*" value="${escape(String(value))}"><DESCRIPTION>${escape(comment)}</DESCRIPTION></PARAM>`,
  );
  const fields = columns.map((column, i) => {
    const single = numbers[column.name] instanceof Float32Array;
    const type = isText(column) ? "char" : isBool(column) ? "boolean" : isWhole(column) ? "int" : single ? "float" : "double";
    const size = isText(column) ? ` arraysize="${widths[i]}"` : "";
    const unit = column.unit ? ` unit="${escape(column.unit.startsWith("dex") ? "dex" : column.unit)}"` : "";
    const about = escape(column.description + logarithmNote(column.unit));
    return `<FIELD name="${column.name}" ID="${column.name}" datatype="${type}"${size}${unit} ucd="${column.ucd}"><DESCRIPTION>${about}</DESCRIPTION></FIELD>`;
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
  const { n, columns, numbers, texts } = catalog;
  const encoder = new TextEncoder();
  const encoded = columns.map((column) => (isText(column) ? texts[column.name]!.map((text) => encoder.encode(text)) : null));
  const widths = columns.map((column, i) => {
    if (encoded[i]) return Math.max(1, encoded[i].reduce((most, own) => Math.max(most, own.length), 0));
    return isBool(column) ? 1 : isWhole(column) || numbers[column.name] instanceof Float32Array ? 4 : 8;
  });
  const nulls = Math.ceil(columns.length / 8);
  const rowBytes = widths.reduce((sum, width) => sum + width, nulls);
  const parts: BlobPart[] = [head(catalog, widths)];
  for (let start = 0; start < n; start += ROWS) {
    const count = Math.min(ROWS, n - start);
    const raw = new Uint8Array(count * rowBytes);
    const view = new DataView(raw.buffer);
    let at = nulls;
    columns.forEach((column, i) => {
      const values = numbers[column.name];
      for (let k = 0, place = at; k < count; k++, place += rowBytes) {
        if (encoded[i]) raw.set(encoded[i][start + k]!, place);
        else if (isBool(column)) raw[place] = values![start + k] ? 84 : 70;
        else if (isWhole(column)) view.setInt32(place, values![start + k]!);
        else if (widths[i] === 4) view.setFloat32(place, values![start + k]!);
        else view.setFloat64(place, values![start + k]!);
      }
      at += widths[i]!;
    });
    parts.push(base64(raw));
    await pause(start, n);
  }
  parts.push("</STREAM></BINARY2></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n");
  return new Blob(parts, { type: "application/x-votable+xml" });
}
