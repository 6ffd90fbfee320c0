/**
 * All channels between two slots of two processes, over one connection.
 *
 * Always holds: what comes for a channel before its end is made here waits for it; that is bounded
 * by the credit which a writer starts with. What comes for a channel that was removed is dropped.
 * Only the two ends of a channel, never the connection, make a writer wait: a slow channel does not
 * hold another one up. All that came before the connection ended is read before a channel is broken.
 */
import { assert } from '../common/assert.ts';
import type { Connection } from '../common/transport.ts';
import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import { ByteReader, ByteWriter } from '../serde/bytes.ts';
import { readAny, writeAny } from '../serde/msgpack.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { RING_SLOT_BYTES } from './ring.ts';
import { unreadableChannel } from './ring-errors.ts';
import type { SlotLink } from './slot-link.ts';
import { SocketConsumer } from './socket-consumer.ts';
import {
  isMessage,
  MESSAGE_ANNOUNCE,
  MESSAGE_CREDIT,
  MESSAGE_FRAME,
  MESSAGE_HEADER_BYTES,
  MESSAGE_PARTS,
  MESSAGE_READER_CLOSED,
  MESSAGE_WRITER_CLOSED,
  message,
  readUint32,
} from './socket-messages.ts';
import { SocketProducer } from './socket-producer.ts';

/** Frames of a channel that the reader has room for. More: longer bursts; fewer: less in flight. */
export const SOCKET_CHANNEL_SLOTS = 16;
/** Numbers of removed channels that are remembered: what is on its way when one is removed comes soon. */
const REMOVED_MAX = 65_536;
/** Beside the frames: that one end is closed. */
const WAITING_ENDS_MAX = 2;

export interface SocketLinkOptions {
  /** At least 4; the same on both sides. Default `SOCKET_CHANNEL_SLOTS`. */
  readonly slots?: number;
  /** As of a ring; the same on both sides. Default `RING_SLOT_BYTES`. */
  readonly slotBytes?: number;
}

interface Writing {
  readonly producer: SocketProducer;
  readonly writer: FrameWriter;
}

interface Reading {
  readonly consumer: SocketConsumer;
  readonly reader: FrameReader;
}

export class SocketLink implements SlotLink {
  readonly #size: { readonly slots: number; readonly slotBytes: number };
  readonly #writing = new Map<number, Writing>();
  readonly #reading = new Map<number, Reading>();
  /** By channel that has no end here yet. */
  readonly #waiting = new Map<number, Uint8Array[]>();
  readonly #removed = new Set<number>();
  #connection: Connection | undefined;
  /** What is to be sent once there is a connection. */
  #early: Uint8Array[] = [];
  #life: 'connecting' | 'open' | 'down' = 'connecting';
  #why: Error | undefined;

  /**
   * @param connection Nobody else listens to it. Ends can be made, and written to, before it is
   * there; that it cannot be made is as if the other side had died.
   */
  constructor(connection: Connection | Promise<Connection>, options: SocketLinkOptions = {}) {
    const { slots = SOCKET_CHANNEL_SLOTS, slotBytes = RING_SLOT_BYTES } = options;
    this.#size = { slots, slotBytes };
    if ('then' in connection) {
      connection.then(
        (made) => {
          this.#connected(made);
        },
        (error: unknown) => {
          this.#down(error instanceof Error ? error : undefined);
        },
      );
    } else this.#connected(connection);
  }

