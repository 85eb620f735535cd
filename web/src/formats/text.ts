/** CSV and ECSV: columns are text until a quantity asks for numbers. */
import Papa from "papaparse";
import { PageError } from "../rules.ts";
import { fail, type Column, type TableFile } from "../stars/columns.ts";
import { checkNames } from "../stars/plan.ts";
import type { Bytes } from "./bytes.ts";

const MISSING = new Set(["", "nan", "null", "none", "na", "n/a", "--", "<na>", "\\n", "masked"]);
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^[+-]?(inf|infinity)$/i;
const PADDED = /^[+-]?0\d+$/;
const LONGEST_HEADER = 1 << 22;

/** A column that grows row by row: numbers as long as all are, else the texts they were. */
class Growing {
  private numbers = new Float64Array(1 << 12);
  private texts: string[] | null;
  private logical = true;
  private whole = true;
  length = 0;

  constructor(asText: boolean) {
    this.texts = asText ? [] : null;
  }

  add(cell: string): void {
    const text = cell.trim();
    const missing = MISSING.has(text.toLowerCase());
    if (this.texts) this.texts.push(missing ? "" : text);
    else this.addNumber(text, missing);
    this.length++;
  }

  /** What was seen so far is text after all: numbers can be written again, as their digits are not needed. */
  private addNumber(text: string, missing: boolean): void {
    if (this.length === this.numbers.length) {
      const larger = new Float64Array(2 * this.length);
      larger.set(this.numbers);
      this.numbers = larger;
    }
    const low = text.toLowerCase();
    let value = NaN;
    if (!missing) {
      const isTruth = low === "true" || low === "false";
      if (NUMBER.test(text) && !PADDED.test(text)) {
        value = /inf/i.test(text) ? (text.startsWith("-") ? -Infinity : Infinity) : Number(text);
        this.logical = false;
      } else if (isTruth && this.logical) value = Number(low === "true");
      else {
        this.texts = Array.from(this.numbers.subarray(0, this.length), (number) => (Number.isNaN(number) ? "" : String(number)));
        this.texts.push(text);
        return;
      }
      if (!Number.isInteger(value)) this.whole = false;
    }
    this.numbers[this.length] = value;
  }

  column(start: number, stop: number): Column {
    if (this.texts) return { kind: "text", values: this.texts.slice(start, stop) };
    return { kind: this.whole ? "integer" : "float", values: this.numbers.slice(start, stop) };
  }
}

/** Names, units and where the rows begin. */
interface Head {
  names: string[];
  units: Record<string, string>;
  delimiter: string;
  skip: number;
}

/** Read the lines that astropy writes for each column of an ECSV file: name, unit and type. */
export function yamlUnits(comments: string[]): Record<string, string> {
  const units: Record<string, string> = {};
  const value = (line: string, key: string): string => {
    const found = new RegExp(`[{,\\s]${key}: *('([^']*)'|"([^"]*)"|([^,}]+))`).exec(line);
    return (found?.[2] ?? found?.[3] ?? found?.[4] ?? "").trim();
  };
  // A definition may go on in the next lines, which are indented, and a unit may be an object of astropy.
  const lines: string[] = [];
  for (const comment of comments) {
    if (/^\s{2,}/.test(comment) && lines.length) lines[lines.length - 1] += ` ${comment.trim()}`;
    else lines.push(comment);
  }
  for (const line of lines.filter((text) => /^-( !!omap)?/.test(text))) {
    const unit = value(line.replace(/unit: *!astropy\.units\.Unit *\{unit: *([^}]*)\}/, "unit: $1"), "unit");
    if (unit && !unit.startsWith("!")) units[value(line.replace(/^-/, "- "), "name")] = unit;
  }
  return units;
}

