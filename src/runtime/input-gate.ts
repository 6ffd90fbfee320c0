/**
 * All channels into one task. Picks the channel whose next element is taken, fairly: in turn, or
 * drawn at random so that a simulation sees many orders.
 *
 * Always holds: a blocked channel is not read; elements of one channel come in its order.
 */
import { randomInt, type Random } from '../common/random.ts';
import { assert } from '../common/assert.ts';
import type { ChannelReader, RecordBatch, Wake } from './channel.ts';
import type { Control } from './element.ts';

/** One channel into the task. */
export interface GateChannel {
  /** The operator's input that it feeds. */
  readonly input: 0 | 1;
  readonly reader: ChannelReader;
  /** For people: the edge and the sending subtask. */
  readonly name: string;
}

export interface InputGateOptions {
  readonly channels: readonly GateChannel[];
  /** Draws the order of the channels. `undefined`: round robin. */
  readonly random: Random | undefined;
}

export class InputGate {
  readonly channels: readonly GateChannel[];
  readonly #readers: readonly ChannelReader[];
  readonly #random: Random | undefined;
  readonly #blocked: Uint8Array;
  readonly #ended: Uint8Array;
  #endedCount = 0;
  /** The channel that was read last. */
  #last: number;

  constructor({ channels, random }: InputGateOptions) {
    this.channels = channels;
    this.#readers = channels.map((channel) => channel.reader);
    this.#random = random;
    this.#blocked = new Uint8Array(channels.length);
    this.#ended = new Uint8Array(channels.length);
    this.#last = channels.length - 1;
  }

  /** A channel that is not blocked and has an element; -1: there is none now. */
  next(): number {
    const readers = this.#readers;
    const count = readers.length;
    let channel = this.#random === undefined ? this.#last : randomInt(this.#random, count);
    for (let tried = 0; tried < count; tried++) {
      channel = channel + 1 === count ? 0 : channel + 1;
      if (this.#blocked[channel] === 0 && readers[channel]?.peek() !== undefined) {
        this.#last = channel;
        return channel;
      }
    }
    return -1;
  }

  peek(channel: number): RecordBatch | Control {
    const element = this.#readers[channel]?.peek();
    assert(element !== undefined, 'the gate peeks into a channel that has nothing');
    return element;
  }

  release(channel: number): void {
    this.#readers[channel]?.release();
  }

  block(channel: number): void {
    this.#blocked[channel] = 1;
  }

  unblockAll(): void {
    this.#blocked.fill(0);
  }

  isBlocked(channel: number): boolean {
    return this.#blocked[channel] === 1;
  }

  /** The channel has given its end of data. True when it was the last one. */
  end(channel: number): boolean {
    if (this.#ended[channel] === 0) {
      this.#ended[channel] = 1;
      this.#endedCount++;
    }
    return this.#endedCount === this.#readers.length;
  }

  /** The first channel whose other side is gone; -1: none. */
  broken(): number {
    return this.#readers.findIndex((reader) => reader.isBroken());
  }

  brokenBy(channel: number): Error | undefined {
    return this.#readers[channel]?.brokenBy();
  }

  onReadable(wake: Wake): void {
    for (const reader of this.#readers) reader.onReadable(wake);
  }

  close(): void {
    for (const reader of this.#readers) reader.close();
  }
}
