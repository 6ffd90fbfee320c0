/**
 * Frames in a stream of bytes: four bytes of length, little-endian, then the frame.
 *
 * Always holds: of a frame that has not come as a whole, the bytes so far are in `#partial`; frames
 * that a chunk holds as a whole are passed on where they are, without a copy.
 */
import { FRAME_BYTES_MAX } from './transport.ts';

export const FRAME_HEADER_BYTES = 4;
/** In place of a length: nothing follows, and that is meant so. */
export const GOODBYE = 0xffff_ffff;

/** A larger buffer for a frame that came in pieces is not kept. */
const KEPT_BYTES_MAX = 2 ** 20;

export type SplitOutcome =
  | 'more'
  | 'goodbye'
  /** The stream makes no sense from here on. */
  | 'bad-length'
  /** Nobody wants the frames behind `at` in the chunk, for now. */
  | { readonly kind: 'stopped'; readonly at: number };

export class FrameSplitter {
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  /** Length of the frame whose header has come; -1 while none has. */
  #length = -1;
  #partial = new Uint8Array(0);
  #partialBytes = 0;

  /** What the last header said; of interest when it was bad. */
  get length(): number {
    return this.#length;
  }

  /** Passes on each frame that is complete now, until `deliver` says false. */
  take(chunk: Uint8Array, deliver: (frame: Uint8Array) => boolean): SplitOutcome {
    let at = 0;
    for (;;) {
      if (this.#length < 0) {
        at = this.#takeHeader(chunk, at);
        if (this.#length < 0) return 'more';
        if (this.#length === GOODBYE) return 'goodbye';
        if (this.#length > FRAME_BYTES_MAX) return 'bad-length';
      }
      const end = at + this.#length - this.#partialBytes;
      if (end > chunk.length) {
        this.#keep(chunk.subarray(at), this.#length);
        return 'more';
      }
      const frame = this.#complete(chunk.subarray(at, end), this.#length);
      this.#length = -1;
      at = end;
      if (!deliver(frame)) return { kind: 'stopped', at };
    }
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    const header = this.#header;
    let from = at;
    while (this.#headerBytes < FRAME_HEADER_BYTES) {
      const byte = chunk[from];
      if (byte === undefined) return from;
      header[this.#headerBytes] = byte;
      this.#headerBytes++;
      from++;
    }
    const [a = 0, b = 0, c = 0, d = 0] = header;
    this.#length = (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
    this.#headerBytes = 0;
    return from;
  }

  #keep(bytes: Uint8Array, length: number): void {
    const needed = this.#partialBytes + bytes.length;
    if (this.#partial.length < needed) {
      // Doubles, so that a length alone takes no memory that no bytes fill.
      const grown = new Uint8Array(Math.min(length, Math.max(needed, 2 * this.#partial.length)));
      grown.set(this.#partial.subarray(0, this.#partialBytes));
      this.#partial = grown;
    }
    this.#partial.set(bytes, this.#partialBytes);
    this.#partialBytes = needed;
  }

  #complete(rest: Uint8Array, length: number): Uint8Array {
    if (this.#partialBytes === 0) return rest;
    this.#keep(rest, length);
    const frame = this.#partial.subarray(0, length);
    this.#partialBytes = 0;
    if (this.#partial.length > KEPT_BYTES_MAX) this.#partial = new Uint8Array(0);
    return frame;
  }
}
