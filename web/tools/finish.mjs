// Put what was built into the package, beside page.html, with the sum of the sources it was built from.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const target = "../skdistmass/deploy/web";
const runtime = "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm";

/** SHA-256 of all sources: for each its path, a NUL, its bytes, a NUL, in the order of the paths. */
function sourcesSum() {
  const files = ["package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "tools/finish.mjs"];
  for (const entry of readdirSync("src", { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) files.push(join(entry.parentPath, entry.name).replaceAll("\\", "/"));
  }
  const sum = createHash("sha256");
  for (const file of files.sort()) sum.update(file).update("\0").update(readFileSync(file)).update("\0");
  return sum.digest("hex");
}

/** For packages that come without their licence's text. */
const MIT = `MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

/** The licences of what is in the page. */
function licences() {
  const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  const names = [...Object.keys(dependencies), "onnxruntime-common", "fzstd", "hysnappy", "xmlchars"].sort();
  return names.map((name) => {
    const about = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
    const file = readdirSync(`node_modules/${name}`).find((own) => /^licen[cs]e/i.test(own));
    const author = about.author?.name ?? about.author ?? "its authors";
    const stated = about.license === "MIT" ? `Copyright (c) ${author}\n\n${MIT}` : `Licence: ${about.license}, by ${author}`;
    const text = file ? readFileSync(`node_modules/${name}/${file}`, "utf8").trim() : stated;
    return `${name} ${about.version}\n\n${text}`;
  }).join(`\n\n${"-".repeat(40)}\n\n`) + "\n";
}

const script = readFileSync("dist/page.js", "utf8");
if (/<\/script|<!--/i.test(script)) throw new Error("the script has a mark that would end it in a page");
mkdirSync(target, { recursive: true });
writeFileSync(join(target, "page.js"), script);
writeFileSync(join(target, "page.css"), readFileSync("dist/page.css"));
writeFileSync(join(target, "licences.txt"), licences());
writeFileSync(join(target, "runtime.wasm.gz"), gzipSync(readFileSync(runtime), { level: 9 }));
writeFileSync(join(target, "sources.sha256"), `${sourcesSum()}\n`);
