/**
 * What two threads have besides their rings: a port, through which the one wakes the other, and
 * which tells of its death. A thread waits in its event loop and not in `Atomics.wait`, so that its
 * sockets and timers are served; the port, which holds the thread alive, is what ends that wait.
 *
 * Always holds: while a wake-up is on its way (its word is 1) no second one is sent, so a thread
 * that is busy gets one message however often it is rung for; the word is cleared before the rings
 * are looked at, so nothing that changes later is missed.
 */
import { assert } from '../common/assert.ts';
import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { RingConsumer, RingProducer } from './ring.ts';
import { RingSlots } from './ring-slots.ts';
import type { SlotLink } from './slot-link.ts';

/** The part of a `MessagePort` that a link uses. */
export interface LinkPort {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  close(): void;
}

/** One thread's half of a link. Goes to it as a message, with `port` in its transfer list. */
export interface ThreadLinkEnd<Port extends LinkPort = LinkPort> {
  readonly port: Port;
  /** For each side whether a wake-up is on its way to it. */
  readonly bells: SharedArrayBuffer;
  readonly side: 0 | 1;
}

interface Announcement {
  readonly channel: number;
  readonly barrier: CheckpointBarrier;
}

/** Both halves of a link, of the two ports of a `MessageChannel`. */
export function threadLinkEnds<Port extends LinkPort>(
  port1: Port,
  port2: Port,
): readonly [ThreadLinkEnd<Port>, ThreadLinkEnd<Port>] {
  const bells = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
  return [
    { port: port1, bells, side: 0 },
    { port: port2, bells, side: 1 },
  ];
}

export class ThreadLink implements SlotLink {
  readonly #port: LinkPort;
  readonly #bells: Int32Array;
  readonly #side: 0 | 1;
  readonly #writers = new Map<number, FrameWriter>();
  readonly #readers = new Map<number, FrameReader>();
  #isDown = false;

  constructor({ port, bells, side }: ThreadLinkEnd) {
    this.#port = port;
    this.#bells = new Int32Array(bells);
    this.#side = side;
    port.on('message', (message) => {
      if (isAnnouncement(message)) this.#readers.get(message.channel)?.announced(message.barrier);
      else this.#rung();
    });
    port.on('close', () => {
      this.#down();
    });
  }

  /** This thread's end of a ring that the other thread reads under the same number. */
  writer(channel: number, memory: SharedArrayBuffer | undefined): FrameWriter {
    assert(memory !== undefined, 'a channel between threads has memory');
    assert(!this.#writers.has(channel), `channel ${channel} has a writer already`);
    const ring = new RingProducer(new RingSlots(memory), () => {
      this.#wakePeer();
    });
    const writer = new FrameWriter(ring, (barrier) => {
      const announcement: Announcement = { channel, barrier };
      this.#port.postMessage(announcement);
    });
    this.#writers.set(channel, writer);
    if (this.#isDown) writer.peerDied();
    return writer;
  }

  /** This thread's end of a ring that the other thread writes under the same number. */
  reader(channel: number, memory: SharedArrayBuffer | undefined): FrameReader {
    assert(memory !== undefined, 'a channel between threads has memory');
    assert(!this.#readers.has(channel), `channel ${channel} has a reader already`);
    const ring = new RingConsumer(new RingSlots(memory), () => {
      this.#wakePeer();
    });
    const reader = new FrameReader(ring);
    this.#readers.set(channel, reader);
    if (this.#isDown) reader.peerDied();
    return reader;
  }

  /** Forgets a channel of an attempt that is over. Its ends must be closed. */
  remove(channel: number): void {
    this.#writers.delete(channel);
    this.#readers.delete(channel);
  }

  /** For the other thread this is the death of this one. */
  close(): void {
    this.#port.close();
  }

  /** So that it looks at its rings again. */
  #wakePeer(): void {
    const other = 1 - this.#side;
    if (Atomics.exchange(this.#bells, other, 1) === 0) this.#port.postMessage(undefined);
  }

  #rung(): void {
    Atomics.store(this.#bells, this.#side, 0);
    for (const writer of this.#writers.values()) writer.rung();
    for (const reader of this.#readers.values()) reader.rung();
  }

  #down(): void {
    this.#isDown = true;
    for (const writer of this.#writers.values()) writer.peerDied();
    for (const reader of this.#readers.values()) reader.peerDied();
  }
}

function isAnnouncement(message: unknown): message is Announcement {
  return typeof message === 'object' && message !== null && 'barrier' in message;
}
