import { assert } from '../../common/assert.ts';
import type { LinkPort } from '../../runtime/ring-link.ts';
import { Mailbox } from './mailbox.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** Both ends of a port between two simulated threads. */
export function simulatedPorts(): readonly [SimulatedPort, SimulatedPort] {
  const one = new SimulatedPort();
  const other = new SimulatedPort();
  one.join(other);
  other.join(one);
  return [one, other];
}

/** A `MessagePort` of a simulation. What comes before it has an owner waits. */
export class SimulatedPort implements LinkPort {
  #peer: SimulatedPort | undefined;
  #mailbox: Mailbox | undefined;
  #early: (() => void)[] = [];
  readonly #onMessage: ((message: unknown) => void)[] = [];
  readonly #onClose: (() => void)[] = [];
  #isClosed = false;

  join(peer: SimulatedPort): void {
    this.#peer = peer;
  }

  /** From now on what comes is handled in this process; the port closes with it. */
  bind(owner: SimulatedProcess): void {
    assert(this.#mailbox === undefined, 'a port goes to one thread');
    const mailbox = new Mailbox(owner, 'port message');
    this.#mailbox = mailbox;
    owner.onKill(() => {
      this.#peer?.closed();
    });
    for (const receive of this.#early.splice(0)) mailbox.post(receive);
  }

  postMessage(message: unknown): void {
    if (this.#isClosed) return;
    this.#peer?.deliver(() => {
      this.#peer?.receive(message);
    });
  }

  on(event: 'message' | 'close', listener: (message: unknown) => void): void {
    if (event === 'message') this.#onMessage.push(listener);
    else {
      this.#onClose.push(() => {
        listener(undefined);
      });
    }
  }

  close(): void {
    this.#peer?.closed();
    this.closed();
  }

  receive(message: unknown): void {
    if (this.#isClosed) return;
    for (const listener of this.#onMessage) listener(message);
  }

  /** The other end is gone: told behind what it has said before. */
  closed(): void {
    this.deliver(() => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      for (const listener of this.#onClose) listener();
    });
  }

  deliver(receive: () => void): void {
    if (this.#mailbox === undefined) this.#early.push(receive);
    else this.#mailbox.post(receive);
  }
}
