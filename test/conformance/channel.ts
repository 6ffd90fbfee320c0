/**
 * Goal: every channel keeps the contract of `runtime/channel.ts`, so that a task need not know
 * which one it has.
 * Method: the same cases against each implementation; a random interleaving of both sides is
 * compared with a plain list.
 * Replay: fast-check prints the seed and the path of a failure.
 */
import { describe, expect, it, vi } from 'vitest';
import { fc } from '../support/property.ts';
import type { CheckpointBarrier } from '../../src/contracts/snapshots.ts';
import {
  BATCH_RECORDS_MAX,
  isBatch,
  type ChannelReader,
  type ChannelWriter,
} from '../../src/runtime/channel.ts';
import type { Control } from '../../src/runtime/element.ts';

export interface ChannelUnderTest {
  readonly writer: ChannelWriter;
  readonly reader: ChannelReader;
  /** Until what one side did is seen by the other. */
  readonly settle: () => Promise<void>;
}

export type MakeChannel = () => Promise<ChannelUnderTest>;

export function channelConformance(name: string, make: MakeChannel): void {
  describe(name, () => {
    describe('order and content', () => {
      it('gives records in order, with timestamps and hashes', () => givesInOrder(make));
      it('keeps objects within records, whatever becomes of them', () => keepsNested(make));
      it('shows nothing of an open batch before it is flushed', () => hidesOpenBatch(make));
      it('puts controls between the records before and after them', () => keepsControls(make));
      it('keeps the order under any interleaving', () => keepsAnyOrder(make));
    });
    describe('credit', () => {
      it('takes records beyond its room and says so', () => takesOverdraft(make));
      it('takes controls when it is full', () => takesControlsWhenFull(make));
      it('wakes the writer when there is room again', () => wakesWriter(make));
      it('wakes the writer though a flush has found the room before', () => wakesFlushed(make));
      it('wakes the reader when something came', () => wakesReader(make));
    });
    describe('barriers', () => {
      it('announces a barrier before the queued records are read', () => announces(make));
      it('captures what is before the barrier and leaves it', () => captures(make));
    });
    describe('the death of the other side', () => {
      it('is broken after all was read, unless the data had ended', () => breaksReader(make));
      it('is not broken when the writer closes after the end of data', () => endsWell(make));
      it('never blocks a writer whose reader is gone', () => freesWriter(make));
    });
  });
}

const WATERMARK: Control = { kind: 'watermark', watermarkMs: 7 };
const END: Control = { kind: 'end-of-data' };

function barrier(checkpointId: number): CheckpointBarrier {
  return { checkpointId, kind: 'checkpoint', timestampMs: 0, full: false };
}

type Read =
  { readonly value: unknown; readonly timestampMs: number; readonly hash: number } | Control;

/** Reads and releases everything that is there. */
function readAll(reader: ChannelReader): Read[] {
  const read: Read[] = [];
  for (let element = reader.peek(); element !== undefined; element = reader.peek()) {
    if (isBatch(element)) {
      for (let i = 0; i < element.size; i++) {
        read.push({
          value: element.values[i],
          timestampMs: element.timestamps[i] ?? 0,
          hash: element.hashes[i] ?? 0,
        });
      }
    } else {
      read.push(element);
    }
    reader.release();
  }
  return read;
}

function valuesOf(read: readonly Read[]): unknown[] {
  return read.map((one) => ('value' in one ? one.value : one.kind));
}

/** Writes until the channel is full; returns how many records that took. */
function fill(writer: ChannelWriter): number {
  let written = 0;
  while (writer.append(written, Number.NaN, 0)) written++;
  return written + 1;
}

async function givesInOrder(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  writer.append({ a: 1 }, 5, 11);
  writer.append('two', Number.NaN, -12);
  writer.append(undefined, -3, 0);
  writer.flush();
  await settle();
  expect(readAll(reader)).toEqual([
    { value: { a: 1 }, timestampMs: 5, hash: 11 },
    { value: 'two', timestampMs: Number.NaN, hash: -12 },
    { value: undefined, timestampMs: -3, hash: 0 },
  ]);
}

async function keepsNested(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  const records = [
    { id: 1, at: { x: 1, in: { y: 0.5 } } },
    { id: 2, at: { x: 2, in: { y: 'half' } } },
    { id: 3, at: { x: 3, in: { y: 1, z: 2 } } },
    { id: 4, at: null },
    { id: 5, at: { x: 5 } },
    { id: 6, at: [{ x: 6 }] },
  ];
  for (const record of records) writer.append(record, 0, 0);
  writer.flush();
  await settle();
  expect(valuesOf(readAll(reader))).toStrictEqual(records);
}

async function hidesOpenBatch(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  writer.append(1, 0, 0);
  await settle();
  expect(reader.peek()).toBeUndefined();
  writer.flush();
  await settle();
  expect(valuesOf(readAll(reader))).toEqual([1]);
}

async function keepsControls(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  writer.append(1, 0, 0);
  writer.control(WATERMARK);
  writer.append(2, 0, 0);
  writer.control({ kind: 'barrier', barrier: barrier(1) });
  writer.control({ kind: 'status', idle: true });
  writer.control(END);
  await settle();
  const read = readAll(reader);
  expect(valuesOf(read)).toEqual([1, 'watermark', 2, 'barrier', 'status', 'end-of-data']);
  expect(read[1]).toEqual(WATERMARK);
  expect(read[3]).toEqual({ kind: 'barrier', barrier: barrier(1) });
}

