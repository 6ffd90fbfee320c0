/*
 * Goal: every channel keeps the same promises, whatever lies between its two ends.
 * Method: one suite. The writer is driven by messages, as it may live in another thread; the reader
 * is here. Each channel brings a way to open a pair.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CheckpointBarrier } from '../../src/contracts/snapshots.ts';
import { isBatch, type ChannelReader, type RecordBatch } from '../../src/runtime/channel.ts';
import type { Control } from '../../src/runtime/element.ts';
import type { Item, WriterCommand, WriterState } from './writer-driver.ts';

export interface ChannelPair {
  readonly reader: ChannelReader;
  readonly writer: { readonly run: (command: WriterCommand) => Promise<WriterState> };
  /** Ends the writer's side without a word, where that can be. */
  readonly killWriter: (() => Promise<void>) | undefined;
  readonly dispose: () => Promise<void>;
}

export interface ChannelSubject {
  readonly open: () => Promise<ChannelPair>;
  /** What can be captured: all that is written, what was handed over, or less as there is no room. */
  readonly captures: 'all' | 'handed-over' | 'little';
}

type Element = RecordBatch | Control;

/** The reader's task: waits for elements. */
class Drain {
  readonly reader: ChannelReader;
  #wake: () => void = () => undefined;

  constructor(reader: ChannelReader) {
    this.reader = reader;
    reader.onReadable(() => {
      this.#wake();
    });
  }

  async until(test: () => boolean): Promise<void> {
    while (!test()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (test()) resolve();
      });
    }
  }

  async next(): Promise<Element> {
    await this.until(() => this.reader.peek() !== undefined);
    const element = this.reader.peek();
    if (element === undefined) expect.fail('an element was there and is gone');
    return element;
  }

  /** Elements in order, records one by one, until `isLast`. */
  async take(isLast: (taken: readonly (Item | Control)[]) => boolean): Promise<(Item | Control)[]> {
    const taken: (Item | Control)[] = [];
    while (!isLast(taken)) {
      const element = await this.next();
      if (isBatch(element)) taken.push(...itemsOf(element));
      else taken.push(element);
      this.reader.release();
    }
    return taken;
  }

  async takeCount(count: number): Promise<(Item | Control)[]> {
    return this.take((taken) => taken.length >= count);
  }
}

function itemsOf({ size, values, timestamps, hashes }: RecordBatch): Item[] {
  return Array.from({ length: size }, (_, at) => ({
    value: values[at],
    timestampMs: timestamps[at] ?? 0,
    hash: hashes[at] ?? 0,
  }));
}

function items(from: number, to: number): Item[] {
  return Array.from({ length: to - from }, (_, at) => {
    const n = from + at;
    return { value: { n, name: `record ${n}` }, timestampMs: n, hash: 1 - n };
  });
}

const barrier = (checkpointId: number): CheckpointBarrier => ({
  checkpointId,
  kind: 'checkpoint',
  timestampMs: 1000 + checkpointId,
  full: checkpointId % 2 === 0,
});

const MANY = 50_000;
/** For what another process or thread is on its way with. */
const POLL = { timeout: 60_000, interval: 5 };

/** Declares the tests of a channel. */
export function drivenChannelConformance(name: string, subject: ChannelSubject): void {
  const test = (title: string, body: (pair: ChannelPair) => Promise<void>) => {
    it(title, async () => {
      const pair = await subject.open();
      onTestFinished(pair.dispose);
      await body(pair);
    });
  };
  describe(`${name}: order`, () => declareOrder(test));
  describe(`${name}: credit`, () => declareCredit(test));
  describe(`${name}: barriers and captures`, () => declareBarriers(test, subject.captures));
  describe(`${name}: ends`, () => declareEnds(test));
}

type Test = (title: string, body: (pair: ChannelPair) => Promise<void>) => void;