function ecsvDelimiter(comments: string[]): string {
  return comments.map((line) => /^delimiter: *['"]?(.)['"]?/.exec(line)?.[1]).find((mark) => mark !== undefined) ?? " ";
}

async function readHead(bytes: Bytes): Promise<Head> {
  const raw = await bytes.slice(0, Math.min(bytes.size, LONGEST_HEADER));
  const comments: string[] = [];
  let at = raw[0] === 0xef && raw[1] === 0xbb && raw[2] === 0xbf ? 3 : 0;
  while (at < raw.length) {
    let end = raw.indexOf(10, at);
    if (end < 0) end = raw.length;
    let line: string;
    try {
      line = new TextDecoder("utf-8", { fatal: true }).decode(raw.subarray(at, end)).replace(/\r$/, "");
    } catch {
      throw new PageError("The header of the file is not UTF-8; save it in that encoding.");
    }
    at = end + 1;
    if (line.startsWith("#")) comments.push(line.replace(/^# ?/, ""));
    else if (line.trim()) {
      const isEcsv = comments[0]?.startsWith("%ECSV") ?? false;
      const units = isEcsv ? yamlUnits(comments.slice(1)) : {};
      const delimiter = isEcsv ? ecsvDelimiter(comments) : likeliest(line);
      const parsed = Papa.parse<string[]>(line, { delimiter });
      return { names: (parsed.data[0] ?? []).map((name) => name.trim()), units, delimiter, skip: Math.min(at, bytes.size) };
    }
  }
  return fail("The file has no line with the names of columns.");
}

function likeliest(line: string): string {
  const counts = [",", "|", "\t", ";"].map((mark) => [mark, line.split(mark).length] as const);
  return counts.reduce((best, own) => (own[1] > best[1] ? own : best))[0];
}

export class TextTable implements TableFile {
  nRows = NaN;
  private loaded: Record<string, Growing> = {};

  private constructor(
    readonly where: string,
    private readonly bytes: Bytes,
    private readonly head: Head,
  ) {
    checkNames(head.names);
  }

  static async open(bytes: Bytes, where: string): Promise<TextTable> {
    return new TextTable(where, bytes, await readHead(bytes));
  }

  get names(): string[] {
    return this.head.names;
  }

  get units(): Record<string, string> {
    return this.head.units;
  }

  async load(names: string[], texts: Set<string>, progress: (share: number) => Promise<void>): Promise<void> {
    const { skip, delimiter } = this.head;
    const wanted = (names.length ? names : this.names.slice(0, 1)).map((name) => {
      const growing = new Growing(texts.has(name));
      this.loaded[name] = growing;
      return [this.names.indexOf(name), growing] as const;
    });
    const width = this.names.length;
    const decoder = new TextDecoder("utf-8");
    let rest = "";
    let [done, line] = [0, 1];
    const take = (text: string): void => {
      const rows = Papa.parse<string[]>(text, { delimiter }).data;
      if (rows.length && rows[rows.length - 1]!.join("") === "") rows.pop();
      for (const row of rows) {
        line++;
        if (row.length === 1 && row[0]!.trim() === "" && width > 1) continue;
        if (row.length !== width) {
          fail(`Row ${line - 1} of the file has ${row.length} values, but there are ${width} columns; the file may be damaged.`);
        }
        for (const [index, growing] of wanted) growing.add(row[index]!);
      }
    };
    for await (const piece of this.bytes.stream()) {
      const fresh = done < skip ? piece.subarray(Math.min(skip - done, piece.length)) : piece;
      done += piece.length;
      rest += decoder.decode(fresh, { stream: true });
      // Quotes may hold the end of a line: a piece ends where they are even.
      const end = rest.lastIndexOf("\n") + 1;
      const whole = rest.slice(0, end);
      if ((whole.split('"').length - 1) % 2 === 0) {
        take(whole);
        rest = rest.slice(end);
      }
      await progress(done / this.bytes.size);
    }
    if (rest.trim() !== "") take(rest);
    this.nRows = wanted[0]?.[1].length ?? 0;
  }

  async read(names: string[], start: number, stop: number): Promise<Record<string, Column>> {
    return Object.fromEntries(names.map((name) => [name, this.loaded[name]!.column(start, stop)]));
  }
}
