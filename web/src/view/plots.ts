/** The diagrams, drawn on canvases in the colours of the page. */
import type { Diagram, Histogram } from "../messages.ts";
import { element } from "./dom.ts";

const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"].map((hex) => [
  parseInt(hex.slice(1, 3), 16), parseInt(hex.slice(3, 5), 16), parseInt(hex.slice(5, 7), 16),
]);

/** Share of the colours that is left out at their dark end, on a dark page. */
let leftOut = 0;

function colourAt(share: number): [number, number, number] {
  const place = (leftOut + (1 - leftOut) * Math.min(Math.max(share, 0), 1)) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return VIRIDIS[low]!.map((value, i) => Math.round(value + (place - low) * (VIRIDIS[low + 1]![i]! - value))) as [number, number, number];
}

/** Round numbers between two ends. */
export function ticks(low: number, high: number, most: number): number[] {
  const raw = (high - low) / most;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((own) => own >= raw)!;
  const found: number[] = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9 * step; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

interface Frame {
  context: CanvasRenderingContext2D;
  left: number;
  top: number;
  width: number;
  height: number;
  ink: string;
  quiet: string;
  grid: string;
  bar: string;
}

function begin(canvas: HTMLCanvasElement, margins: [number, number, number, number]): Frame {
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "13px system-ui, sans-serif";
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  leftOut = colour("dark") ? 0.22 : 0;
  const [top, right, bottom, left] = margins;
  const box = { left, top, width: width - left - right, height: height - top - bottom };
  return { context, ...box, ink: colour("ink"), quiet: colour("quiet"), grid: colour("grid"), bar: colour("bar") };
}

function line(context: CanvasRenderingContext2D, from: [number, number], to: [number, number]): void {
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}

const plain = (value: number): string => String(value).replace("-", "\u2212");

function axes(frame: Frame, xs: number[], xAt: (v: number) => number, ys: number[], yAt: (v: number) => number, labels: [string, string], xText = plain): void {
  const { context, left, top, width, height, ink, quiet, grid } = frame;
  context.lineWidth = 1;
  context.strokeStyle = grid;
  context.fillStyle = quiet;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const value of xs) {
    const x = Math.round(xAt(value)) + 0.5;
    line(context, [x, top], [x, top + height]);
    context.fillText(xText(value), x, top + height + 6);
  }
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const value of ys) {
    const y = Math.round(yAt(value)) + 0.5;
    line(context, [left, y], [left + width, y]);
    context.fillText(plain(value), left - 6, y);
  }
  context.strokeStyle = quiet;
  context.strokeRect(left + 0.5, top + 0.5, width, height);
  context.fillStyle = ink;
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.fillText(labels[0], left + width / 2, top + height + 42);
  context.save();
  context.translate(13, top + height / 2);
  context.rotate(-Math.PI / 2);
  context.textBaseline = "middle";
  context.fillText(labels[1], 0, 0);
  context.restore();
}

/** Teff and log g at a place of the last Kiel diagram. */
export interface Place {
  teff: number;
  logg: number;
  scale: [number, number];
}

