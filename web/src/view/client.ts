/** The worker, asked by promises. */
import type { Answered, Name, Requests, Start } from "../messages.ts";
import { PageError } from "../rules.ts";
import Background from "../worker.ts?worker&inline";

export interface Progress {
  what: string;
  done: number;
  total: number;
}

/** Time that a cancelled work has to end by itself. */
const PATIENCE = 2000;

export class Client {
  private worker!: Worker;
  private readonly waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  private last = 0;
  onProgress: (progress: Progress) => void = () => undefined;

  /** Settled when the model can predict. */
  ready!: Promise<null>;

  constructor(private readonly start: Start) {
    this.begin();
  }

  private begin(): void {
    this.worker = new Background();
    this.worker.onmessage = ({ data }: MessageEvent<Answered>) => {
      if ("progress" in data) {
        this.onProgress(data.progress);
        return;
      }
      const own = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("error" in data) own?.reject(new PageError(data.error));
      else own?.resolve(data.result as never);
    };
    this.worker.onerror = (event) => {
      const error = new PageError(`The page can't compute in this browser (${event.message ?? "no worker"}); use a current one.`);
      this.refuse(error);
    };
    this.ready = this.ask("start", this.start);
    this.ready.catch(() => undefined); // said where it is waited for
  }

  private refuse(error: Error): void {
    for (const own of this.waiting.values()) own.reject(error);
    this.waiting.clear();
  }

  ask<K extends Name>(name: K, body: Requests[K][0]): Promise<Requests[K][1]> {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, name, body });
    });
  }

  /** End the work at hand; a worker that does not listen, as over a damaged file, is replaced. */
  cancel(): void {
    this.worker.postMessage({ id: 0, name: "cancel", body: null });
    const asked = [...this.waiting.keys()];
    setTimeout(() => {
      if (!asked.some((id) => this.waiting.has(id))) return;
      this.worker.terminate();
      this.refuse(new PageError("The work was ended; choose the file again."));
      this.begin();
    }, PATIENCE);
  }
}
