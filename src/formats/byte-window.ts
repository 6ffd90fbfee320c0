import { isAscii } from 'node:buffer';

const EMPTY = Buffer.alloc(0);
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * The bytes of a stream that are not consumed yet, as one buffer. It holds less than one record
 * plus one chunk, so joining what is left with the next chunk is cheap.
 */
export class ByteWindow {
  bytes: Buffer = EMPTY;
  /** Index in `bytes` of the first byte that is not consumed. */
  at = 0;
  /** Whether all of `bytes` is ASCII: then text is cut out of it without decoding. */
  ascii = true;
  ended = false;
  /** The stream's offset of `bytes[0]`. */
  #base: number;
  #bomPossible: boolean;

  constructor(offset: number) {
    this.#base = offset;
    this.#bomPossible = offset === 0;
  }

  /** The stream's offset of the first byte that is not consumed. */
  get offset(): number {
    return this.#base + this.at;
  }

  push(chunk: Uint8Array): void {
    const fresh = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const rest = this.bytes.subarray(this.at);
    this.#base += this.at;
    this.at = 0;
    this.bytes = rest.length === 0 ? fresh : Buffer.concat([rest, fresh]);
    this.ascii = isAscii(this.bytes);
  }

  /** Steps over a byte order mark. False while it cannot be told yet whether there is one. */
  skipBom(): boolean {
    if (!this.#bomPossible) return true;
    const start = this.bytes.subarray(0, BOM.length);
    if (BOM.subarray(0, start.length).equals(start)) {
      if (start.length < BOM.length && !this.ended) return false;
      if (start.length === BOM.length) this.at = BOM.length;
    }
    this.#bomPossible = false;
    return true;
  }
}
