import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { openTable, readColumns, withMasks } from "../src/formats/open.ts";
import type { Column } from "../src/stars/columns.ts";
import { writeCsv } from "../src/writers/csv.ts";
import type { Catalog } from "../src/writers/common.ts";
import { writeFits } from "../src/writers/fits.ts";
import { writeParquet } from "../src/writers/parquet.ts";
import { writeVOTable } from "../src/writers/votable.ts";
import { rules } from "./rules.ts";

async function read(content: BlobPart, names: string[], texts: string[] = []): Promise<Record<string, Column> & { units: Record<string, string> }> {
  const { table } = await openTable(new Blob([content]), rules);
  await table.load?.(withMasks(table, names), new Set(texts), async () => undefined);
  return { ...(await readColumns(table, names, 0, table.nRows)), units: table.units } as never;
}

const numbers = (column: Column): number[] => Array.from(column.values as ArrayLike<number>, (value, i) => (column.missing?.[i] ? NaN : Number(value)));

/** A FITS file of one table. */
function fits(cards: [string, string | number][], rows: Uint8Array, n: number): Uint8Array<ArrayBuffer> {
  const card = (key: string, value: string | number | boolean): string => {
    const text = typeof value === "string" ? `'${value}'` : typeof value === "boolean" ? (value ? "T" : "F").padStart(20) : String(value).padStart(20);
    return `${key.padEnd(8)}= ${text}`.padEnd(80);
  };
  const head = (all: [string, string | number | boolean][]): string => {
    const text = all.map(([key, value]) => card(key, value)).join("") + "END".padEnd(80);
    return text.padEnd(Math.ceil(text.length / 2880) * 2880);
  };
  const primary = head([["SIMPLE", true], ["BITPIX", 8], ["NAXIS", 0]]);
  const table = head([
    ["XTENSION", "BINTABLE"], ["BITPIX", 8], ["NAXIS", 2], ["NAXIS1", rows.length / n], ["NAXIS2", n], ["PCOUNT", 0], ["GCOUNT", 1], ...cards,
  ]);
  const whole = new Uint8Array(Math.ceil((primary.length + table.length + rows.length) / 2880) * 2880);
  whole.set(new TextEncoder().encode(primary + table));
  whole.set(rows, primary.length + table.length);
  return whole;
}

const CARDS: [string, string | number][] = [
  ["TFIELDS", 6], ["TTYPE1", "TEFF"], ["TFORM1", "I"], ["TSCAL1", 0.5], ["TZERO1", 1000], ["TNULL1", -1], ["TUNIT1", "K"],
  ["TTYPE2", "LOGG"], ["TFORM2", "2E"], ["TTYPE3", "SDSS_ID"], ["TFORM3", "K"], ["TTYPE4", "APOGEE_ID"], ["TFORM4", "5A"],
  ["TTYPE5", "flag_bad"], ["TFORM5", "L"], ["TTYPE6", "bits"], ["TFORM6", "9X"],
];

function row(view: DataView, at: number, teff: number, id: bigint, name: string, letter: string): void {
  view.setInt16(at, teff);
  view.setFloat32(at + 2, 2.5);
  view.setFloat32(at + 6, NaN);
  view.setBigInt64(at + 10, id);
  [...name].forEach((own, i) => view.setUint8(at + 18 + i, own.charCodeAt(0)));
  view.setUint8(at + 23, letter.charCodeAt(0));
}

const ROWS = new Uint8Array(2 * 26);
row(new DataView(ROWS.buffer), 0, 7500, 9007199254740993n, "M67 ", "T");
row(new DataView(ROWS.buffer), 26, -1, -5n, "A\0B", "\0");

test.each([["plain", false], ["compressed", true]])("FITS, %s: scaled, null, vectors, 64 bits, text, logical", async (_, packed) => {
  const file = fits(CARDS, ROWS, 2);
  const found = await read(packed ? new Uint8Array(gzipSync(file)) : file, ["TEFF", "LOGG", "SDSS_ID", "APOGEE_ID", "flag_bad", "bits"]);
  expect(numbers(found.TEFF!)).toEqual([4750, NaN]);
  expect(found.LOGG).toMatchObject({ width: 2 });
  expect(found.SDSS_ID!.values[0]).toBe(9007199254740993n);
  expect(found.APOGEE_ID!.values).toEqual(["M67", "A"]);
  expect(numbers(found.flag_bad!)).toEqual([1, NaN]);
  expect(found.bits!.kind).toBe("other");
  expect(found.units.TEFF).toBe("K");
});

