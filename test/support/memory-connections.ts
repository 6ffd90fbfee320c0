import { nextTurn, systemClock } from '../../src/common/clock.ts';
import { randomInt, type Random } from '../../src/common/random.ts';
import type { Connection } from '../../src/common/transport.ts';

type Sent = Uint8Array | 'closed' | 'destroyed';

/**
 * Two connected ends in one thread. What one sends comes at the other side some turns of the event
 * loop later, together with others or alone, as `random` says.
 */
export class MemoryConnections {
  readonly ends: readonly [MemoryConnection, MemoryConnection];
  readonly #random: Random;
  #running = false;

  constructor(random: Random) {
    this.#random = random;
    const start = (): void => void this.#run();
    const [near, far] = [new MemoryConnection(start), new MemoryConnection(start)];
    near.peer = far;
    far.peer = near;
    this.ends = [near, far];
  }

  /** Until all that was sent has come, and all that was sent because of it. */
  async settle(): Promise<void> {
    while (this.#running) await nextTurn(systemClock);
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (;;) {
      await nextTurn(systemClock);
      const ready = this.ends.filter((end) => end.hasSome());
      if (ready.length === 0) break;
      const end = ready[randomInt(this.#random, ready.length)];
      for (let count = randomInt(this.#random, 4); count > 0; count--) end?.deliver();
    }
    this.#running = false;
  }
}

class MemoryConnection implements Connection {
  /** What has not come here yet. */
  readonly #coming: Sent[] = [];
  readonly #start: () => void;
  peer: MemoryConnection | undefined;
  #over = false;
  #onFrame: ((frame: Uint8Array) => void) | undefined;
  #onClose: ((why: Error | undefined) => void) | undefined;

  constructor(start: () => void) {
    this.#start = start;
  }

  send(frame: Uint8Array): boolean {
    if (!this.#over) this.peer?.push(frame.slice());
    return true;
  }

  isWritable(): boolean {
    return true;
  }

  onFrame(listener: ((frame: Uint8Array) => void) | undefined): void {
    this.#onFrame = listener;
    this.#start();
  }

  onWritable(): void {
    // It is always writable.
  }

  onClose(listener: (why: Error | undefined) => void): void {
    this.#onClose = listener;
  }

  close(): void {
    this.#end('closed');
  }

  destroy(): void {
    this.#end('destroyed');
  }

  push(sent: Sent): void {
    this.#coming.push(sent);
    this.#start();
  }

  hasSome(): boolean {
    return !this.#over && this.#onFrame !== undefined && this.#coming.length > 0;
  }

  deliver(): void {
    if (!this.hasSome()) return;
    const sent = this.#coming.shift();
    if (sent === 'closed' || sent === 'destroyed') {
      this.#over = true;
      this.#onClose?.(sent === 'closed' ? undefined : new TypeError('the other side is gone'));
    } else if (sent !== undefined) this.#onFrame?.(sent);
  }

  #end(how: 'closed' | 'destroyed'): void {
    if (this.#over) return;
    this.#over = true;
    this.peer?.push(how);
    this.#onClose?.(undefined);
  }
}
