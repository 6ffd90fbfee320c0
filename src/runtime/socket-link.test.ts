/*
 * Goal: channels of one connection do not know of each other, ends may be made in any order, and
 * whatever comes over the wire breaks a channel at most.
 * Method: two links over a connection in memory; or one link, and raw messages from the other side.
 * Replay: fast-check prints the seed and the path of a failure.
 */
import { describe, expect, it, vi } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { MemoryConnections } from '../../test/support/memory-connections.ts';
import type { Connection } from '../common/transport.ts';
import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import { seededRandom } from '../testing/simulation/seeded-random.ts';
import { isBatch, type ChannelReader, type ChannelWriter } from './channel.ts';
import { SOCKET_CHANNEL_SLOTS, SocketLink } from './socket-link.ts';
import {
  creditMessage,
  message,
  MESSAGE_ANNOUNCE,
  MESSAGE_FRAME,
  MESSAGE_PARTS,
  MESSAGE_READER_CLOSED,
  MESSAGE_WRITER_CLOSED,
  readUint32,
  writeUint32,
} from './socket-messages.ts';

/** For what does not come at all. */
const WAIT_MS = 60_000;

function linked(seed = 1) {
  const connections = new MemoryConnections(seededRandom(seed));
  const [near, far] = connections.ends;
  return {
    near: new SocketLink(near),
    far: new SocketLink(far),
    settle: () => connections.settle(),
  };
}

/** One link, and what the other side is sent and sends, byte by byte. */
function rawPeer(seed = 1) {
  const connections = new MemoryConnections(seededRandom(seed));
  const [near, raw] = connections.ends;
  const sent: Uint8Array[] = [];
  raw.onFrame((frame) => sent.push(frame.slice()));
  return { near: new SocketLink(near), raw, sent, settle: () => connections.settle() };
}

/** The messages of a channel with a few records and controls. */
async function recorded(records: readonly unknown[]): Promise<Uint8Array[]> {
  const { near, sent, settle } = rawPeer();
  const writer = near.writer(1);
  for (const one of records) {
    writer.append(one, 5, 6);
    writer.flush();
  }
  await settle();
  return sent;
}

function readAll(reader: ChannelReader): unknown[] {
  const read: unknown[] = [];
  for (let element = reader.peek(); element !== undefined; element = reader.peek()) {
    if (isBatch(element)) read.push(...element.values.slice(0, element.size));
    else read.push(element.kind);
    reader.release();
  }
  return read;
}

function fill(writer: ChannelWriter): void {
  let n = 0;
  while (writer.append({ n }, 0, 0)) n++;
}

const barrier: CheckpointBarrier = {
  checkpointId: 1,
  kind: 'checkpoint',
  timestampMs: 0,
  full: false,
};

describe('channels of one connection', () => {
  it('go in both directions, and a slow one holds no other up', async () => {
    const { near, far, settle } = linked();
    const slow = { writer: near.writer(1), reader: far.reader(1) };
    const quick = { writer: near.writer(2), reader: far.reader(2) };
    const back = { writer: far.writer(3), reader: near.reader(3) };
    fill(slow.writer);
    for (let round = 0; round < 100; round++) {
      for (const { writer } of [quick, back]) {
        expect(writer.append({ round }, 0, 0)).toBe(true);
        writer.flush();
      }
      await settle();
      expect(readAll(quick.reader)).toEqual([{ round }]);
      expect(readAll(back.reader)).toEqual([{ round }]);
    }
    expect(slow.writer.isWritable()).toBe(false);
    while (!slow.writer.isWritable()) {
      expect(readAll(slow.reader)).not.toEqual([]);
      await settle();
    }
  });

  it('may be read, and be closed, before they are written', async () => {
    const { near, far, settle } = linked();
    const readers = [far.reader(1), far.reader(2)] as const;
    readers[1].close();
    await settle();
    const writers = [near.writer(1), near.writer(2)] as const;
    expect(writers.map((writer) => writer.isBroken())).toEqual([false, true]);
    writers[0].append('x', 0, 0);
    writers[0].close();
    await settle();
    expect(readAll(readers[0])).toEqual(['x']);
    expect(readers[0].isBroken()).toBe(true);
  });

  it('wait for their reader, with as much as the writer may send and its end', async () => {
    const { near, far, settle } = linked();
    const [full, ended] = [near.writer(1), near.writer(2)];
    fill(full);
    full.announce(barrier);
    ended.append('x', 0, 0);
    ended.control({ kind: 'end-of-data' });
    ended.close();
    await settle();
    const readers = [far.reader(1), far.reader(2)] as const;
    expect(readAll(readers[0]).length).toBeGreaterThan(SOCKET_CHANNEL_SLOTS * 100);
    expect(readAll(readers[1])).toEqual(['x', 'end-of-data']);
    expect(readers[1].isBroken()).toBe(false);
  });

  it('that were removed take nothing any more, and keep nothing', async () => {
    const { near, far, settle } = linked();
    const writer = near.writer(1);
    const reader = far.reader(1);
    const other = { writer: near.writer(2), reader: far.reader(2) };
    writer.append('x', 0, 0);
    writer.flush();
    reader.close();
    far.remove(1);
    far.remove(3);
    near.writer(3).control({ kind: 'watermark', watermarkMs: 1 });
    writer.announce(barrier);
    writer.close();
    near.remove(1);
    other.writer.append('y', 0, 0);
    other.writer.flush();
    await settle();
    expect(reader.peek()).toBeUndefined();
    expect(readAll(other.reader)).toEqual(['y']);
    expect(() => far.reader(1)).toThrow('removed');
  });

  it('send little where there is little', async () => {
    const sent = await recorded([{ n: 1, text: 'x' }]);
    expect(sent).toHaveLength(2);
    expect(sent[1]?.length).toBeLessThan(200);
    const { near, raw, settle } = rawPeer();
    const reader = near.reader(1);
    for (const one of sent) raw.send(one);
    await settle();
    expect(readAll(reader)).toEqual([{ n: 1, text: 'x' }]);
  });
});

