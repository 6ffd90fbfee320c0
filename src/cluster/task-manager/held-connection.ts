import type { Connection } from '../../common/transport.ts';

/**
 * A connection whose frames wait until whoever is to get them is complete: a peer that is ready
 * sooner sends at once, to channels that are not made here yet.
 *
 * Always holds: frames come in order, none is lost, and none comes before `release`. How many wait is
 * bounded by the credit that a sender starts with.
 */
export class HeldConnection implements Connection {
  readonly #inner: Connection;
  #held: Uint8Array[] | undefined = [];
  #onFrame: ((frame: Uint8Array) => void) | undefined;

  constructor(inner: Connection) {
    this.#inner = inner;
    inner.onFrame((frame) => {
      this.#held?.push(frame.slice());
    });
  }

  /** From now on frames come as they come. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    const listener = this.#onFrame;
    if (listener === undefined) return;
    for (const frame of held) listener(frame);
    this.#inner.onFrame(listener);
  }

  send(frame: Uint8Array): boolean {
    return this.#inner.send(frame);
  }

  isWritable(): boolean {
    return this.#inner.isWritable();
  }

  onFrame(listener: (frame: Uint8Array) => void): void {
    this.#onFrame = listener;
    if (this.#held === undefined) this.#inner.onFrame(listener);
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
