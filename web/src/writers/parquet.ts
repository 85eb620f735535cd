/** A Parquet file, with the metadata from which astropy gets units. */
import { ByteWriter, parquetWrite } from "hyparquet-writer";
import { isBool, isText, isWhole, yamlHeader, type Catalog, type Pause } from "./common.ts";

export async function writeParquet(catalog: Catalog, pause: Pause): Promise<Blob> {
  const { n, columns, numbers, texts, cards } = catalog;
  await pause(0, n);
  const columnData = columns.map((column) => {
    const { name } = column;
    if (isText(column)) return { name, data: texts[name]!, type: "STRING" as const, nullable: false };
    const values = numbers[name]!;
    if (isBool(column)) return { name, data: Array.from(values, (value) => value !== 0), type: "BOOLEAN" as const, nullable: false };
    if (isWhole(column) && catalog.unknown.has(name)) return { name, data: new Array<null>(n).fill(null), type: "INT32" as const, nullable: true };
    const type = isWhole(column) ? ("INT32" as const) : values instanceof Float32Array ? ("FLOAT" as const) : ("DOUBLE" as const);
    return { name, data: values, type, nullable: false, encoding: "PLAIN" as const };
  });
  const kvMetadata = [
    { key: "table_meta_yaml", value: yamlHeader(catalog).join("\n") },
    ...columns.filter(isText).map(({ name }) => ({ key: `table::len::${name}`, value: String(widest(texts[name]!)) })),
    ...cards.map(([key, value]) => ({ key, value: String(value) })),
  ];
  const writer = new ByteWriter();
  parquetWrite({ writer, columnData, kvMetadata, rowGroupSize: 50_000, statistics: false });
  return new Blob([writer.getBuffer()], { type: "application/vnd.apache.parquet" });
}

function widest(texts: string[]): number {
  return texts.reduce((most, text) => Math.max(most, text.length), 1);
}
