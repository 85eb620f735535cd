/** The card of one star: values, intervals, and why it is flagged. */
import type { CardLine, StarCard } from "../messages.ts";
import { element, make, significant } from "./dom.ts";

const CLASSES: Record<string, string> = { good: "good", careful: "warn", "don't use": "bad" };
const PRODUCTS: Record<string, string> = { DISTANCE: "Distance", MASS: "Mass", AGE: "Age" };

function interval(low: number | null, high: number | null): string {
  return low === null && high === null ? "–" : `${significant(low)} to ${significant(high)}`;
}

/** A part that scrolls where the window is narrow, by keys too. */
function region(label: string, content: Node): HTMLElement {
  const made = make("div", "", { className: "scroll" }, content);
  made.tabIndex = 0;
  made.setAttribute("role", "region");
  made.setAttribute("aria-label", label);
  return made;
}

function values(lines: CardLine[], withEnds: boolean): HTMLTableElement {
  const table = make("table");
  const head = make("tr");
  const titles = withEnds ? ["", "Value", "±", "68 %", "95 %", ""] : ["", "Value", ""];
  titles.forEach((title, i) => {
    const cell = make("th", title, { className: i && i < titles.length - 1 ? "n" : "" });
    cell.scope = "col";
    if (title) head.append(cell);
    else head.append(make("td"));
  });
  const body = make("tbody");
  for (const line of lines) {
    const name = make("th", line.label);
    name.scope = "row";
    const row = make("tr", "", {}, name, make("td", significant(line.value), { className: "n" }));
    if (withEnds) {
      const texts = [line.error === null ? "–" : significant(line.error, 3), interval(line.low, line.high), interval(line.low95, line.high95)];
      row.append(...texts.map((text) => make("td", text, { className: "n" })));
    }
    row.append(make("td", line.unit));
    body.append(row);
  }
  table.append(make("thead", "", {}, head), body);
  return table;
}

export function showStar(star: StarCard): void {
  element("star-title").textContent = star.id;
  const body = element("star-body");
  body.replaceChildren();
  const add = (...nodes: Node[]): void => body.append(...nodes);
  if (star.identifiers.length) add(make("p", star.identifiers.map(([name, id]) => `${name} ${id}`).join(" · "), { className: "quiet" }));
  add(make("h3", "Results"), region("Results", values(star.results, true)));
  add(make("h3", "Can they be used?"));
  const list = make("ul");
  for (const { product, verdict, reasons } of star.verdicts) {
    const text = reasons.length ? `: ${reasons.join("; ")}` : "";
    list.append(make("li", "", {}, make("strong", `${PRODUCTS[product]}: `), make("span", verdict, { className: CLASSES[verdict]! }), make("span", text)));
  }
  add(list);
  for (const note of star.notes) add(make("p", note, { className: "quiet" }));
  add(make("h3", "Flags"));
  if (star.flags.length) {
    add(make("ul", "", {}, ...star.flags.map((flag) => make("li", "", {}, make("code", `${flag.column} ${flag.name}`), make("span", `: ${flag.description}`)))));
  } else add(make("p", "None."));
  add(make("h3", "Labels and photometry"), values(star.inputs, false));
  if (star.scales.length) {
    const more = make("details", "", {}, make("summary", "Other mass scales"), region("Other mass scales", values(star.scales, true)));
    add(more);
  }
  const dialog = element<HTMLDialogElement>("star");
  if (!dialog.open) dialog.showModal();
}