function declareOrder(test: Test): void {
  test('brings records in order, with timestamps and hashes', async ({ reader, writer }) => {
    await writer.run({ kind: 'append', items: items(0, 1000) });
    await writer.run({ kind: 'flush' });
    expect(await new Drain(reader).takeCount(1000)).toEqual(items(0, 1000));
  });

  test('keeps controls in their place between records', async ({ reader, writer }) => {
    const controls: Control[] = [
      { kind: 'watermark', watermarkMs: -Infinity },
      { kind: 'watermark', watermarkMs: 1.5e12 },
      { kind: 'status', idle: true },
      { kind: 'status', idle: false },
      { kind: 'barrier', barrier: barrier(7) },
      { kind: 'end-of-data' },
      { kind: 'barrier', barrier: { ...barrier(8), kind: 'savepoint' } },
    ];
    const expected: (Item | Control)[] = [];
    for (const [index, control] of controls.entries()) {
      const some = items(index * 10, index * 10 + index);
      if (some.length > 0) await writer.run({ kind: 'append', items: some });
      await writer.run({ kind: 'control', control });
      expected.push(...some, control);
    }
    expect(await new Drain(reader).takeCount(expected.length)).toEqual(expected);
  });

  test('has a time that is none', async ({ reader, writer }) => {
    const item: Item = { value: 1, timestampMs: Number.NaN, hash: -(2 ** 31) };
    await writer.run({ kind: 'append', items: [item] });
    await writer.run({ kind: 'flush' });
    expect(await new Drain(reader).takeCount(1)).toEqual([item]);
  });

  test('hands nothing over before it is asked to, and peeks without taking', async (pair) => {
    const { reader, writer } = pair;
    await writer.run({ kind: 'append', items: items(0, 3) });
    expect(reader.peek()).toBeUndefined();
    await writer.run({ kind: 'flush' });
    const first = await new Drain(reader).next();
    expect(reader.peek()).toBe(first);
    reader.release();
    expect(reader.peek()).toBeUndefined();
  });

  test('brings values of every kind', async ({ reader, writer }) => {
    const values: unknown[] = [
      { a: 1, b: 'x' },
      { a: 1.5, b: 'x' },
      { a: -0, b: 'ü€😀' },
      { a: Number.NaN, b: null },
      { a: undefined, b: 'x' },
      { b: 'x', a: 1 },
      { a: 1 },
      { a: 1, b: 'x', c: true },
      {},
      { when: new Date(5), many: new Map([[{ k: 1 }, [1, 2]]]), big: 2n ** 70n },
      { constructor: 1, toString: 'x', 'quo"te': 2, 'new\nline': 3, 日本: 4, '1': 5 },
      JSON.parse('{"__proto__": 1, "a": 2}'),
      JSON.parse('{"__proto__": null, "a": "\ud800"}'),
      [1, 'two', [3]],
      'text',
      12,
      -0,
      true,
      null,
      undefined,
      10n,
      new Set([1]),
      Uint8Array.of(1, 2),
    ];
    const all = [...values, ...values].map((value, n): Item => ({
      value,
      timestampMs: n,
      hash: n,
    }));
    await writer.run({ kind: 'append', items: all });
    await writer.run({ kind: 'flush' });
    const taken = await new Drain(reader).takeCount(all.length);
    expect(taken).toStrictEqual(all);
    const names = (of: readonly (Item | Control)[]) =>
      of.map((one) => ('value' in one ? Object.keys(one.value ?? {}) : []));
    expect(names(taken)).toEqual(names(all));
  });

  test('brings records of many megabytes', async ({ reader, writer }) => {
    const huge = { text: 'x'.repeat(3_000_000), wide: '€'.repeat(500_000), n: 1 };
    const all = [...items(0, 5), { value: huge, timestampMs: 9, hash: 3 }, ...items(5, 10)];
    await writer.run({ kind: 'append', items: all });
    await writer.run({ kind: 'flush' });
    const drain = new Drain(reader);
    const taken = await drain.takeCount(6);
    await writer.run({ kind: 'settle' });
    await writer.run({ kind: 'flush' });
    while (taken.length < all.length) taken.push(...(await drain.takeCount(1)));
    expect(taken).toEqual(all);
  });
}

function declareCredit(test: Test): void {
  test('takes everything, and says when it is full', async ({ reader, writer }) => {
    const { writable } = await writer.run({ kind: 'append', items: items(0, MANY) });
    expect(writable).toBe(false);
    await writer.run({ kind: 'control', control: { kind: 'watermark', watermarkMs: 5 } });
    const settled = writer.run({ kind: 'settle' });
    const taken = await new Drain(reader).takeCount(MANY + 1);
    expect(taken).toEqual([...items(0, MANY), { kind: 'watermark', watermarkMs: 5 }]);
    expect(await settled).toEqual({ writable: true, broken: false });
  });

  test('goes on when there is credit again, over and over', async ({ reader, writer }) => {
    const written = writer.run({ kind: 'count', to: MANY });
    const taken = await new Drain(reader).takeCount(MANY);
    await written;
    expect(taken).toHaveLength(MANY);
    expect(taken.every((one, n) => 'value' in one && one.hash === n)).toBe(true);
  });
}

