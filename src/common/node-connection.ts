/**
 * A connection over a socket of Node.
 *
 *   open ──close──► closing ──all is sent, or time is up──► closed
 *    └───────┴────── the other side is gone, destroy ──────────┘
 *
 * Small frames are put together in blocks, which go to the socket when they are full and at the end
 * of what runs now. The header `GOODBYE` ends a stream that ends as it should: the operating system
 * closes the sockets of a process that dies just as well.
 */
import type { Socket } from 'node:net';
import { FRAME_HEADER_BYTES, FrameSplitter, GOODBYE } from './frame-splitter.ts';
import { FRAME_BYTES_MAX, type Connection } from './transport.ts';
import { badFrame, frameTooLarge, peerGone, peerTakesNothing } from './transport-errors.ts';

/** Queued bytes from which `send` says false; half of it is when it says so no more. */
export const QUEUE_BYTES_MAX = 2 ** 20;
/** A sender that does not care and a receiver that does not read end the connection here. */
export const OVERFLOW_BYTES_MAX = 512 * 2 ** 20;
/** How long `close` may go on sending. */
export const CLOSE_MS_MAX = 5_000;

const BLOCK_BYTES = 65_536;
const SPARE_BLOCKS_MAX = 16;

export class NodeConnection implements Connection {
  readonly #socket: Socket;
  readonly #address: string;
  readonly #splitter = new FrameSplitter();
  #life: 'open' | 'closing' | 'closed' = 'open';
  /** What is put together. */
  #block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #blockBytes = 0;
  readonly #spare: Buffer[] = [];
  /** What the socket has, in order; it is told of each when it is written. */
  #written: Buffer[] = [];
  #flushing = false;
  #writable = true;
  #why: Error | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  #onFrame: ((frame: Uint8Array) => void) | undefined;
  #onWritable: (() => void) | undefined;
  #onClose: ((why: Error | undefined) => void) | undefined;

  /** @param socket Connected, and nothing read from it that was not for others. */
  constructor(socket: Socket, address: string) {
    this.#socket = socket;
    this.#address = address;
    socket.on('error', (error) => {
      if (this.#life === 'open') this.#why ??= peerGone(address, error);
    });
    socket.on('end', () => {
      if (this.#life === 'open') this.#why ??= peerGone(address);
      this.#end();
    });
    socket.on('close', () => {
      this.#closed();
    });
  }

  send(frame: Uint8Array): boolean {
    const { length } = frame;
    if (length > FRAME_BYTES_MAX) throw frameTooLarge(length, FRAME_BYTES_MAX);
    if (this.#life !== 'open') return true;
    const bytes = FRAME_HEADER_BYTES + length;
    if (this.#blockBytes + bytes > BLOCK_BYTES) this.#writeBlock();
    if (bytes > BLOCK_BYTES) {
      const own = Buffer.allocUnsafeSlow(bytes);
      own.writeUInt32LE(length, 0);
      own.set(frame, FRAME_HEADER_BYTES);
      this.#write(own, bytes);
    } else {
      this.#block.writeUInt32LE(length, this.#blockBytes);
      this.#block.set(frame, this.#blockBytes + FRAME_HEADER_BYTES);
      this.#blockBytes += bytes;
      this.#flushSoon();
    }
    return this.#checkQueue();
  }

  isWritable(): boolean {
    return this.#writable;
  }

  onFrame(listener: ((frame: Uint8Array) => void) | undefined): void {
    this.#onFrame = listener;
    if (this.#life !== 'open') return;
    if (listener === undefined) {
      this.#socket.pause();
      return;
    }
    if (this.#socket.listenerCount('data') === 0) {
      this.#socket.on('data', (chunk) => {
        this.#take(chunk);
      });
    }
    this.#socket.resume();
  }

  onWritable(listener: () => void): void {
    this.#onWritable = listener;
  }

  onClose(listener: (why: Error | undefined) => void): void {
    this.#onClose = listener;
    if (this.#life !== 'closed') return;
    process.nextTick(() => {
      listener(this.#why);
    });
  }

  close(): void {
    if (this.#life !== 'open') return;
    const goodbye = Buffer.alloc(FRAME_HEADER_BYTES);
    goodbye.writeUInt32LE(GOODBYE, 0);
    this.#writeBlock();
    this.#write(goodbye, goodbye.length);
    this.#why = undefined;
    this.#end();
  }

  destroy(): void {
    if (this.#life === 'closed') return;
    if (this.#life === 'open') this.#why = undefined;
    this.#life = 'closing';
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    if (this.#life !== 'open') return;
    // Not a Buffer, whose `slice` is no copy.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    const outcome = this.#splitter.take(bytes, (frame) => {
      this.#onFrame?.(frame);
      return this.#wantsMore();
    });
    if (outcome === 'goodbye') {
      this.#end();
    } else if (outcome === 'bad-length') {
      this.#fail(badFrame(this.#address, this.#splitter.length));
    } else if (outcome !== 'more' && !this.#socket.destroyed && outcome.at < chunk.length) {
      this.#socket.unshift(chunk.subarray(outcome.at));
    }
  }

  #wantsMore(): boolean {
    return this.#life === 'open' && this.#onFrame !== undefined;
  }

  /** Sends what is queued and ends. What still comes is read and dropped, so that the end is seen. */
  #end(): void {
    if (this.#life !== 'open') return;
    this.#writeBlock();
    this.#life = 'closing';
    this.#free();
    this.#socket.end();
    this.#socket.resume();
    this.#closeTimer = setTimeout(() => {
      this.#socket.destroy();
    }, CLOSE_MS_MAX);
  }

  #fail(why: Error): void {
    if (this.#life !== 'open') return;
    this.#why = why;
    this.#life = 'closing';
    this.#socket.destroy();
  }

  #closed(): void {
    this.#life = 'closed';
    clearTimeout(this.#closeTimer);
    this.#written = [];
    this.#free();
    this.#onClose?.(this.#why);
  }

  /** Nobody waits for a connection that is closed. */
  #free(): void {
    if (this.#writable) return;
    this.#writable = true;
    this.#onWritable?.();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(() => {
      this.#flushing = false;
      this.#writeBlock();
    });
  }

  #writeBlock(): void {
    if (this.#blockBytes === 0 || this.#life !== 'open') return;
    const block = this.#block;
    const bytes = this.#blockBytes;
    this.#block = this.#spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.#blockBytes = 0;
    this.#write(block, bytes);
  }

  #write(bytes: Buffer, length: number): void {
    this.#written.push(bytes);
    this.#socket.write(length === bytes.length ? bytes : bytes.subarray(0, length), this.#wrote);
  }

  readonly #wrote = (): void => {
    const bytes = this.#written.shift();
    if (bytes?.length === BLOCK_BYTES && this.#spare.length < SPARE_BLOCKS_MAX) {
      this.#spare.push(bytes);
    }
    if (this.#life === 'open' && !this.#writable && this.#queued() <= QUEUE_BYTES_MAX / 2) {
      this.#free();
    }
  };

  #queued(): number {
    return this.#socket.writableLength + this.#blockBytes;
  }

  #checkQueue(): boolean {
    const queued = this.#queued();
    if (queued > OVERFLOW_BYTES_MAX) this.#fail(peerTakesNothing(this.#address, queued));
    if (queued > QUEUE_BYTES_MAX && this.#life === 'open') this.#writable = false;
    return this.#writable;
  }
}
