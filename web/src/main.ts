/** The page: files and numbers in, predictions out. */
import type { Described, Format, Plots } from "./messages.ts";
import type { ModelInfo, Rules } from "./rules.ts";
import { PageError } from "./rules.ts";
import "./style.css";
import { Client } from "./view/client.ts";
import { bytesOf, element, make } from "./view/dom.ts";
import { MappingForm } from "./view/form.ts";
import { drawHistogram, drawKiel, type Place } from "./view/plots.ts";
import { showStar } from "./view/star.ts";
import { StarTable } from "./view/table.ts";

const json = <T>(id: string): T => JSON.parse(element(id).textContent!) as T;
const rules = json<Rules>("rules-data");
const info = json<ModelInfo>("info-data");
const client = new Client({ rules, info, graph: bytesOf("graph-data"), runtime: bytesOf("runtime-data") });
const FIELDS: [string, string, string][] = [
  ["TEFF", "Teff (K)", "4750"], ["LOGG", "log g", "2.5"], ["M_H", "[M/H]", "-0.1"], ["C_FE", "[C/Fe]", "-0.05"], ["N_FE", "[N/Fe]", "0.2"],
  ["K", "K (mag)", "9.8"], ["A_K", "A_K (mag)", "0.05"],
];
let placeOf: ((x: number, y: number) => Place) | null = null;
let plots: Plots | null = null;

function say(message: string): void {
  element("problem").textContent = message;
  element("problem").hidden = message === "";
}

/** Do something that may go wrong, and say so in a sentence. */
async function attempt(action: () => Promise<void>): Promise<void> {
  say("");
  try {
    await action();
  } catch (error) {
    say(error instanceof PageError ? error.message : `Something went wrong: ${String((error as Error).message)}`);
  }
}

function busy(isBusy: boolean): void {
  element("progress").hidden = !isBusy;
  element<HTMLButtonElement>("predict").disabled = isBusy;
  document.querySelectorAll<HTMLButtonElement>("[data-format]").forEach((button) => (button.disabled = isBusy));
  if (isBusy) {
    element("progress-text").textContent = "starting";
    element<HTMLProgressElement>("bar").value = 0;
  }
}

let lastShown = 0;
client.onProgress = ({ what, done, total }) => {
  element<HTMLProgressElement>("bar").value = total ? done / total : 0;
  const now = performance.now();
  if (now - lastShown < 200 && done < total) return;
  lastShown = now;
  const count = total > 1 ? ` ${done.toLocaleString("en")} of ${total.toLocaleString("en")} stars` : "";
  element("progress-text").textContent = `${what}${count}`;
};

/** Results of another file, or of other columns, are no longer there. */
function hideResults(): void {
  table.reset(0);
  element("results").hidden = true;
  element<HTMLSelectElement>("filter").value = "";
  element<HTMLInputElement>("search").value = "";
}

async function open(file: Blob, name: string): Promise<void> {
  hideResults();
  element("read").hidden = true;
  form.reset();
  let about: Described;
  busy(true);
  element("progress-text").textContent = "opening";
  try {
    await client.ready;
    about = await client.ask("open", { file, name });
  } finally {
    busy(false);
  }
  described(about);
}

function described(about: Described): void {
  form.show(about);
  say(about.problem);
  element<HTMLButtonElement>("predict").disabled = about.problem !== "";
}

const form = new MappingForm(rules, (layout, choices) => {
  hideResults();
  void attempt(async () => described(await client.ask("describe", { layout, choices })));
});

async function predict(): Promise<void> {
  busy(true);
  try {
    const summary = await client.ask("predict", null);
    element("results").hidden = false;
    const rate = `${summary.n.toLocaleString("en")} stars in ${summary.seconds.toFixed(1)} s.`;
    const odd = Object.entries(summary.impossible).map(([name, count]) => `${name} ${count}`);
    const oddText = odd.length ? ` Values that no star can have are taken for missing: ${odd.join(", ")}.` : "";
    const single = summary.single ? " So many rows are kept in single precision (seven digits)." : "";
    element("summary").textContent = rate + oddText + [...summary.notes.map((note) => ` ${note}`)].join("") + single;
    showCounts(summary.counts, summary.n);
    element("progress-text").textContent = "drawing";
    await show();
    element("results-title").focus();
    element("results").scrollIntoView({ block: "start" });
  } finally {
    busy(false);
  }
}

function showCounts(counts: Record<string, number>, n: number): void {
  const boxes = ["DISTANCE", "MASS", "AGE"].map((product) => {
    const box = make("div", "", { className: "count" }, make("strong", { DISTANCE: "Distances", MASS: "Masses", AGE: "Ages" }[product]));
    for (const [verdict, word] of [["good", "good"], ["warn", "with care"], ["bad", "not to be used"]] as const) {
      const count = counts[`${product}_${verdict}`]!;
      box.append(make("div", `${count.toLocaleString("en")} ${word} (${((100 * count) / n).toFixed(1)} %)`, { className: verdict }));
    }
    return box;
  });
  element("counts").replaceChildren(...boxes);
}