function declareBarriers(test: Test, captures: ChannelSubject['captures']): void {
  test('announces a barrier before it comes', async ({ reader, writer }) => {
    const announced: CheckpointBarrier[] = [];
    const heard = new Promise<void>((resolve) => {
      reader.onAnnounce((one) => {
        announced.push(one);
        resolve();
      });
    });
    await writer.run({ kind: 'append', items: items(0, 10) });
    await writer.run({ kind: 'announce', barrier: barrier(3) });
    await writer.run({ kind: 'control', control: { kind: 'barrier', barrier: barrier(3) } });
    await heard;
    expect(announced).toEqual([barrier(3)]);
    expect(await new Drain(reader).takeCount(11)).toHaveLength(11);
  });

  if (captures === 'little') return;
  test('captures what is queued before a barrier, and leaves it there', async (pair) => {
    const { reader, writer } = pair;
    const drain = new Drain(reader);
    const mixed = items(0, 40).map((item, n) => (n % 3 === 0 ? { ...item, value: [n] } : item));
    await writer.run({ kind: 'append', items: mixed });
    await writer.run({ kind: 'control', control: { kind: 'watermark', watermarkMs: 1 } });
    await drain.next();
    await writer.run({ kind: 'append', items: items(40, 50) });
    await writer.run({ kind: 'control', control: { kind: 'barrier', barrier: barrier(3) } });
    await writer.run({ kind: 'append', items: items(50, 60) });
    await writer.run({ kind: 'flush' });
    const before = [...mixed, ...items(40, 50)];
    const captured = () => reader.captureInFlight(3).flatMap(itemsOf);
    await expect.poll(captured, POLL).toEqual(before);
    const all = [...before, ...items(50, 60)];
    await expect.poll(() => reader.captureInFlight(4).flatMap(itemsOf), POLL).toEqual(all);
    const taken = await drain.takeCount(62);
    expect(taken.filter((one) => 'value' in one)).toEqual(all);
    expect(reader.captureInFlight(3)).toEqual([]);
  });

  if (captures !== 'all') return;
  test('captures what the writer has not handed over yet', async ({ reader, writer }) => {
    await writer.run({ kind: 'append', items: items(0, 3) });
    expect(reader.captureInFlight(1).flatMap(itemsOf)).toEqual(items(0, 3));
  });
}

function declareEnds(test: Test): void {
  test('is not broken when it ends as it should', async ({ reader, writer }) => {
    await writer.run({ kind: 'append', items: items(0, 3) });
    await writer.run({ kind: 'control', control: { kind: 'end-of-data' } });
    await writer.run({ kind: 'close' });
    expect(await new Drain(reader).takeCount(4)).toHaveLength(4);
    expect(reader.peek()).toBeUndefined();
    expect(reader.isBroken()).toBe(false);
  });

  test('is broken without an end of data, but only when all is read', async (pair) => {
    const { reader, writer } = pair;
    const drain = new Drain(reader);
    await writer.run({ kind: 'append', items: items(0, MANY) });
    await writer.run({ kind: 'close' });
    await drain.next();
    expect(reader.isBroken()).toBe(false);
    expect(await drain.takeCount(MANY)).toEqual(items(0, MANY));
    await drain.until(() => reader.isBroken());
  });

  test('lets the writer go on when the reader is gone', async ({ reader, writer }) => {
    await writer.run({ kind: 'append', items: items(0, MANY) });
    const settled = writer.run({ kind: 'settle' });
    reader.close();
    expect(await settled).toEqual({ writable: true, broken: true });
    const state = await writer.run({ kind: 'append', items: items(0, MANY) });
    expect(state).toEqual({ writable: true, broken: true });
    await writer.run({ kind: 'control', control: { kind: 'end-of-data' } });
    await writer.run({ kind: 'close' });
    expect(reader.peek()).toBeUndefined();
  });

  test('finds out that the other side has died', async ({ reader, writer, killWriter }) => {
    const drain = new Drain(reader);
    await writer.run({ kind: 'append', items: items(0, 3) });
    await writer.run({ kind: 'flush' });
    await drain.next();
    if (killWriter === undefined) return;
    await killWriter();
    expect(await drain.takeCount(3)).toEqual(items(0, 3));
    await drain.until(() => reader.isBroken());
  });
}
