/** The table of stars: only the rows in view are elements. */
import type { TableRow } from "../messages.ts";
import { TABLE_COLUMNS } from "../store.ts";
import type { Client } from "./client.ts";
import { element, make, number } from "./dom.ts";

const ROW = 31; // pixels
const MOST_PIXELS = 8e6; // browsers allow no element of any height
const WORDS: Record<string, [string, string]> = { good: ["✓", "good"], warn: ["!", "careful"], bad: ["✕", "don't use"] };

export class StarTable {
  private total = 0;
  private first = -1;
  private asked = 0;
  private sort = { key: "", descending: false };
  private readonly viewport = element("viewport");

  constructor(
    private readonly client: Client,
    private readonly openStar: (row: number) => void,
    private readonly changed: () => void,
  ) {
    this.header();
    this.viewport.addEventListener("scroll", () => void this.draw());
    new ResizeObserver(() => void this.draw(true)).observe(this.viewport);
  }

  get order(): { sort: string; descending: boolean } {
    return { sort: this.sort.key, descending: this.sort.descending };
  }

  private header(): void {
    const row = element("stars").querySelector("thead tr")!;
    const heads = [{ key: "id", title: "Star", unit: "" }, ...TABLE_COLUMNS];
    for (const { key, title, unit } of heads) {
      const head = make("th", "", { className: key === "id" ? "" : "n" });
      head.scope = "col";
      const button = make("button", title);
      button.type = "button";
      button.append(" ", make("span", unit, { className: "unit" }));
      if (unit) button.title = `${key} in ${unit}`;
      button.addEventListener("click", () => {
        this.sort = { key, descending: this.sort.key === key && !this.sort.descending };
        for (const other of row.children) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", this.sort.descending ? "descending" : "ascending");
        this.changed();
      });
      head.append(button);
      row.append(head);
    }
    for (const title of ["Distance?", "Mass?", "Age?", "What to know"]) {
      const head = make("th", title, { className: "plain" });
      head.scope = "col";
      row.append(head);
    }
  }

  reset(total: number): void {
    this.total = total;
    element("height").style.height = `${Math.min(total * ROW, MOST_PIXELS) + 2 * ROW}px`;
    element("stars").setAttribute("aria-rowcount", String(total + 1));
    this.viewport.scrollTop = 0;
    this.first = -1;
    void this.draw(true);
  }

  /** Draw the rows in view. */
  private async draw(always = false): Promise<void> {
    const { scrollTop, clientHeight, scrollHeight } = this.viewport;
    const visible = Math.max(1, Math.floor(clientHeight / ROW) - 1);
    const share = scrollTop / Math.max(1, scrollHeight - clientHeight);
    const first = Math.round(share * Math.max(0, this.total - visible));
    if (first === this.first && !always) return;
    this.first = first;
    const asked = ++this.asked;
    if (!this.total) {
      element("stars").querySelector("tbody")!.replaceChildren();
      return;
    }
    const { rows } = await this.client.ask("rows", { start: first, stop: first + visible });
    if (asked !== this.asked) return;
    const body = element("stars").querySelector("tbody")!;
    const focused = body.contains(document.activeElement) ? [...body.querySelectorAll("button")].indexOf(document.activeElement as HTMLButtonElement) : -1;
    body.replaceChildren(...rows.map((row, i) => this.row(row, first + i)));
    if (focused >= 0) [...body.querySelectorAll("button")][focused]?.focus({ preventScroll: true });
  }

  private row(star: TableRow, place: number): HTMLElement {
    const row = make("tr");
    row.setAttribute("aria-rowindex", String(place + 2));
    const button = make("button", star.id);
    button.type = "button";
    button.addEventListener("click", () => this.openStar(star.row));
    row.append(make("td", "", {}, button));
    star.values.forEach((value, i) => row.append(make("td", number(value, TABLE_COLUMNS[i]!.digits), { className: "n" })));
    for (const verdict of star.verdicts) {
      const [sign, word] = WORDS[verdict]!;
      row.append(make("td", `${sign} ${word}`, { className: verdict }));
    }
    const why = star.flags.join("; ");
    row.append(make("td", why, { className: "why", title: why }));
    return row;
  }
}
