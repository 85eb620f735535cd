/** What was read of a file, and the form in which its columns and units can be changed. */
import type { Described } from "../messages.ts";
import type { Rules } from "../rules.ts";
import type { Choice } from "../stars/plan.ts";
import { element, make } from "./dom.ts";

/** Units to choose from, by the unit that is needed. */
const UNITS: Record<string, string[]> = {
  K: ["K", "kK", "dex(K)"],
  "dex(cm s-2)": ["dex(cm s-2)", "dex(m s-2)", "cm s-2", "m s-2"],
  dex: ["dex"],
  mag: ["mag"],
  mas: ["mas", "arcsec", "uas"],
  kpc: ["kpc", "pc", "Mpc"],
  deg: ["deg", "rad", "arcmin"],
};

export class MappingForm {
  private choices: Record<string, Choice> = {};

  constructor(
    rules: Rules,
    private readonly changed: (layout: string, choices: Record<string, Choice>) => void,
  ) {
    const select = element<HTMLSelectElement>("layout");
    select.append(make("option", "what the columns show"));
    (select.firstChild as HTMLOptionElement).value = "";
    for (const layout of rules.layouts.filter((own) => !own.refuse)) {
      const option = make("option", `${layout.name}: ${layout.title}`);
      option.value = layout.name;
      select.append(option);
    }
    select.addEventListener("change", () => {
      this.choices = {};
      this.changed(select.value, this.choices);
    });
  }

  /** Forget what was chosen for another file. */
  reset(): void {
    this.choices = {};
    element<HTMLSelectElement>("layout").value = "";
  }

  show(described: Described): void {
    element("read").hidden = false;
    const rows = described.nRows === null ? "" : `, ${described.nRows.toLocaleString("en")} rows`;
    const where = described.where === described.kind ? "" : `, ${described.where}`;
    const what = described.title ? `Read as ${described.title}.` : "";
    element("read-what").textContent = `${described.fileName}: ${described.kind}${where}${rows}, ${described.names.length} columns. ${what}`;
    element("read-notes").textContent = [described.notes, described.citation && `Cite ${described.citation}.`].filter(Boolean).join(" ");
    const lacking = Object.entries(described.missing).filter(([, names]) => names.length);
    element("read-missing").textContent = lacking.map(([product, names]) => `Without ${names.join(", ")}: no ${product}, or a poorer one.`).join(" ");
    const body = element("mapping").querySelector("tbody")!;
    body.replaceChildren(...described.mapped.map((mapped) => this.row(mapped, described.names)));
    element<HTMLDetailsElement>("mapping-details").open ||= Boolean(described.problem) || lacking.length > 1;
  }

  private row(mapped: Described["mapped"][number], names: string[]): HTMLElement {
    const { name, unit } = mapped;
    const column = make("select");
    column.setAttribute("aria-label", `Column of ${name}`);
    const none = make("option", "none");
    none.value = "";
    column.append(none, ...names.map((own) => make("option", own)));
    column.value = mapped.columns[0] ?? "";
    const units = make("select");
    units.setAttribute("aria-label", `Unit of ${name}`);
    const known = [...new Set([...(UNITS[unit] ?? []), mapped.stated].filter((own) => own !== ""))];
    const taken = make("option", `not stated: ${unit}`);
    taken.value = "";
    units.append(taken, ...known.map((own) => make("option", own)));
    units.value = mapped.stated;
    units.disabled = column.value === "";
    const change = (): void => {
      this.choices[name] = { column: column.value, unit: units.value };
      this.changed(element<HTMLSelectElement>("layout").value, this.choices);
    };
    column.addEventListener("change", () => {
      units.value = "";
      change();
    });
    units.addEventListener("change", change);
    const head = make("th", name, {}, make("span", mapped.description, { className: "quiet about" }));
    head.scope = "row";
    return make("tr", "", {}, head, make("td", "", {}, column), make("td", "", {}, units), make("td", mapped.how, { className: "quiet" }));
  }
}
