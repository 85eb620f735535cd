/** Bytes of a file, read in stretches; unpacked into memory if it is compressed by gzip. */
import { PageError } from "../rules.ts";

export interface Bytes {
  size: number;
  slice(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  stream(): AsyncIterable<Uint8Array>;
}

/** Bytes that an unpacked file may take. */
const MOST_UNPACKED = 2 ** 31 - 1;
const PIECE = 1 << 22;

function ofBlob(blob: Blob): Bytes {
  const slice = async (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> =>
    new Uint8Array(await blob.slice(start, end).arrayBuffer());
  async function* stream(): AsyncIterable<Uint8Array> {
    for (let start = 0; start < blob.size; start += PIECE) yield slice(start, Math.min(start + PIECE, blob.size));
  }
  return { size: blob.size, slice, stream };
}

/** Open a file, and unpack it if it is compressed. */
export async function openBytes(file: Blob): Promise<Bytes> {
  const plain = ofBlob(file);
  const head = await plain.slice(0, 6);
  if (head[0] === 0x42 && head[1] === 0x5a && head[2] === 0x68) throw new PageError("The file is compressed by bzip2; unpack it first.");
  if (head[0] === 0xfd && head[1] === 0x37) throw new PageError("The file is compressed by xz; unpack it first.");
  if (head[0] !== 0x1f || head[1] !== 0x8b) return plain;
  const parts: BlobPart[] = [];
  let size = 0;
  try {
    const reader = file.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      parts.push(piece.value as BlobPart);
      size += piece.value.length;
      if (size > MOST_UNPACKED) throw new PageError("The file has more than 2 GB when it is unpacked; unpack it first.");
    }
  } catch (error) {
    if (error instanceof PageError) throw error;
    throw new PageError("The file can't be unpacked: it is damaged or cut off.");
  }
  return ofBlob(new Blob(parts));
}
