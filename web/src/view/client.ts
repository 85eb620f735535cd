/** The worker, asked by promises. */
import type { Answered, Name, Requests } from "../messages.ts";
import { PageError } from "../rules.ts";
import Background from "../worker.ts?worker&inline";

export interface Progress {
  what: string;
  done: number;
  total: number;
}

export class Client {
  private readonly worker = new Background();
  private readonly waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  private last = 0;
  onProgress: (progress: Progress) => void = () => undefined;

  constructor() {
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
      for (const own of this.waiting.values()) own.reject(error);
      this.waiting.clear();
    };
  }

  ask<K extends Name>(name: K, body: Requests[K][0], transfer: Transferable[] = []): Promise<Requests[K][1]> {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, name, body }, transfer);
    });
  }

  cancel(): void {
    this.worker.postMessage({ id: 0, name: "cancel", body: null });
  }
}