export function drawKiel(diagram: Diagram): (x: number, y: number) => Place {
  const canvas = element<HTMLCanvasElement>("kiel");
  const frame = begin(canvas, [10, 86, 46, 52]);
  const { context, left, top, width, height } = frame;
  const { x: xs, y: ys, c } = diagram;
  // Hot stars to the left, giants on top.
  const xAt = (teff: number): number => left + ((xs[1] - teff) / (xs[1] - xs[0])) * width;
  const yAt = (logg: number): number => top + ((logg - ys[0]) / (ys[1] - ys[0])) * height;
  axes(frame, ticks(...xs, Math.max(3, width / 90)), xAt, ticks(...ys, 7), yAt, ["Teff (K)", "log g (dex)"]);
  const log = diagram.label === "stars per cell";
  const share = (value: number): number => (log ? Math.log(value) / Math.log(Math.max(c[1], 2)) : (value - c[0]) / (c[1] - c[0]));
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  if (diagram.points) {
    const { x, y, c: values } = diagram.points;
    const size = x.length < 50 ? 4 : x.length < 3000 ? 2 : 1.3;
    for (let i = 0; i < x.length; i++) {
      context.fillStyle = Number.isNaN(values[i]!) ? frame.quiet : `rgb(${colourAt(share(values[i]!)).join(",")})`;
      context.beginPath();
      context.arc(xAt(x[i]!), yAt(y[i]!), size, 0, 2 * Math.PI);
      context.fill();
    }
  } else if (diagram.grid) {
    const { nx, ny, counts, means } = diagram.grid;
    const [cellWidth, cellHeight] = [width / nx, height / ny];
    for (let j = 0; j < ny; j++) {
      for (let i = 0; i < nx; i++) {
        if (!counts[j * nx + i]) continue;
        const value = means[j * nx + i]!;
        context.fillStyle = Number.isNaN(value) ? frame.quiet : `rgb(${colourAt(share(value)).join(",")})`;
        context.fillRect(left + width - (i + 1) * cellWidth, top + j * cellHeight, cellWidth + 0.6, cellHeight + 0.6);
      }
    }
  }
  context.restore();
  colourBar(frame, c, diagram.label, log);
  const what = `Kiel diagram of ${diagram.n} stars: Teff from ${Math.round(xs[1])} to ${Math.round(xs[0])} K, log g from ${ys[0].toFixed(1)} to ${ys[1].toFixed(1)}, coloured by ${diagram.label}.`;
  canvas.setAttribute("aria-label", what);
  return (x, y) => ({
    teff: xs[1] - ((x - left) / width) * (xs[1] - xs[0]),
    logg: ys[0] + ((y - top) / height) * (ys[1] - ys[0]),
    scale: [(xs[1] - xs[0]) / width, (ys[1] - ys[0]) / height],
  });
}

function colourBar(frame: Frame, c: [number, number], label: string, log: boolean): void {
  const { context, left, top, width, height, quiet, ink } = frame;
  const x = left + width + 12;
  for (let k = 0; k < height; k++) {
    context.fillStyle = `rgb(${colourAt(1 - k / height).join(",")})`;
    context.fillRect(x, top + k, 12, 1.5);
  }
  context.fillStyle = quiet;
  context.textAlign = "left";
  context.textBaseline = "middle";
  const values = log ? [1, 10, 100, 1000, 10_000].filter((v) => v <= c[1]) : ticks(c[0], c[1], 6);
  for (const value of values) {
    const share = log ? Math.log(value) / Math.log(Math.max(c[1], 2)) : (value - c[0]) / (c[1] - c[0]);
    context.fillText(plain(value), x + 16, top + (1 - share) * height);
  }
  context.save();
  context.fillStyle = ink;
  context.translate(x + 66, top + height / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.fillText(label, 0, 0);
  context.restore();
}

export function drawHistogram(id: string, histogram: Histogram): void {
  const canvas = element<HTMLCanvasElement>(id);
  const frame = begin(canvas, [8, 14, 46, 62]);
  const { context, left, top, width, height } = frame;
  const { edges, counts, log } = histogram;
  const most = Math.max(...counts, 1);
  const [low, high] = [edges[0]!, edges[edges.length - 1]!];
  const xAt = (value: number): number => left + ((value - low) / (high - low)) * width;
  const yAt = (value: number): number => top + height - (value / (1.05 * most)) * height;
  const xs = log
    ? [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].map(Math.log10).filter((v) => v >= low && v <= high)
    : ticks(low, high, width / 60);
  const text = (value: number): string => (log ? String(Number((10 ** value).toPrecision(3))) : plain(value));
  axes(frame, xs, xAt, ticks(0, most, 4).filter(Number.isInteger), yAt, [histogram.label, "stars"], text);
  context.fillStyle = frame.bar;
  counts.forEach((count, i) => {
    const [from, to] = [xAt(edges[i]!), xAt(edges[i + 1]!)];
    context.fillRect(from + 0.5, yAt(count), Math.max(to - from - 1, 0.5), top + height - yAt(count));
  });
  const middle = histogram.median === null ? "no values" : `median ${Number(histogram.median.toPrecision(3))}`;
  canvas.setAttribute("aria-label", `Histogram of ${histogram.label}: ${histogram.n} stars, ${middle}.`);
}