/** Show the stars and plots of what is chosen. */
async function show(): Promise<void> {
  const filter = element<HTMLSelectElement>("filter").value;
  const search = element<HTMLInputElement>("search").value;
  const { total } = await client.ask("show", { filter, search, ...table.order });
  element("shown").textContent = `${total.toLocaleString("en")} stars`;
  table.reset(total);
  plots = await client.ask("plots", { colour: element<HTMLSelectElement>("colour").value });
  draw();
}

function draw(): void {
  if (!plots || element("results").hidden) return;
  placeOf = drawKiel(plots.kiel);
  drawHistogram("distances", plots.distance);
  drawHistogram("ages", plots.age);
}

const openStar = (row: number): void => void attempt(async () => showStar(await client.ask("star", { row })));
const table = new StarTable(client, openStar, () => void attempt(show));

async function save(format: Format): Promise<void> {
  busy(true);
  try {
    const { blob, name } = await client.ask("save", { format });
    const link = make("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } finally {
    busy(false);
  }
}

/** Make a table of what was typed or pasted. */
function typedTable(): string {
  const pasted = element<HTMLTextAreaElement>("paste").value.trim();
  const names = FIELDS.map(([name]) => name);
  const rows = pasted
    ? pasted.split(/\r?\n/).filter((line) => line.trim()).map((line) => line.trim().split(/[\s,;]+/))
    : [FIELDS.map(([name]) => element<HTMLInputElement>(`typed-${name}`).value.trim())];
  rows.forEach((row, i) => {
    if (row.length < 5 || row.length > 7) throw new PageError(`Line ${i + 1} has ${row.length} numbers; give five, then K and A_K if you have them.`);
    for (const [k, cell] of row.entries()) {
      if (cell !== "" && Number.isNaN(Number(cell)) && !/^(nan|null|-+)$/i.test(cell)) throw new PageError(`'${cell.slice(0, 20)}' (${names[k]}) is not a number.`);
    }
    if (!row[0]) throw new PageError("Give at least Teff, log g and [M/H].");
  });
  return [names.join(","), ...rows.map((row) => names.map((_, k) => row[k] ?? "").join(","))].join("\n") + "\n";
}

function modelCard(): void {
  element("model-name").textContent = info.name;
  element("card-name").textContent = info.name;
  element("version").textContent = info.version;
  const list = element("model-card").querySelector("dl")!;
  const text = (value: unknown): string => {
    if (Array.isArray(value)) return value.map(text).join("\n");
    if (value !== null && typeof value === "object") return Object.entries(value).map(([key, own]) => `${key || "MASS"}: ${text(own).replace(/\n/g, ", ")}`).join("\n");
    return String(value);
  };
  for (const [key, value] of Object.entries({ ...info.card, "SHA-256": info.sha256 })) {
    list.append(make("dt", key.replace(/_/g, " ")), make("dd", text(value)));
  }
  const body = element("columns").querySelector("tbody")!;
  for (const column of rules.columns) body.append(make("tr", "", {}, make("td", column.name), make("td", column.unit ?? ""), make("td", column.description)));
  element("licences").textContent = element("licences-data").textContent;
}

function listen(): void {
  const fields = element("fields");
  for (const [name, label, example] of FIELDS) {
    const input = make("input");
    Object.assign(input, { id: `typed-${name}`, inputMode: "text", placeholder: example });
    fields.append(make("label", label, {}, input));
  }
  element<HTMLInputElement>("file").addEventListener("change", (event) => {
    const input = event.target as HTMLInputElement;
    const file = input.files?.[0];
    if (file) void attempt(() => open(file, file.name));
    input.value = "";
  });
  // A file that misses the box is no reason to leave the page.
  for (const kind of ["dragover", "drop"] as const) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      element("drop").classList.toggle("over", kind === "dragover");
      const file = kind === "drop" ? event.dataTransfer?.files[0] : undefined;
      if (file) void attempt(() => open(file, file.name));
    });
  }
  document.addEventListener("dragleave", () => element("drop").classList.remove("over"));
  element("numbers").addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(async () => {
      await open(new Blob([typedTable()]), "typed.csv");
      await predict();
    });
  });
  element("predict").addEventListener("click", () => void attempt(predict));
  element("cancel").addEventListener("click", () => client.cancel());
  document.querySelectorAll<HTMLButtonElement>("[data-format]").forEach((button) => {
    button.addEventListener("click", () => void attempt(() => save(button.dataset.format as Format)));
  });
  for (const id of ["filter", "colour"]) element(id).addEventListener("change", () => void attempt(show));
  let waiting = 0;
  element("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = window.setTimeout(() => void attempt(show), 250);
  });
  element("kiel").addEventListener("click", ({ offsetX, offsetY }) => {
    if (!placeOf) return;
    const place = placeOf(offsetX, offsetY);
    void attempt(async () => {
      const { row } = await client.ask("nearest", place);
      if (row !== null) openStar(row);
    });
  });
  element("star-close").addEventListener("click", () => element<HTMLDialogElement>("star").close());
  element("theme").addEventListener("change", (event) => {
    const theme = (event.target as HTMLSelectElement).value;
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    draw();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(draw).observe(element("results"));
}

listen();
modelCard();
void attempt(async () => {
  await client.ready;
  document.documentElement.dataset.ready = "yes";
});