test("FITS that is cut off, or says another width", async () => {
  const file = fits(CARDS, ROWS, 2);
  await expect(read(file.slice(0, -2880), ["TEFF"])).rejects.toThrow(/cut off/);
  await expect(read(file.slice(0, -7), ["TEFF"])).rejects.toThrow(/bytes are missing/);
  const wrong = new TextDecoder("latin1").decode(file).replace("'2E'", "'9E'");
  await expect(read(Uint8Array.from(wrong, (letter) => letter.charCodeAt(0)), ["TEFF"])).rejects.toThrow(/damaged/);
});

test("CSV: quotes, missing words, comments, delimiters, text that looks like numbers", async () => {
  const text = '\ufeff# made by hand\nAPOGEE_ID;TEFF;K;FLAG\n"A;1";4750;--;true\n"B\n2";nan;9.5;false\n007;+1e3;N/A;true\n';
  const found = await read(text, ["APOGEE_ID", "TEFF", "K", "FLAG"], ["APOGEE_ID"]);
  expect(found.APOGEE_ID!.values).toEqual(["A;1", "B\n2", "007"]);
  expect(numbers(found.TEFF!)).toEqual([4750, NaN, 1000]);
  expect(numbers(found.K!)).toEqual([NaN, 9.5, NaN]);
  expect(numbers(found.FLAG!)).toEqual([1, 0, 1]);
});

test("CSV with a row that is too short", async () => {
  await expect(read("TEFF,LOGG,K\n4750,2.5\n", ["TEFF"])).rejects.toThrow("Row 1 of the file has 2 values, but there are 3 columns");
});

test("ECSV: units, masks", async () => {
  const text = `# %ECSV 1.0\n# ---\n# datatype:\n# - {name: TEFF, unit: kK, datatype: float64, description: 'hot, or not'}\n# - {name: K, unit: mag, datatype: float64}
# - {name: K.mask, datatype: bool}\n# schema: astropy-2.0\nTEFF K K.mask\n4.75 9.1 False\n5.0 9.2 True\n`;
  const found = await read(text, ["TEFF", "K"]);
  expect(found.units).toEqual({ TEFF: "kK", K: "mag" });
  expect(numbers(found.K!)).toEqual([9.1, NaN]);
});

const VOTABLE = (data: string, extra = ""): string => `<?xml version="1.0"?>${extra}<VOTABLE version="1.4"><RESOURCE><TABLE>
<FIELD name="TEFF" datatype="float" unit="K"/><FIELD name="LOGG" datatype="double"/><FIELD name="SDSS_ID" datatype="long"><VALUES null="-1"/></FIELD>
<FIELD name="APOGEE_ID" datatype="char" arraysize="*"/><FIELD name="PARAM" datatype="float" arraysize="2"/><DATA>${data}</DATA></TABLE></RESOURCE></VOTABLE>`;

test("VOTable, TABLEDATA", async () => {
  const data = "<TABLEDATA><TR><TD>4750.1</TD><TD/><TD>9007199254740993</TD><TD>a &lt;b&gt;</TD><TD>1 2</TD></TR>" +
    "<TR><TD>NaN</TD><TD>2.5</TD><TD>-1</TD><TD><![CDATA[c]]></TD><TD>3 4</TD></TR></TABLEDATA>";
  const found = await read(VOTABLE(data), ["TEFF", "LOGG", "SDSS_ID", "APOGEE_ID", "PARAM"]);
  expect(numbers(found.TEFF!)).toEqual([Math.fround(4750.1), NaN]);
  expect(numbers(found.LOGG!)).toEqual([NaN, 2.5]);
  expect(found.SDSS_ID!.values[0]).toBe(9007199254740993n);
  expect(found.SDSS_ID!.missing![1]).toBe(1);
  expect(found.APOGEE_ID!.values).toEqual(["a <b>", "c"]);
  expect(found.PARAM).toMatchObject({ width: 2 });
});

