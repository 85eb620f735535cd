/** What page and worker say to each other. */
import type { ModelInfo, Rules } from "./rules.ts";
import type { Choice } from "./stars/plan.ts";

export interface Start {
  rules: Rules;
  info: ModelInfo;
  graph: Uint8Array;
  /** WebAssembly of onnxruntime, compressed by gzip. */
  runtime: Uint8Array;
}

export interface Mapped {
  name: string;
  description: string;
  unit: string;
  /** Columns tried in turn; the first is what the form shows. */
  columns: string[];
  /** Unit of the first column, as the file or the layout says. */
  stated: string;
  how: string;
}

export interface Described {
  fileName: string;
  kind: string;
  where: string;
  nRows: number | null;
  names: string[];
  layout: string;
  title: string;
  citation: string;
  notes: string;
  mapped: Mapped[];
  missing: Record<string, string[]>;
  problem: string;
}

export interface Summary {
  n: number;
  seconds: number;
  counts: Record<string, number>;
  impossible: Record<string, number>;
  notes: string[];
  single: boolean;
}

export interface TableRow {
  row: number;
  id: string;
  values: (number | null)[];
  verdicts: [string, string, string];
  flags: string[];
}

export interface Shown {
  total: number;
  rows: TableRow[];
}

export interface Diagram {
  /** Teff, log g and colour value of single stars. */
  points?: { x: Float32Array; y: Float32Array; c: Float32Array };
  /** Number of stars and mean colour value in cells. */
  grid?: { nx: number; ny: number; counts: Uint32Array; means: Float32Array };
  x: [number, number];
  y: [number, number];
  c: [number, number];
  label: string;
  n: number;
}

export interface Histogram {
  edges: number[];
  counts: number[];
  label: string;
  log: boolean;
  n: number;
  median: number | null;
}

export interface Plots {
  kiel: Diagram;
  distance: Histogram;
  age: Histogram;
}

export interface CardLine {
  name: string;
  label: string;
  unit: string;
  value: number | null;
  error: number | null;
  low: number | null;
  high: number | null;
  low95: number | null;
  high95: number | null;
}

export interface StarCard {
  row: number;
  id: string;
  identifiers: [string, string][];
  inputs: CardLine[];
  results: CardLine[];
  scales: CardLine[];
  verdicts: { product: string; verdict: string; reasons: string[] }[];
  flags: { column: string; name: string; description: string }[];
  notes: string[];
}

export type Format = "csv" | "fits" | "votable" | "parquet";

/** Each request by its name: what it takes, and what comes back. */
export interface Requests {
  start: [Start, null];
  open: [{ file: Blob; name: string }, Described];
  describe: [{ layout: string; choices: Record<string, Choice> }, Described];
  predict: [null, Summary];
  show: [{ filter: string; search: string; sort: string; descending: boolean }, { total: number }];
  rows: [{ start: number; stop: number }, Shown];
  plots: [{ colour: string }, Plots];
  star: [{ row: number }, StarCard];
  nearest: [{ teff: number; logg: number; scale: [number, number] }, { row: number | null }];
  save: [{ format: Format }, { blob: Blob; name: string }];
}

export type Name = keyof Requests;

export interface Asked {
  id: number;
  name: Name | "cancel";
  body: unknown;
}

export type Answered =
  | { id: number; result: unknown }
  | { id: number; error: string }
  | { progress: { what: string; done: number; total: number } };
