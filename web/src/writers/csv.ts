/** CSV with units, descriptions and provenance in front: ECSV 1.0, as astropy has it. */
import { digits, isBool, isText, ROWS, yamlHeader, type Catalog, type Pause } from "./common.ts";

function cell(text: string): string {
  return /[",\n\r#]/.test(text) || text !== text.trim() ? `"${text.replace(/"/g, '""')}"` : text;
}

export async function writeCsv(catalog: Catalog, pause: Pause): Promise<Blob> {
  const { n, columns, numbers, texts } = catalog;
  const head = ["%ECSV 1.0", "---", "delimiter: ','", ...yamlHeader(catalog), "schema: astropy-2.0"];
  const parts: BlobPart[] = [`${head.map((line) => `# ${line}`).join("\n")}\n${columns.map((c) => c.name).join(",")}\n`];
  const write = columns.map((column) => {
    const [values, own] = [numbers[column.name], texts[column.name]];
    if (isText(column)) return (row: number) => cell(own![row]!);
    if (catalog.unknown.has(column.name)) return () => "";
    if (isBool(column)) return (row: number) => (values![row] ? "True" : "False");
    const single = values instanceof Float32Array;
    return (row: number) => digits(values![row]!, single);
  });
  for (let start = 0; start < n; start += ROWS) {
    const lines: string[] = [];
    for (let row = start; row < Math.min(start + ROWS, n); row++) lines.push(write.map((own) => own(row)).join(","));
    parts.push(`${lines.join("\n")}\n`);
    await pause(start, n);
  }
  return new Blob(parts, { type: "text/csv" });
}