test.each([
  [VOTABLE("<TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>"), /cells for 5 columns/],
  [VOTABLE("<TABLEDATA><TR><TD>hot</TD><TD/><TD>1</TD><TD/><TD/></TR></TABLEDATA>"), /number that is none/],
  [VOTABLE('<BINARY><STREAM href="file:///etc/passwd"/></BINARY>'), /another file/],
  [VOTABLE('<BINARY><STREAM encoding="base64">AAAA</STREAM></BINARY>'), /bytes are missing/],
  [VOTABLE("", '<!DOCTYPE x [<!ENTITY y "z">]>'), /XML entity/],
  [VOTABLE("<TABLEDATA><TR><TD>1</TD>").slice(0, -60), /VOTable/],
])("a VOTable that is refused", async (text, reason) => {
  await expect(read(text, ["TEFF"])).rejects.toThrow(reason);
});

const CATALOG: Catalog = {
  n: 3,
  columns: [
    { name: "APOGEE_ID", description: "ID's text", ucd: "meta.id", unit: null, dtype: "U30", formula: "" },
    { name: "TEFF", description: "temperature", ucd: "phys.temperature", unit: "K", dtype: "f8", formula: "" },
    { name: "GAIAEDR3_DIST", description: "distance", ucd: "pos.distance", unit: "kpc", dtype: "f8", formula: "" },
    { name: "LOGG", description: "gravity", ucd: "phys.gravity", unit: "dex(cm s-2)", dtype: "f8", formula: "" },
    { name: "ASPCAPFLAG", description: "flags", ucd: "meta.code", unit: null, dtype: "i4", formula: "" },
    { name: "flag_bad", description: "bad?", ucd: "meta.code", unit: null, dtype: "?", formula: "" },
  ],
  numbers: {
    TEFF: Float64Array.of(4750.123456789, NaN, 5000),
    GAIAEDR3_DIST: Float32Array.of(1.5, NaN, 0.1),
    LOGG: Float64Array.of(-0.5, 2.5, 4.4),
    ASPCAPFLAG: Int32Array.of(0, 8388608, -1),
    flag_bad: Int32Array.of(0, 1, 0),
  },
  texts: { APOGEE_ID: ["2M<1>&\"x\"", "", "it's"] },
  unknown: new Set<string>(),
  cards: [["ORIGIN", "a page's", "software"], ["INSIZE", 12, "bytes"], ["INFILE", `${"'".repeat(40)}${"x".repeat(150)}.fits`, "survey"]],
};

test.each([["FITS", writeFits], ["VOTable", writeVOTable], ["Parquet", writeParquet], ["CSV", writeCsv]])("what is written as %s is read again", async (_, write) => {
  const blob = await write(CATALOG, async () => undefined);
  const found = await read(await blob.arrayBuffer(), CATALOG.columns.map((column) => column.name), ["APOGEE_ID"]);
  expect(found.APOGEE_ID!.values).toEqual(CATALOG.texts.APOGEE_ID);
  for (const [name, values] of Object.entries(CATALOG.numbers)) {
    numbers(found[name]!).forEach((value, i) => (Number.isNaN(values[i]) ? expect(value).toBeNaN() : expect(value).toBeCloseTo(values[i]!, 6)));
  }
  expect(found.units.TEFF).toBe("K");
  expect(found.units.GAIAEDR3_DIST).toBe("kpc");
});

test.each([["FITS", writeFits], ["VOTable", writeVOTable], ["CSV", writeCsv]])("%s with damage ends soon", async (_, write) => {
  const whole = new Uint8Array(await (await write(CATALOG, async () => undefined)).arrayBuffer());
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let round = 0; round < 150; round++) {
    const file = whole.slice(0, round % 3 ? whole.length : random(whole.length));
    for (let k = random(8); k >= 0 && file.length; k--) file[random(file.length)] = random(256);
    try {
      await read(file, ["TEFF", "LOGG", "APOGEE_ID"], ["APOGEE_ID"]);
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
    }
  }
}, 20_000);

test.each([["nothing", "", /empty/], ["an image", new Uint8Array([0x89, 0x50, 0, 0]), /none of FITS/], ["a table of something else", "a,b\n1,2\n", /No column is one of a survey/]])(
  "%s is refused",
  async (_, content, reason) => {
    await expect(read(content, [])).rejects.toThrow(reason);
  },
);
