// Drop files on the page in headless Chromium, save what comes out, and look at the page as a user would.
//
//     node e2e/run.mjs FOLDER [--million] [--screenshots]
//
// FOLDER is what make_files.py wrote; compare.py compares what is saved in FOLDER/found with FOLDER/expected.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import { chromium } from "playwright-core";

const folder = resolve(process.argv[2]);
const found = join(folder, "found");
const screenshots = process.argv.includes("--screenshots");
mkdirSync(found, { recursive: true });
const report = {};

const executablePath = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
assert.ok(executablePath, "Chromium is not installed; CHROMIUM names another place");
const server = createServer((request, response) => {
  if (request.url !== "/") return response.writeHead(404).end();
  return response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(readFileSync(join(folder, "index.html")));
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const address = `http://127.0.0.1:${server.address().port}/`;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

async function newPage(url = address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.asked = [];
  page.on("request", (request) => page.asked.push(request.url()));
  page.on("pageerror", (error) => assert.fail(`the page failed: ${error.message}`));
  await page.goto(url);
  await page.waitForFunction(() => document.documentElement.dataset.ready === "yes");
  return page;
}

async function give(page, name) {
  await page.setInputFiles("#file", join(folder, name));
  await page.waitForFunction(() => !document.getElementById("read").hidden || !document.getElementById("problem").hidden);
}

/** Drop a file on the page, as from a folder of the desktop. */
async function drop(page, name) {
  const text = readFileSync(join(folder, name)).toString("base64");
  await page.evaluate(([letters, own]) => {
    const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], own));
    document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  }, [text, name]);
  await page.waitForFunction(() => !document.getElementById("read").hidden || !document.getElementById("problem").hidden);
}

async function predict(page) {
  await page.click("#predict");
  await page.waitForFunction(() => !document.getElementById("results").hidden || !document.getElementById("problem").hidden, null, { timeout: 600_000 });
  assert.equal(await page.isVisible("#problem"), false, await page.textContent("#problem"));
}

async function save(page, format, name) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(`[data-format=${format}]`)]);
  const path = join(found, `${name}.${download.suggestedFilename().split(".").pop()}`);
  await download.saveAs(path);
  return path;
}

async function check(page, what) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const bad = violations.filter((own) => ["serious", "critical"].includes(own.impact));
  const told = bad.map((own) => `${own.id}: ${own.nodes.map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`).join(", ")}`);
  report.axe = { ...report.axe, [what]: violations.length };
  assert.deepEqual(told, [], `axe-core in ${what}`);
}

const picture = async (page, name) => {
  if (screenshots) await page.screenshot({ path: join(found, `${name}.png`), fullPage: true });
};

async function steps() {
  const page = await newPage();
  await check(page, "start");
  await picture(page, "start");

  // Each format is read, and each is written.
  const files = [
    ["dr17.fits", "fits"], ["astra.fits", "parquet"], ["plain.csv", "csv"], ["galah.vot", "votable"], ["galah2.vot", "fits"], ["galah.parquet", "fits"],
  ];
  for (const [name, format] of files) {
    await (name === "plain.csv" ? drop : give)(page, name);
    await predict(page);
    await save(page, format, name.replace(".", "-"));
    if (name === "dr17.fits") {
      await page.waitForTimeout(300);
      await check(page, "results");
      await picture(page, "results");
      await keyboard(page);
    }
  }
  report.layouts = await page.textContent("#read-what");

  // Nothing leaves the browser: no request but the page itself, and none is possible.
  assert.deepEqual(page.asked.filter((url) => url !== address && !/^(blob|data):/.test(url)), []);
  const sent = await page.evaluate((url) => fetch(url).then(() => "sent", () => "refused"), `${address}other`);
  assert.equal(sent, "refused");
  await damaged(page);
  await typed(page);
  await chosen(page);
  await page.context().close();
  await fromDisk();
  await looks();
}

async function keyboard(page) {
  await page.focus("#stars tbody button");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#star[open]");
  assert.match(await page.textContent("#star-body"), /68 %.*95 %/);
  await check(page, "star");
  if (screenshots) await page.screenshot({ path: join(found, "star.png") });
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#star[open]").count(), 0);
  // The table is scrolled by keys, and shows other rows.
  const first = await page.textContent("#stars tbody button");
  await page.focus("#viewport");
  await page.keyboard.press("End");
  await page.waitForFunction((own) => document.querySelector("#stars tbody button").textContent !== own, first);
  await page.click("#stars th:nth-child(5) button");
  await page.waitForSelector("#stars th[aria-sort=ascending]");
  const all = await page.textContent("#shown");
  await page.selectOption("#filter", "AGE-good");
  await page.waitForFunction((own) => document.getElementById("shown").textContent !== own, all);
  await page.click("#kiel", { position: { x: 250, y: 200 } });
  await page.waitForSelector("#star[open]");
  await page.click("#star-close");
}

async function damaged(page) {
  report.damaged = {};
  for (const name of ["cut.fit", "damaged.pq", "broken.xml", "words.txt", "photo.bin"]) {
    await give(page, name);
    if (!(await page.isVisible("#problem"))) {
      await page.click("#predict");
      await page.waitForSelector("#problem:not([hidden])");
    }
    const told = await page.textContent("#problem");
    assert.match(told, /^[A-Z'][^\n]{10,250}[.]$/, `${name}: ${told}`);
    assert.equal(await page.locator("img").count(), 0);
    report.damaged[name] = told;
  }
}

async function typed(page) {
  await page.fill("#paste", "4750 2.5 -0.1 -0.05 0.2 9.8 0.05\n5800, 4.4, 0, 0, 0");
  await page.click("#numbers button");
  await page.waitForSelector("#results:not([hidden])");
  await page.waitForFunction(() => document.querySelectorAll("#stars tbody tr").length === 2);
  report.typed = await page.textContent("#stars tbody tr");
  await page.fill("#paste", "4750 warm 1 1 1");
  await page.click("#numbers button");
  await page.waitForFunction(() => document.getElementById("problem").textContent.includes("'warm'"));
}

/** Another column and another unit change the result. */
async function chosen(page) {
  await give(page, "galah.parquet");
  await page.evaluate(() => (document.getElementById("mapping-details").open = true));
  await page.selectOption("[aria-label='Unit of K']", "");
  await page.selectOption("[aria-label='Column of K']", "h_m");
  await page.waitForFunction(() => document.getElementById("mapping").textContent.includes("h_m"));
  await predict(page);
  await give(page, "galah.parquet");
  await page.selectOption("[aria-label='Unit of GAIAEDR3_DIST']", "kpc");
  await page.click("#predict");
  await page.waitForSelector("#problem:not([hidden])");
  report.unit = await page.textContent("#problem");
  assert.match(report.unit, /look like pc/);
}

/** The page opened as a file. */
async function fromDisk() {
  const page = await newPage(pathToFileURL(join(folder, "index.html")).href);
  await give(page, "plain.csv");
  await predict(page);
  await save(page, "csv", "plain-csv-from-disk");
  assert.deepEqual(page.asked.filter((url) => !/^(blob|data|file):/.test(url)), []);
  await page.context().close();
}

/** Dark, and as wide as a phone. */
async function looks() {
  for (const [name, options] of [
    ["dark", { colorScheme: "dark" }],
    ["phone", { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }],
  ]) {
    const page = await newPage(address, options);
    await give(page, "plain.csv");
    await predict(page);
    await page.waitForTimeout(300);
    await check(page, name);
    await picture(page, name);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${name}: the page is ${wide} pixels wider than the window`);
    await page.click("#stars tbody button");
    await page.waitForSelector("#star[open]");
    await check(page, `star, ${name}`);
    if (screenshots) await page.screenshot({ path: join(found, `star-${name}.png`) });
    await page.context().close();
  }
}