  writer(channel: number, memory?: SharedArrayBuffer): FrameWriter {
    assert(memory === undefined, 'a channel between processes has no memory in common');
    this.#checkNew(channel);
    const producer = new SocketProducer(channel, this.#size, this.#send);
    const writer = new FrameWriter(producer, (barrier) => {
      this.#send(message(MESSAGE_ANNOUNCE, channel, packed(barrier)));
    });
    this.#writing.set(channel, { producer, writer });
    this.#receiveWaiting(channel);
    if (this.#life === 'down') writer.peerDied();
    return writer;
  }

  reader(channel: number, memory?: SharedArrayBuffer): FrameReader {
    assert(memory === undefined, 'a channel between processes has no memory in common');
    this.#checkNew(channel);
    const consumer = new SocketConsumer(channel, this.#size, this.#send);
    const reader = new FrameReader(consumer);
    this.#reading.set(channel, { consumer, reader });
    this.#receiveWaiting(channel);
    if (this.#life === 'down') reader.peerDied(this.#why);
    return reader;
  }

  remove(channel: number): void {
    this.#writing.delete(channel);
    this.#reading.delete(channel);
    this.#waiting.delete(channel);
    this.#removed.add(channel);
    for (const oldest of this.#removed) {
      if (this.#removed.size <= REMOVED_MAX) break;
      this.#removed.delete(oldest);
    }
  }

  close(): void {
    this.#connection?.close();
    this.#down(undefined);
  }

  #checkNew(channel: number): void {
    const isKnown = this.#writing.has(channel) || this.#reading.has(channel);
    assert(!isKnown, `channel ${channel} has an end here already`);
    assert(!this.#removed.has(channel), `channel ${channel} was removed`);
  }

  #connected(connection: Connection): void {
    if (this.#life === 'down') {
      connection.close();
      return;
    }
    this.#life = 'open';
    this.#connection = connection;
    for (const one of this.#early.splice(0)) connection.send(one);
    connection.onClose((why) => {
      this.#down(why);
    });
    connection.onFrame((bytes) => {
      this.#receive(bytes);
    });
  }

  readonly #send = (bytes: Uint8Array): void => {
    if (this.#life === 'connecting') this.#early.push(bytes.slice());
    else if (this.#life === 'open') this.#connection?.send(bytes);
  };

  #receive(bytes: Uint8Array): void {
    if (this.#life !== 'open') return;
    if (!isMessage(bytes)) {
      this.#fail(bytes);
      return;
    }
    const channel = readUint32(bytes, 4);
    const reading = this.#reading.get(channel);
    const writing = this.#writing.get(channel);
    if (reading !== undefined) this.#receiveForReader(bytes, reading);
    else if (writing !== undefined) this.#receiveForWriter(bytes, writing);
    else if (!this.#removed.has(channel)) this.#letWait(channel, bytes);
  }

  #receiveForReader(bytes: Uint8Array, { consumer, reader }: Reading): void {
    switch (readUint32(bytes, 0)) {
      case MESSAGE_FRAME:
      case MESSAGE_PARTS:
        consumer.take(bytes);
        break;
      case MESSAGE_WRITER_CLOSED:
        consumer.writerDied();
        break;
      case MESSAGE_ANNOUNCE:
        this.#announced(bytes, reader);
        return;
      default:
        this.#fail(bytes);
        return;
    }
    reader.rung();
  }

  #announced(bytes: Uint8Array, reader: FrameReader): void {
    let barrier: CheckpointBarrier;
    try {
      barrier = readAny(new ByteReader(bytes, MESSAGE_HEADER_BYTES)) as CheckpointBarrier;
    } catch (error) {
      this.#fail(bytes, error);
      return;
    }
    reader.announced(barrier);
  }

  #receiveForWriter(bytes: Uint8Array, { producer, writer }: Writing): void {
    switch (readUint32(bytes, 0)) {
      case MESSAGE_CREDIT:
        if (producer.granted(readUint32(bytes, MESSAGE_HEADER_BYTES))) writer.rung();
        return;
      case MESSAGE_READER_CLOSED:
        writer.peerDied();
        return;
      default:
        this.#fail(bytes);
    }
  }

  /** An announcement is not kept: nobody can act on it before its task is there. */
  #letWait(channel: number, bytes: Uint8Array): void {
    if (readUint32(bytes, 0) === MESSAGE_ANNOUNCE) return;
    const waiting = this.#waiting.get(channel) ?? [];
    this.#waiting.set(channel, waiting);
    if (waiting.length === this.#size.slots + WAITING_ENDS_MAX) this.#fail(bytes);
    else waiting.push(bytes.slice());
  }

  #receiveWaiting(channel: number): void {
    const waiting = this.#waiting.get(channel) ?? [];
    this.#waiting.delete(channel);
    const reading = this.#reading.get(channel);
    const writing = this.#writing.get(channel);
    for (const bytes of waiting) {
      if (reading !== undefined) this.#receiveForReader(bytes, reading);
      else if (writing !== undefined) this.#receiveForWriter(bytes, writing);
    }
  }

  /** What the other side says makes no sense: nothing of it can be believed from here on. */
  #fail(bytes: Uint8Array, cause?: unknown): void {
    const what = `a message of kind ${readUint32(bytes, 0)} and ${bytes.length} bytes`;
    this.#down(unreadableChannel(readUint32(bytes, 4), what, cause));
    this.#connection?.destroy();
  }

  #down(why: Error | undefined): void {
    if (this.#life === 'down') return;
    this.#life = 'down';
    this.#why = why;
    this.#early = [];
    for (const { writer } of this.#writing.values()) writer.peerDied();
    for (const { reader } of this.#reading.values()) reader.peerDied(why);
  }
}

function packed(value: unknown): Uint8Array {
  const to = new ByteWriter();
  writeAny(value, to);
  return to.view();
}