describe('a connection that is not there yet', () => {
  it('takes what is written before', async () => {
    const connections = new MemoryConnections(seededRandom(1));
    let arrive: (connection: Connection) => void = () => undefined;
    const near = new SocketLink(new Promise<Connection>((resolve) => (arrive = resolve)));
    const far = new SocketLink(connections.ends[1]);
    const writer = near.writer(1);
    fill(writer);
    expect(writer.isBroken()).toBe(false);
    const reader = far.reader(1);
    arrive(connections.ends[0]);
    await vi.waitFor(() => {
      expect(readAll(reader).length).toBeGreaterThan(0);
    }, WAIT_MS);
  });

  it('and fails is as a dead peer, which says why', async () => {
    const why = new TypeError('nobody there');
    const near = new SocketLink(Promise.reject(why));
    const [writer, reader] = [near.writer(1), near.reader(2)];
    const woken = vi.fn();
    reader.onReadable(woken);
    fill(writer);
    await vi.waitFor(() => {
      expect(woken).toHaveBeenCalled();
    }, WAIT_MS);
    expect([writer.isBroken(), writer.isWritable()]).toEqual([true, true]);
    expect([reader.isBroken(), reader.brokenBy()]).toEqual([true, why]);
    const late = near.reader(3);
    expect([late.isBroken(), late.brokenBy()]).toEqual([true, why]);
    expect(near.writer(4).isBroken()).toBe(true);
  });

  it('is closed when the link was closed meanwhile', async () => {
    const connections = new MemoryConnections(seededRandom(1));
    const closed = vi.fn();
    connections.ends[1].onClose(closed);
    connections.ends[1].onFrame(() => undefined);
    const near = new SocketLink(Promise.resolve(connections.ends[0]));
    near.close();
    await vi.waitFor(() => {
      expect(closed).toHaveBeenCalledOnce();
    }, WAIT_MS);
  });
});

