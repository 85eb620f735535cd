/** The rules of the package, taken out of the page that `skdistmass page -o .e2e` or `e2e/make_files.py .e2e` wrote. */
import { existsSync, readFileSync } from "node:fs";
import type { Rules } from "../src/rules.ts";

const path = process.env.SKDISTMASS_PAGE ?? ".e2e/index.html";
if (!existsSync(path)) throw new Error(`there is no page ${path}: run python e2e/make_files.py .e2e first`);
const text = readFileSync(path, "utf8");
const begin = '<script type="application/json" id="rules-data">';
const start = text.indexOf(begin) + begin.length;
export const rules = JSON.parse(text.slice(start, text.indexOf("</script>", start))) as Rules;
