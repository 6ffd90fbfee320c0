import type { Connection } from '../../common/transport.ts';

/**
 * A connection whose frames wait for whoever listens to it next: a peer that has greeted goes on to
 * send at once, before its deployment is here.
 *
 * Always holds: frames come in order and none is lost. How many wait is bounded by the credit that a
 * sender starts with.
 */
export class HeldConnection implements Connection {
  readonly #inner: Connection;
  #held: Uint8Array[] = [];

  /** Takes over who listens to `inner`. */
  constructor(inner: Connection) {
    this.#inner = inner;
    inner.onFrame((frame) => {
      this.#held.push(frame.slice());
    });
  }

  send(frame: Uint8Array): boolean {
    return this.#inner.send(frame);
  }

  isWritable(): boolean {
    return this.#inner.isWritable();
  }

  onFrame(listener: (frame: Uint8Array) => void): void {
    for (const frame of this.#held.splice(0)) listener(frame);
    this.#inner.onFrame(listener);
  }

  onWritable(listener: () => void): void {
    this.#inner.onWritable(listener);
  }

  onClose(listener: (why: Error | undefined) => void): void {
    this.#inner.onClose(listener);
  }

  close(): void {
    this.#inner.close();
  }

  destroy(): void {
    this.#inner.destroy();
  }
}