describe('what comes over the wire', () => {
  const broken = expect.objectContaining({ code: 'RUN-103', kind: 'unavailable' });

  /** A frame with this header and so many bytes in all. */
  function frame(kind: number, rows: number, argument: number, bytes = 16): Uint8Array {
    const content = new Uint8Array(bytes);
    const view = new DataView(content.buffer);
    view.setInt32(0, kind, true);
    view.setInt32(4, rows, true);
    view.setFloat64(8, argument, true);
    return message(MESSAGE_FRAME, 1, content);
  }

  function parts(...numbers: readonly number[]): Uint8Array {
    const content = new Uint8Array(4 * numbers.length);
    numbers.forEach((one, at) => {
      writeUint32(content, 4 * at, one);
    });
    return message(MESSAGE_PARTS, 1, content);
  }

  it.each([
    ['no frame at all', message(MESSAGE_FRAME, 1)],
    ['a kind that there is not', frame(99, 0, 0)],
    ['records without a length', frame(1, 5, Number.NaN, 4096)],
    ['records without rows', frame(1, 0, 4096, 4096)],
    ['more rows than a batch has', frame(1, 257, 4096, 4096)],
    ['records before any schema, cut off', frame(1, 5, 5000, 4096)],
    ['a frame that is larger than a slot', frame(2, 100_000, 0, 100_016)],
    ['a schema that is none', frame(2, 100, 0, 116)],
    ['a schema of a negative length', frame(2, -10, 0)],
    ['a barrier that is none', frame(6, 4, 0, 20)],
    ['a part of a record that is too large', frame(3, 4, 1e12, 36)],
    ['a part that is larger than its record', frame(3, 4, 2, 36)],
    ['no parts', parts(0)],
    ['parts beyond the message', parts(1, 0, 4000)],
    ['parts beyond the slot', parts(1, 0xffff_fff0, 16, 0, 0, 0, 0)],
    ['more parts than can be', parts(0xffff_ffff)],
  ])('breaks its channel if it is %s, and no other', async (_, bad) => {
    const good = await recorded(['before']);
    const { near, raw, sent, settle } = rawPeer();
    const [reader, other] = [near.reader(1), near.reader(2)];
    const woken = vi.fn();
    reader.onReadable(woken);
    for (const one of good) raw.send(one);
    await settle();
    expect(readAll(reader)).toEqual(['before']);
    woken.mockClear();
    raw.send(bad);
    for (const one of good) {
      writeUint32(one, 4, 2);
      raw.send(one);
    }
    await settle();
    expect(woken).toHaveBeenCalled();
    expect(reader.peek()).toBeUndefined();
    expect([reader.isBroken(), reader.brokenBy()]).toEqual([true, broken]);
    await settle();
    expect(sent.map((one) => readUint32(one, 0))).toContain(MESSAGE_READER_CLOSED);
    expect(readAll(other)).toEqual(['before']);
    reader.close();
  });

  it('is dropped for a channel that was removed, however much it is', async () => {
    const { near, raw, settle } = rawPeer();
    const other = near.reader(2);
    near.remove(1);
    for (let n = 0; n < 10 * SOCKET_CHANNEL_SLOTS; n++) raw.send(frame(5, 1, 0));
    await settle();
    expect(other.isBroken()).toBe(false);
  });

  it('breaks its channel if more comes than was granted', async () => {
    const { near, raw, settle } = rawPeer();
    const reader = near.reader(1);
    for (let n = 0; n <= SOCKET_CHANNEL_SLOTS; n++) raw.send(frame(5, 1, 0));
    await settle();
    expect(reader.isBroken()).toBe(false);
    expect(readAll(reader)).toHaveLength(SOCKET_CHANNEL_SLOTS);
    expect([reader.isBroken(), reader.brokenBy()]).toEqual([true, broken]);
  });

  it.each([
    ['is of no kind', message(77, 1)],
    ['is too short', Uint8Array.of(1, 0, 0, 0)],
    ['belongs to the other end', creditMessage(1, 5)],
    ['announces what is no barrier', message(MESSAGE_ANNOUNCE, 1, Uint8Array.of(0xc1))],
  ])('breaks all channels if it %s', async (_, bad) => {
    const { near, raw, settle } = rawPeer();
    const [reader, other, writer] = [near.reader(1), near.reader(2), near.writer(3)];
    const closed = vi.fn();
    raw.onClose(closed);
    raw.send(bad);
    await settle();
    expect([reader.brokenBy(), other.brokenBy()]).toEqual([broken, broken]);
    expect([reader.isBroken(), other.isBroken(), writer.isBroken()]).toEqual([true, true, true]);
    expect(closed).toHaveBeenCalledOnce();
  });

  it('for a channel without an end here is not kept beyond what a writer may send', async () => {
    const { near, raw, settle } = rawPeer();
    for (let n = 0; n < SOCKET_CHANNEL_SLOTS; n++) raw.send(frame(5, 1, 0));
    raw.send(message(MESSAGE_WRITER_CLOSED, 1));
    await settle();
    const other = near.reader(2);
    expect(other.isBroken()).toBe(false);
    for (let n = 0; n < SOCKET_CHANNEL_SLOTS; n++) raw.send(frame(5, 1, 0));
    await settle();
    expect([other.isBroken(), other.brokenBy()]).toEqual([true, broken]);
  });

  it('never does more than break channels, whatever is changed in it', async () => {
    const records = [{ a: 1, b: 'text' }, 'x', { a: 1.5, b: null }, { c: new Date(5) }, [1, 2]];
    const good = await recorded([...records, ...records]);
    const change = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: good.length - 1 }),
        fc.array(change, { minLength: 1, maxLength: 5 }),
        async (index, changes) => {
          const { near, raw, settle } = rawPeer();
          const reader = near.reader(1);
          for (const [n, one] of good.entries()) {
            const copy = one.slice();
            if (n === index)
              for (const { at, to } of changes) copy[8 + (at % (copy.length - 8))] = to;
            raw.send(copy);
          }
          await settle();
          const captured = vi.fn(() => reader.captureInFlight(1));
          try {
            captured();
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
          }
          readAll(reader);
          raw.destroy();
          await settle();
          expect(reader.isBroken()).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});
