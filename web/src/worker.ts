/** The work beside the page: reads files, predicts, keeps the catalogue, writes files. */
import { openTable, readColumns, withMasks, type Opened } from "./formats/open.ts";
import type { Answered, Asked, Described, Format, Name, Requests, Start, Summary } from "./messages.ts";
import { Model } from "./model.ts";
import { PageError, type Layout, type Rules, type Source } from "./rules.ts";
import { Store } from "./store.ts";
import { complete, graphInputs, metallicityOf } from "./stars/complete.ts";
import { chooseExtinction } from "./stars/extinction.ts";
import { makeStars } from "./stars/making.ts";
import { CHOSEN, layoutNamed, makePlan, neededColumns, textColumns, type Choice, type Plan } from "./stars/plan.ts";
import type { Card, Catalog } from "./writers/common.ts";
import { writeCsv } from "./writers/csv.ts";
import { writeFits } from "./writers/fits.ts";
import { writeParquet } from "./writers/parquet.ts";
import { writeVOTable } from "./writers/votable.ts";

/** Rows worked on at a time, as by `skdistmass predict`. */
const CHUNK = 20_000;
/** Bytes of a file that its checksum is taken of: it has to be in memory as a whole. */
const MOST_HASHED = 1 << 29;
const NEEDS: Record<string, string[][]> = {
  distance: [["TEFF"], ["LOGG"], ["M_H", "FE_H"], ["K"], ["A_K", "EXTINCTION", "AK_TARG", "AK_WISE", "IRAC_4_5", "WISE_4_5", "SFD_EBV", "EBV", "J", "H"]],
  "mass and age": [["TEFF"], ["LOGG"], ["M_H", "FE_H"], ["C_FE"], ["N_FE"]],
};
const ENDINGS: Record<Format, string> = { csv: "ecsv", fits: "fits", votable: "vot", parquet: "parquet" };
const WRITERS = { csv: writeCsv, fits: writeFits, votable: writeVOTable, parquet: writeParquet };

class Cancelled extends Error {}

const channel = new MessageChannel();
let wake: (() => void) | null = null;
channel.port1.onmessage = () => wake?.();

/** Let messages in between two pieces of work. */
function tick(): Promise<void> {
  return new Promise((resolve) => {
    wake = resolve;
    channel.port2.postMessage(null);
  });
}

class Work {
  private rules!: Rules;
  private start!: Start;
  private model!: Model;
  private opened: (Opened & { file: Blob; name: string }) | null = null;
  private layout: Layout | undefined;
  private choices: Record<string, Choice> = {};
  private store: Store | null = null;
  private metallicity = "M_H";
  cancelled = false;

  async pause(what: string, done: number, total: number): Promise<void> {
    post({ progress: { what, done, total } });
    await tick();
    if (this.cancelled) throw new Cancelled();
  }

