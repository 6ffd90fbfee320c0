import { assert } from '../../common/assert.ts';
import type { Cancel } from '../../common/clock.ts';
import { crc32 } from '../../common/crc32.ts';
import { CLOSE_MS_MAX, OVERFLOW_BYTES_MAX, QUEUE_BYTES_MAX } from '../../common/node-connection.ts';
import { randomInt, type Random } from '../../common/random.ts';
import { FRAME_BYTES_MAX, type Connection } from '../../common/transport.ts';
import { frameTooLarge, peerGone, peerTakesNothing } from '../../common/transport-errors.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** The way from one process to another. */
export interface Line {
  readonly random: Random;
  /** Virtual time until `sizeBytes` are there, and how long they keep the line busy. */
  delay(from: string, to: string, sizeBytes: number): { latencyMs: number; busyMs: number };
  /** Nothing gets through just now. */
  isCut(from: string, to: string): boolean;
  nowMs(): number;
}

/** What travels: frames, and what the operating systems at both sides say to each other. */
type Item =
  | { readonly kind: 'frame'; readonly bytes: Uint8Array }
  | { readonly kind: 'hello' | 'accepted' | 'refused' | 'closed' | 'gone' };

interface Arrival {
  readonly item: Item;
  dueMs: number;
}

/** Where `hello`, `accepted` and `refused` go: to the two system calls, not to the connection's user. */
export interface Greeting {
  /** What hands this end to its listener, if there is one. */
  readonly hello?: () => (() => void) | undefined;
  readonly answered?: (accepted: boolean) => void;
}

/**
 * One end of a connection of a simulation.
 *
 * Always holds: what comes here comes in the order of sending, one event after the other, each an
 * event of the process that has this end; so it waits while that process is frozen.
 */
export class SimulatedConnection implements Connection {
  readonly owner: SimulatedProcess;
  readonly #line: Line;
  readonly #greeting: Greeting;
  readonly #over: (end: SimulatedConnection) => void;
  #peer: SimulatedConnection | undefined;
  /** This end has been asked, or has its answer. */
  #greeted = false;
  #life: 'open' | 'closing' | 'over' = 'open';
  #why: Error | undefined;
  /** What is on its way here. */
  #arrivals: Arrival[] = [];
  #arrivingBytes = 0;
  #lastDueMs = 0;
  #next: Cancel | undefined;
  #closeTimer: Cancel | undefined;
  #writable = true;
  #onFrame: ((frame: Uint8Array) => void) | undefined;
  #onWritable: (() => void) | undefined;
  #onClose: ((why: Error | undefined) => void) | undefined;

  constructor(
    owner: SimulatedProcess,
    line: Line,
    greeting: Greeting,
    over: (end: SimulatedConnection) => void,
  ) {
    this.owner = owner;
    this.#line = line;
    this.#greeting = greeting;
    this.#over = over;
  }

  /** Makes the two ends one connection; `from` asks for it. */
  static join(from: SimulatedConnection, to: SimulatedConnection): void {
    from.#peer = to;
    to.#peer = from;
    to.#arrive({ kind: 'hello' });
  }

  get peerName(): string {
    return this.#other.owner.name;
  }

  get #other(): SimulatedConnection {
    assert(this.#peer !== undefined, 'an end of a connection has no other end');
    return this.#peer;
  }