async function keepsAnyOrder(make: MakeChannel): Promise<void> {
  const action = fc.oneof(
    { weight: 10, arbitrary: fc.integer({ min: 1, max: 2 * BATCH_RECORDS_MAX }) },
    { weight: 2, arbitrary: fc.constant('control' as const) },
    { weight: 1, arbitrary: fc.constant('flush' as const) },
    { weight: 4, arbitrary: fc.constant('read' as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 30 }), async (actions) => {
      const { writer, reader, settle } = await make();
      const wrote: unknown[] = [];
      const read: Read[] = [];
      for (const one of actions) {
        if (one === 'flush') writer.flush();
        else if (one === 'read') read.push(...readAll(reader));
        else if (one === 'control') {
          writer.control(WATERMARK);
          wrote.push('watermark');
        } else {
          for (let i = 0; i < one && writer.isWritable(); i++) {
            writer.append(wrote.length, wrote.length, wrote.length);
            wrote.push(wrote.length);
          }
        }
        await settle();
      }
      writer.flush();
      await settle();
      read.push(...readAll(reader));
      expect(valuesOf(read)).toEqual(wrote);
    }),
    { numRuns: 50 },
  );
}

async function takesOverdraft(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  const written = fill(writer);
  expect(writer.isWritable()).toBe(false);
  for (let i = 0; i < 3 * BATCH_RECORDS_MAX; i++) {
    expect(writer.append(written + i, Number.NaN, 0)).toBe(false);
  }
  writer.flush();
  const read: unknown[] = [];
  for (let turns = 0; turns < 100; turns++) {
    await settle();
    read.push(...valuesOf(readAll(reader)));
  }
  const expected = Array.from({ length: written + 3 * BATCH_RECORDS_MAX }, (_, i) => i);
  expect(read).toEqual(expected);
}

async function takesControlsWhenFull(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  fill(writer);
  writer.control(WATERMARK);
  writer.control(END);
  const read: unknown[] = [];
  for (let turns = 0; turns < 100; turns++) {
    await settle();
    read.push(...valuesOf(readAll(reader)));
  }
  expect(read.slice(-2)).toEqual(['watermark', 'end-of-data']);
}

async function wakesWriter(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  const wake = vi.fn();
  writer.onWritable(wake);
  fill(writer);
  await settle();
  expect(wake).not.toHaveBeenCalled();
  readAll(reader);
  await settle();
  expect(wake).toHaveBeenCalled();
  expect(writer.isWritable()).toBe(true);
}

// A thread flushes all its tasks before it waits. One that had been told to stop then found room in the
// ring, took itself for writable, and passed the wake-up over: the job stood still.
async function wakesFlushed(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  const wake = vi.fn();
  writer.onWritable(wake);
  fill(writer);
  await settle();
  readAll(reader);
  writer.flush();
  await settle();
  expect(wake).toHaveBeenCalled();
  expect(writer.isWritable()).toBe(true);
}

async function wakesReader(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  const wake = vi.fn();
  reader.onReadable(wake);
  writer.append(1, 0, 0);
  writer.flush();
  await settle();
  expect(wake).toHaveBeenCalled();
  wake.mockClear();
  writer.control(END);
  await settle();
  expect(wake).toHaveBeenCalled();
  wake.mockClear();
  writer.close();
  await settle();
  expect(wake).toHaveBeenCalled();
}

async function announces(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  const announced: CheckpointBarrier[] = [];
  reader.onAnnounce((one) => announced.push(one));
  writer.append(1, 0, 0);
  writer.flush();
  writer.announce(barrier(4));
  await settle();
  expect(announced).toEqual([barrier(4)]);
  expect(valuesOf(readAll(reader))).toEqual([1]);
}

async function captures(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  writer.append(1, 10, 100);
  writer.control(WATERMARK);
  writer.append(2, 20, 200);
  writer.control({ kind: 'barrier', barrier: barrier(5) });
  writer.append(3, 30, 300);
  writer.flush();
  await settle();
  const captured = reader.captureInFlight(5);
  expect(captured.flatMap((batch) => [...batch.values].slice(0, batch.size))).toEqual([1, 2]);
  expect(captured.flatMap((batch) => [...batch.hashes].slice(0, batch.size))).toEqual([100, 200]);
  expect(valuesOf(readAll(reader))).toEqual([1, 'watermark', 2, 'barrier', 3]);
  // What was captured is a copy: reading has recycled the batches.
  expect(captured[0]?.values[0]).toBe(1);
}

async function breaksReader(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  writer.append(1, 0, 0);
  writer.close();
  await settle();
  expect(reader.isBroken()).toBe(false);
  expect(valuesOf(readAll(reader))).toEqual([1]);
  await settle();
  expect(reader.isBroken()).toBe(true);
}

async function endsWell(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  writer.control(END);
  writer.control({ kind: 'barrier', barrier: barrier(9) });
  writer.close();
  writer.close();
  await settle();
  expect(valuesOf(readAll(reader))).toEqual(['end-of-data', 'barrier']);
  expect(reader.isBroken()).toBe(false);
}

async function freesWriter(make: MakeChannel): Promise<void> {
  const { writer, reader, settle } = await make();
  const wake = vi.fn();
  writer.onWritable(wake);
  fill(writer);
  reader.close();
  reader.close();
  await settle();
  expect(wake).toHaveBeenCalled();
  expect(writer.isBroken()).toBe(true);
  for (let i = 0; i < 100 * BATCH_RECORDS_MAX; i++) expect(writer.append(i, 0, 0)).toBe(true);
  writer.control(END);
  writer.close();
}