  async begin(start: Start): Promise<null> {
    this.rules = start.rules;
    this.start = start;
    const stream = new Blob([start.runtime as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"));
    this.model = await Model.open(start.graph, await new Response(stream).arrayBuffer());
    return null;
  }

  async open({ file, name }: { file: Blob; name: string }): Promise<Described> {
    this.store = null;
    this.opened = null;
    this.opened = { ...(await openTable(file, this.rules)), file, name };
    this.layout = undefined;
    this.choices = {};
    return this.describe();
  }

  change({ layout, choices }: Requests["describe"][0]): Described {
    this.layout = layout ? layoutNamed(layout, this.rules) : undefined;
    this.choices = choices;
    return this.describe();
  }

  private get file(): Opened & { file: Blob; name: string } {
    if (!this.opened) throw new PageError("Choose a file first.");
    return this.opened;
  }

  private plan(): Plan {
    return makePlan(this.file.table.names, this.rules, this.layout, this.choices);
  }

  private units(): Record<string, string> {
    const units = { ...this.file.table.units };
    for (const { column, unit } of Object.values(this.choices)) if (column) units[column] = unit === "" ? "-" : unit;
    return units;
  }

  private describe(): Described {
    const { table, kind, name } = this.file;
    const nRows = Number.isNaN(table.nRows) ? null : table.nRows;
    const about = { fileName: name, kind, where: table.where, nRows, names: table.names, problem: "" };
    let plan: Plan;
    try {
      plan = this.plan();
    } catch (error) {
      if (!(error instanceof PageError)) throw error;
      const layout = { layout: this.layout?.name ?? "", title: "", citation: "", notes: "" };
      return { ...about, ...layout, mapped: [], missing: {}, problem: error.message };
    }
    const { layout, sources } = plan;
    const missing = Object.fromEntries(
      Object.entries(NEEDS).map(([what, needs]) => [what, needs.filter((any) => !any.some((own) => sources[own])).map((any) => any[0]!)]),
    );
    const mapped = CHOSEN.map((own) => this.mapped(own, sources[own] ?? []));
    const said = { layout: layout.name, title: layout.title, citation: layout.citation ?? "", notes: layout.notes ?? "" };
    return { ...about, ...said, mapped, missing };
  }

  private mapped(name: string, sources: Source[]): Described["mapped"][number] {
    const quantity = this.rules.quantities.find((own) => own.name === name)!;
    const description = this.rules.columns.find((own) => own.name === name)?.description ?? "";
    const first = sources[0];
    const column = first?.column[0] ?? "";
    const units = this.units();
    const stated = units[column] && units[column] !== "-" ? units[column] : (this.choices[name] ? "" : (first?.unit ?? ""));
    const told = sources.map((source) => {
      const minus = source.minus ? ` - ${source.minus}` : "";
      const law = source.transform ? ` by ${source.transform}${source.law ? ` (${source.law})` : ""}` : "";
      const flags = source.flags?.length ? `, left out where ${source.flags.map((flag) => flag.column).join(", ")}` : "";
      return `${source.column[0]}${minus}${law}${flags}`;
    });
    return { name, description, unit: quantity.unit, columns: sources.map((s) => s.column[0]!), stated, how: told.join(", else ") };
  }

  async predict(): Promise<Summary> {
    const began = performance.now();
    const { table } = this.file;
    const plan = this.plan();
    const lacking = NEEDS.distance!.slice(0, 3).filter((any) => !any.some((own) => plan.sources[own]));
    if (lacking.length) throw new PageError(`There is no column for ${lacking.map((any) => any[0]).join(", ")}; choose it in the form.`);
    const needed = neededColumns(plan);
    await table.load?.(withMasks(table, needed), textColumns(plan, this.rules), (share) => this.pause("reading", share, 1));
    const n = table.nRows;
    if (n === 0) throw new PageError("The table has no rows.");
    const store = new Store(n, this.rules);
    const impossible: Record<string, number> = {};
    const notes = new Set<string>();
    const units = this.units();
    for (let start = 0; start < n; start += CHUNK) {
      const stop = Math.min(start + CHUNK, n);
      const columns = await readColumns(table, needed, start, stop);
      const stars = makeStars(plan, columns, units, stop - start, this.rules);
      const extinction = chooseExtinction(stars, this.rules);
      const inputs = graphInputs(stars, extinction, this.model.inputs, this.rules);
      let done = start;
      const predicted = await this.model.predict(inputs, stars.n, async () => {
        done = Math.min(done + 2048, stop);
        await this.pause("predicting", done, n);
      });
      store.add(complete(stars, extinction, predicted, this.model.inputs, this.rules), start);
      this.metallicity = metallicityOf(stars, this.rules);
      for (const [name, count] of Object.entries(stars.impossible)) impossible[name] = (impossible[name] ?? 0) + count;
      stars.notes.forEach((note) => notes.add(note));
    }
    this.store = store;
    return { n, seconds: (performance.now() - began) / 1000, counts: store.counts(), impossible, notes: [...notes], single: store.single };
  }

  private get result(): Store {
    if (!this.store) throw new PageError("There are no predictions yet.");
    return this.store;
  }

  show({ filter, search, sort, descending }: Requests["show"][0]): { total: number } {
    this.result.show(filter, search, sort, descending);
    return { total: this.result.total };
  }

  rows({ start, stop }: { start: number; stop: number }): Requests["rows"][1] {
    return { total: this.result.total, rows: this.result.rows(start, stop) };
  }

  plots({ colour }: { colour: string }): Requests["plots"][1] {
    return this.result.plots(colour);
  }

  star({ row }: { row: number }): Requests["star"][1] {
    return this.result.star(row);
  }

  nearest({ teff, logg, scale }: Requests["nearest"][0]): { row: number | null } {
    return { row: this.result.nearest(teff, logg, scale) };
  }

  async save({ format }: { format: Format }): Promise<{ blob: Blob; name: string }> {
    const catalog: Catalog = { ...this.result.catalog(), cards: await this.cards() };
    const blob = await WRITERS[format](catalog, (done, total) => this.pause("writing", done, total));
    return { blob, name: `${this.file.name.replace(/(\.(fits?|csv|ecsv|txt|vot|votable|xml|parquet|gz))+$/i, "")}-distmass.${ENDINGS[format]}` };
  }

  /** Where the numbers are from, for the header. */
  private async cards(): Promise<Card[]> {
    const { info } = this.start;
    const { name, file, kind } = this.file;
    const plan = this.plan();
    const cards: Card[] = [
      ["ORIGIN", "skdistmass page", "software"],
      ["SKDMVERS", info.version, "its version"],
      ["MODEL", info.name, "model that predicted"],
      ["MODELSHA", info.sha256, "SHA-256 of the model file"],
      ["INFILE", name, "survey file"],
      ["INSIZE", file.size, "[byte] its size"],
      ["INKIND", kind, "its format"],
      ["LAYOUT", plan.layout.name, "layout it was read by"],
      ["METALLIC", this.metallicity, "metallicity that stands in M_H"],
      ["DATE", new Date().toISOString().slice(0, 19), "[UTC] when this was made"],
    ];
    if (file.size <= MOST_HASHED && typeof crypto !== "undefined" && crypto.subtle) {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
      cards.splice(6, 0, ["INSHA256", Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""), "its SHA-256"]);
    }
    const chosen = Object.entries(this.choices).map(([own, { column, unit }]) => `${own} from ${column || "nothing"}${unit ? ` [${unit}]` : ""}`);
    if (chosen.length) cards.push(["CHOSEN", chosen.join("; "), "columns chosen by the user"]);
    return cards;
  }
}

const work = new Work();
const handlers: { [K in Name]: (body: Requests[K][0]) => Requests[K][1] | Promise<Requests[K][1]> } = {
  start: (body) => work.begin(body),
  open: (body) => work.open(body),
  describe: (body) => work.change(body),
  predict: () => work.predict(),
  show: (body) => work.show(body),
  rows: (body) => work.rows(body),
  plots: (body) => work.plots(body),
  star: (body) => work.star(body),
  nearest: (body) => work.nearest(body),
  save: (body) => work.save(body),
};

function post(message: Answered): void {
  (self as unknown as { postMessage(message: Answered): void }).postMessage(message);
}

/** Say in one sentence what went wrong. */
function told(error: unknown): string {
  if (error instanceof Cancelled) return "";
  if (error instanceof PageError) return error.message;
  const text = String((error as Error)?.message ?? error).split("\n")[0];
  if (error instanceof RangeError && /alloc|memory|length/i.test(text ?? "")) return "The file does not fit in the memory of the browser; use skdistmass predict.";
  return `The file can't be read (${text}); it may be damaged.`;
}

self.onmessage = async ({ data }: MessageEvent<Asked>) => {
  if (data.name === "cancel") {
    work.cancelled = true;
    return;
  }
  try {
    if (data.name === "predict" || data.name === "save") work.cancelled = false;
    const handler = handlers[data.name] as (body: unknown) => unknown;
    post({ id: data.id, result: await handler(data.body) });
  } catch (error) {
    if (!(error instanceof PageError || error instanceof Cancelled)) console.error(error);
    post({ id: data.id, error: told(error) });
  }
};
