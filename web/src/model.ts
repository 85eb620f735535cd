/** The graph of a model, run by onnxruntime in pieces. */
import * as ort from "onnxruntime-web/wasm";
import { PageError } from "./rules.ts";
import type { Values } from "./stars/complete.ts";

/** Rows at a time: the values between two operators stay in the processor's cache. */
const ROWS = 2048;
/** Rows are run in multiples of this, so that a star has the same prediction whatever rows it comes with. */
const MULTIPLE = 16;

export class Model {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly isSingle: boolean,
  ) {}

  static async open(graph: Uint8Array, wasm: ArrayBuffer): Promise<Model> {
    ort.env.wasm.wasmBinary = wasm;
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = "error";
    try {
      const session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
      const about = session.inputMetadata[0]!;
      return new Model(session, about.isTensor && about.type === "float32");
    } catch (error) {
      throw new PageError(`The model of this page can't be used: ${String((error as Error).message ?? error).split("\n")[0]}`);
    }
  }

  get inputs(): string[] {
    return [...this.session.inputNames];
  }

  get outputs(): string[] {
    return [...this.session.outputNames];
  }

  /** Predict for rows; `pause` is called between pieces. */
  async predict(columns: Record<string, Float64Array>, n: number, pause: () => Promise<void>): Promise<Record<string, Values>> {
    const found: Record<string, Values> = {};
    for (let start = 0; start < n; start += ROWS) {
      const count = Math.min(ROWS, n - start);
      const outputs = await this.session.run(this.feeds(columns, start, count));
      for (const name of this.outputs) {
        const data = outputs[name]!.data;
        const isNumber = data instanceof Float64Array || data instanceof Float32Array;
        found[name] ??= isNumber ? new Float64Array(n) : new Int32Array(n);
        const values = data as Float64Array;
        found[name].set(count < values.length ? values.subarray(0, count) : values, start);
        outputs[name]!.dispose();
      }
      await pause();
    }
    return found;
  }

  private feeds(columns: Record<string, Float64Array>, start: number, count: number): Record<string, ort.Tensor> {
    const length = Math.ceil(count / MULTIPLE) * MULTIPLE;
    const feeds: Record<string, ort.Tensor> = {};
    for (const name of this.session.inputNames) {
      const values = this.isSingle ? new Float32Array(length) : new Float64Array(length);
      values.set(columns[name]!.subarray(start, start + count));
      values.fill(values[count - 1]!, count);
      feeds[name] = this.isSingle
        ? new ort.Tensor("float32", values as Float32Array<ArrayBuffer>, [length])
        : new ort.Tensor("float64", values as Float64Array<ArrayBuffer>, [length]);
    }
    return feeds;
  }
}