  send(frame: Uint8Array): boolean {
    const { length } = frame;
    if (length > FRAME_BYTES_MAX) throw frameTooLarge(length, FRAME_BYTES_MAX);
    if (this.#life !== 'open') return true;
    const peer = this.#other;
    peer.#arrive({ kind: 'frame', bytes: frame.slice() });
    const queued = peer.#arrivingBytes;
    if (queued > QUEUE_BYTES_MAX) this.#writable = false;
    if (queued > OVERFLOW_BYTES_MAX) this.#giveUp(peerTakesNothing(this.peerName, queued));
    return this.#writable;
  }

  isWritable(): boolean {
    return this.#writable;
  }

  onFrame(listener: ((frame: Uint8Array) => void) | undefined): void {
    this.#onFrame = listener;
    if (listener === undefined) this.hold();
    else this.#arm();
  }

  onWritable(listener: () => void): void {
    this.#onWritable = listener;
  }

  onClose(listener: (why: Error | undefined) => void): void {
    this.#onClose = listener;
    if (this.#life !== 'over') return;
    this.owner.schedule('network closed', 'turn', () => listener(this.#why));
  }

  close(): void {
    if (this.#life !== 'open') return;
    this.#other.#arrive({ kind: 'closed' });
    this.#endHere(undefined);
    this.#closeTimer = this.owner.schedule('network close timer', CLOSE_MS_MAX, () => {
      this.#other.lose();
    });
  }

  destroy(): void {
    if (this.#life !== 'open') return;
    this.#giveUp(undefined);
  }

  /** The process at this end is gone; the other end hears of it. */
  die(): void {
    this.hold();
    this.#life = 'over';
    this.#over(this);
    this.#other.lose();
  }

  /** The other end is gone: of what it sent, some may come, and then the end. */
  lose(): void {
    if (this.#life !== 'open') return;
    const kept = randomInt(this.#line.random, this.#arrivals.length + 1);
    this.#cutAt(kept);
  }

  /** The connection breaks: nothing that is on its way here comes. */
  break(): void {
    if (this.#life === 'open') this.#cutAt(0);
  }

  /** Nothing gets through for now. */
  hold(): void {
    this.#next?.();
    this.#next = undefined;
  }

  /** Things get through again: what was sent meanwhile is sent again, a little later. */
  resume(): void {
    const first = this.#arrivals[0];
    if (first === undefined || this.#next !== undefined) return;
    const { latencyMs } = this.#line.delay(this.peerName, this.owner.name, 0);
    first.dueMs = Math.max(first.dueMs, this.#line.nowMs() + latencyMs);
    this.#arm();
  }

  #arrive(item: Item): void {
    if (this.#life !== 'open') return;
    const sizeBytes = item.kind === 'frame' ? item.bytes.length : 0;
    const { latencyMs, busyMs } = this.#line.delay(this.peerName, this.owner.name, sizeBytes);
    const dueMs = Math.max(this.#lastDueMs, this.#line.nowMs() + latencyMs) + busyMs;
    this.#lastDueMs = dueMs;
    this.#arrivals.push({ item, dueMs });
    this.#arrivingBytes += sizeBytes;
    this.#arm();
  }

  /** Schedules the next arrival, unless there is none or it has to wait. */
  #arm(): void {
    const first = this.#arrivals[0];
    if (first === undefined || this.#next !== undefined || this.#life === 'over') return;
    if (this.#line.isCut(this.peerName, this.owner.name) || this.#waits(first.item)) return;
    const delayMs = Math.max(0, first.dueMs - this.#line.nowMs());
    this.#next = this.owner.schedule(this.#labelOf(first.item), delayMs, () => {
      this.#next = undefined;
      this.#deliver();
    });
  }

  /** Frames and the end wait for a listener; greetings are for the operating system. */
  #waits({ kind }: Item): boolean {
    if (this.#onFrame !== undefined || this.#life === 'closing') return false;
    return kind === 'frame' || ((kind === 'closed' || kind === 'gone') && this.#greeted);
  }

  #labelOf(item: Item): string {
    const from = this.#other.owner.id;
    if (item.kind !== 'frame') return `network ${item.kind} from ${from}`;
    return `network ${item.bytes.length} bytes ${crc32(item.bytes).toString(16)} from ${from}`;
  }

  /** Takes what is due: as much as a read of the socket brings at once. */
  #deliver(): void {
    do {
      const arrival = this.#arrivals.shift();
      if (arrival === undefined) return;
      this.#take(arrival.item);
    } while (this.#hasMoreAtOnce());
    this.#arm();
  }

  #hasMoreAtOnce(): boolean {
    const next = this.#arrivals[0];
    if (next === undefined || this.#life !== 'open' || this.#waits(next.item)) return false;
    return next.dueMs <= this.#line.nowMs() && this.#line.random.next() < 0.5;
  }

  #take(item: Item): void {
    switch (item.kind) {
      case 'frame':
        this.#arrivingBytes -= item.bytes.length;
        this.#other.#taken();
        if (this.#life === 'open') this.#onFrame?.(item.bytes);
        return;
      case 'hello':
        this.#asked();
        return;
      case 'accepted':
      case 'refused':
        this.#answered(item.kind === 'accepted');
        return;
      case 'closed':
        this.#other.#closeTimer?.();
        this.#endHere(undefined);
        return;
      case 'gone':
        if (this.#greeted) this.#endHere(peerGone(this.peerName));
        else this.#answered(false);
    }
  }

  #asked(): void {
    const handOver = this.#greeting.hello?.();
    this.#greeted = true;
    this.#other.#arrive({ kind: handOver === undefined ? 'refused' : 'accepted' });
    if (handOver === undefined) this.#endHere(undefined);
    else handOver();
  }

  #answered(accepted: boolean): void {
    this.#greeted = true;
    if (!accepted) this.#endHere(undefined);
    this.#greeting.answered?.(accepted);
  }

  /** What was sent to the other end has come there. */
  #taken(): void {
    if (this.#writable || this.#other.#arrivingBytes > QUEUE_BYTES_MAX / 2) return;
    this.#free();
  }

  #free(): void {
    if (this.#writable) return;
    this.#writable = true;
    this.owner.schedule('network writable', 'turn', () => this.#onWritable?.());
  }

  #cutAt(kept: number): void {
    this.#arrivals.length = kept;
    this.#arrivingBytes = 0;
    for (const { item } of this.#arrivals) {
      if (item.kind === 'frame') this.#arrivingBytes += item.bytes.length;
    }
    if (kept === 0) this.hold();
    this.#arrive({ kind: 'gone' });
  }

  #giveUp(why: Error | undefined): void {
    this.#other.lose();
    this.#endHere(why);
  }

  /** Nothing comes any more; the listener is told in an event of its own, as by a real socket. */
  #endHere(why: Error | undefined): void {
    if (this.#life !== 'open') return;
    this.#life = 'closing';
    this.#why = why;
    this.#arrivals = [];
    this.hold();
    this.#free();
    this.owner.schedule('network closed', 'turn', () => {
      this.#life = 'over';
      this.#over(this);
      this.#onClose?.(why);
    });
  }
}
