// Predict distances, masses and ages of a CSV of stars with onnxruntime-web, in Node.js. The same code, with the file
// fetched, runs in a browser.
//
//     npm install
//     node predict.mjs MODEL.onnx STARS.csv > CATALOG.csv
//
// STARS.csv has a header with TEFF, LOGG, M_H, C_FE, N_FE, MAG and EXTINCTION; an empty field is a missing value.
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const ROWS_AT_A_TIME = 8192;

if (process.argv.length !== 4) {
  console.error("usage: node predict.mjs MODEL.onnx STARS.csv > CATALOG.csv");
  process.exit(2);
}
const [modelPath, starsPath] = process.argv.slice(2);
const session = await ort.InferenceSession.create(await readFile(modelPath), { executionProviders: ["wasm"] });
const type = session.inputMetadata[0].type;
const NumberArray = type === "float32" ? Float32Array : Float64Array;

const lines = (await readFile(starsPath, "utf8")).split(/\r?\n/).filter((line) => line !== "");
const header = lines.shift().split(",");
const stars = lines.map((line) => line.split(","));
const number = (text) => (text === undefined || text.trim() === "" ? NaN : Number(text));
const column = (name) => NumberArray.from(stars, (star) => number(star[header.indexOf(name)]));
const columns = Object.fromEntries(session.inputNames.map((name) => [name, column(name)]));

console.log(session.outputNames.join(","));
for (let start = 0; start < stars.length; start += ROWS_AT_A_TIME) {
  const feeds = {};
  for (const [name, values] of Object.entries(columns)) {
    const piece = values.slice(start, start + ROWS_AT_A_TIME);
    feeds[name] = new ort.Tensor(type, piece, [piece.length]);
  }
  const found = await session.run(feeds);
  const outputs = session.outputNames.map((name) => found[name].data);
  const rows = Array.from(outputs[0], (_, i) => outputs.map((values) => values[i]).join(","));
  console.log(rows.join("\n"));
}