/** A million stars: the longest time that the page did not react, from the choice of the file to the last diagram. */
async function million() {
  const page = await newPage();
  await page.evaluate(() => {
    globalThis.gaps = [];
    let last = performance.now();
    const beat = () => {
      const now = performance.now();
      globalThis.gaps.push(now - last);
      last = now;
      setTimeout(beat, 0);
    };
    beat();
    globalThis.tasks = [];
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => globalThis.tasks.push(entry.duration))).observe({ type: "longtask" });
  });
  const longest = async () => {
    const { gaps, tasks } = await page.evaluate(() => {
      const found = { gaps: globalThis.gaps.reduce((a, b) => Math.max(a, b), 0), tasks: globalThis.tasks.reduce((a, b) => Math.max(a, b), 0) };
      globalThis.gaps = [];
      globalThis.tasks = [];
      return found;
    });
    return { longest_gap_ms: Math.round(gaps), longest_task_ms: Math.round(tasks) };
  };
  await page.waitForTimeout(5000);
  report.million = { idle: await longest() };
  await give(page, "million.fits");
  await page.click("#predict");
  await page.waitForFunction(() => /of 1,000,000/.test(document.getElementById("progress-text").textContent));
  await page.click("#cancel");
  await page.waitForSelector("#progress", { state: "hidden" });
  await predict(page);
  report.million.summary = await page.textContent("#summary");
  report.million.predicting = await longest();
  for (const share of [0.3, 0.6, 0.9]) {
    await page.evaluate((own) => {
      const viewport = document.getElementById("viewport");
      viewport.scrollTop = own * viewport.scrollHeight;
    }, share);
    await page.waitForTimeout(100);
  }
  await page.selectOption("#colour", "count");
  await page.waitForTimeout(5000);
  report.million.looking = await longest();
  page.setDefaultTimeout(600_000);
  report.million.saved_bytes = statSync(await save(page, "fits", "million")).size;
  report.million.saving = await longest();
  await picture(page, "million");
  for (const what of ["predicting", "looking", "saving"]) {
    assert.ok(report.million[what].longest_task_ms < 500, `${what}: the page stood still: ${JSON.stringify(report.million)}`);
  }
  await page.context().close();
}

try {
  await steps();
  if (process.argv.includes("--million")) await million();
} finally {
  await browser.close();
  server.close();
}
writeFileSync(join(found, "report.json"), JSON.stringify(report, null, 2));
console.log(JSON.stringify(report, null, 2));
