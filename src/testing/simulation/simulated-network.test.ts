/*
 * Goal: the simulated network keeps the contract of `Transport` and fails in the ways that are
 * described, the same way for the same seed.
 * Method: two or three processes, over many seeds where chance decides.
 */
import { describe, expect, it, vi } from 'vitest';
import { sleep } from '../../common/clock.ts';
import { QUEUE_BYTES_MAX } from '../../common/node-connection.ts';
import { firstFrame, type Connection } from '../../common/transport.ts';
import { SocketLink } from '../../runtime/socket-link.ts';
import { isBatch } from '../../runtime/channel.ts';
import { Simulation } from './simulation.ts';

interface Heard {
  readonly frames: number[];
  readonly ends: (Error | undefined)[];
}

/** Notes the first byte of each frame, and how the connection ends. */
function listenTo(connection: Connection): Heard {
  const heard: Heard = { frames: [], ends: [] };
  connection.onFrame(([first = -1]) => heard.frames.push(first));
  connection.onClose((why) => heard.ends.push(why));
  return heard;
}

async function connected(seed: string | number = 1) {
  const simulation = new Simulation({ seed, keepLog: true });
  const [a, b] = [simulation.process('a'), simulation.process('b')];
  const [near, far, listener] = await simulation.run(async () => {
    let arrive: (connection: Connection) => void = () => undefined;
    const arrived = new Promise<Connection>((resolve) => {
      arrive = resolve;
    });
    const listener = await b.transport.listen(arrive);
    return [await a.transport.connect(listener.address), await arrived, listener] as const;
  });
  const pass = (ms: number) => simulation.run(() => sleep(simulation.clock, ms));
  return { simulation, a, b, near, far, listener, pass };
}

function send(connection: Connection, from: number, to: number): void {
  for (let n = from; n < to; n++) connection.send(Uint8Array.of(n, 1, 2));
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);
const gone = expect.objectContaining({ code: 'COM-005', kind: 'unavailable' });

describe('a connection', () => {
  it('brings frames in order, both ways, and ends behind them', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const { near, far, pass, simulation } = await connected(seed);
      const [there, back] = [listenTo(far), listenTo(near)];
      send(near, 0, 100);
      send(far, 0, 50);
      await pass(50);
      send(near, 100, 150);
      near.close();
      near.send(Uint8Array.of(255));
      await pass(100);
      expect(there).toEqual({ frames: range(0, 150), ends: [undefined] });
      expect(back).toEqual({ frames: range(0, 50), ends: [undefined] });
      expect(simulation.network.openEnds).toBe(0);
    }
  });

  it('keeps frames and its end until somebody listens', async () => {
    const { near, far, pass } = await connected();
    send(near, 0, 5);
    near.close();
    const closed = vi.fn();
    far.onClose(closed);
    await pass(100);
    expect(closed).not.toHaveBeenCalled();
    const heard = listenTo(far);
    await pass(100);
    expect(heard).toEqual({ frames: range(0, 5), ends: [undefined] });
  });

  it('gives its first frame alone to who asks for it', async () => {
    const { near, far, pass, simulation } = await connected();
    send(near, 7, 20);
    expect(await simulation.run(() => firstFrame(far))).toEqual(Uint8Array.of(7, 1, 2));
    const heard = listenTo(far);
    await pass(100);
    expect(heard.frames).toEqual(range(8, 20));
  });

  it('says when too much is queued, and when it is not any more', async () => {
    const { near, far, pass } = await connected();
    const frame = new Uint8Array(QUEUE_BYTES_MAX / 4);
    const woken = vi.fn();
    near.onWritable(woken);
    while (near.send(frame)) continue;
    await pass(1_000);
    expect(near.isWritable()).toBe(false);
    far.onFrame(() => undefined);
    await pass(1_000);
    expect(woken).toHaveBeenCalledOnce();
    expect(near.isWritable()).toBe(true);
  });

  it('that is destroyed tells the other side, which may miss the last frames', async () => {
    const counts = new Set<number>();
    for (let seed = 0; seed < 30; seed++) {
      const { near, far, pass } = await connected(seed);
      const [there, back] = [listenTo(far), listenTo(near)];
      send(near, 0, 10);
      near.destroy();
      await pass(100);
      expect(there.frames).toEqual(range(0, there.frames.length));
      expect([there.ends, back.ends]).toEqual([[gone], [undefined]]);
      counts.add(there.frames.length);
    }
    expect(counts.size).toBeGreaterThan(3);
  });
});

describe('connect', () => {
  it('fails where nobody listens, or nobody any more', async () => {
    const { simulation, a, b, listener } = await connected();
    const refused = { code: 'COM-003', details: { error: 'ECONNREFUSED' } };
    await expect(simulation.run(() => a.transport.connect('b:99'))).rejects.toMatchObject(refused);
    b.kill();
    const connecting = simulation.run(() => a.transport.connect(listener.address));
    await expect(connecting).rejects.toMatchObject(refused);
  });

  it('fails when the listener dies or stops listening meanwhile', async () => {
    for (const end of ['kill', 'close'] as const) {
      const { simulation, a, b, listener } = await connected();
      const connecting = a.transport.connect(listener.address);
      if (end === 'kill') b.kill();
      else await listener.close();
      await expect(simulation.run(connecting)).rejects.toMatchObject({ code: 'COM-003' });
    }
  });

  it('waits for a healed partition or a thawed listener, but not for ever', async () => {
    const { simulation, a, b, listener, pass } = await connected();
    for (const stop of [
      () => simulation.network.partition('a', 'b'),
      () => simulation.network.isolate('b'),
      () => {
        b.freeze();
        return () => b.thaw();
      },
    ]) {
      const goOn = stop();
      const failed = a.transport.connect(listener.address).catch((error: unknown) => error);
      await pass(4_000);
      const made = a.transport.connect(listener.address);
      expect(await simulation.run(failed)).toMatchObject({
        code: 'COM-003',
        details: { error: 'it did not answer' },
      });
      goOn();
      await simulation.run(made);
    }
  });
});

describe('a partition', () => {
  it('holds everything back, also the end, until it is healed', async () => {
    const { simulation, near, far, pass } = await connected();
    const [there, back] = [listenTo(far), listenTo(near)];
    send(near, 0, 3);
    await pass(100);
    const heal = simulation.network.partition('b', 'a');
    send(near, 3, 6);
    send(far, 0, 3);
    near.close();
    await pass(3_000);
    expect(there).toEqual({ frames: range(0, 3), ends: [] });
    expect(back.frames).toEqual([]);
    heal();
    heal();
    await pass(100);
    expect(there).toEqual({ frames: range(0, 6), ends: [undefined] });
  });

  it('can be one way', async () => {
    const { simulation, near, far, pass } = await connected();
    const [there, back] = [listenTo(far), listenTo(near)];
    simulation.network.partition('a', 'b', { oneWay: true });
    send(near, 0, 3);
    send(far, 0, 3);
    await pass(10_000);
    expect([there.frames, back.frames]).toEqual([[], range(0, 3)]);
    simulation.network.healAll();
    await pass(100);
    expect(there.frames).toEqual(range(0, 3));
  });

  it('hides the death of a process, until it is healed', async () => {
    const { simulation, b, near, far, pass } = await connected();
    const heard = listenTo(near);
    simulation.network.isolate('a');
    send(far, 0, 3);
    b.kill();
    await pass(60_000);
    expect(heard).toEqual({ frames: [], ends: [] });
    simulation.network.healAll();
    await pass(100);
    expect(heard.ends).toEqual([gone]);
  });
});

describe('faults', () => {
  it('the death of a process ends its connections after what had come', async () => {
    const { b, near, far, pass, simulation } = await connected();
    const heard = listenTo(near);
    send(far, 0, 3);
    await pass(100);
    b.kill();
    expect(heard.ends).toEqual([]);
    expect(near.send(Uint8Array.of(1))).toBe(true);
    await pass(100);
    expect(heard).toEqual({ frames: range(0, 3), ends: [gone] });
    expect(simulation.network.openEnds).toBe(0);
  });

  it('a break loses what is on its way, and tells both', async () => {
    const { simulation, near, far, pass } = await connected();
    const [there, back] = [listenTo(far), listenTo(near)];
    send(near, 0, 3);
    simulation.network.breakConnections('b', 'a');
    await pass(100);
    expect(there).toEqual({ frames: [], ends: [gone] });
    expect(back.ends).toEqual([gone]);
  });

  it('a slow link takes its time, for what is large even more', async () => {
    const { simulation, near, far, pass } = await connected();
    const heard = listenTo(far);
    simulation.network.setLink('b', 'a', { latencyMs: 100, bytesPerMs: 10 });
    send(near, 0, 1);
    await pass(99);
    expect(heard.frames).toEqual([]);
    await pass(102);
    expect(heard.frames).toEqual([0]);
    near.send(new Uint8Array(10_000).fill(9));
    await pass(1_000);
    expect(heard.frames).toEqual([0]);
    await pass(300);
    expect(heard.frames).toEqual([0, 9]);
    simulation.network.setLink('b', 'a', undefined);
    send(near, 1, 2);
    await pass(30);
    expect(heard.frames).toEqual([0, 9, 1]);
  });

  it('a frozen process gets all when it is thawed, and its connections stay open', async () => {
    const { b, near, far, pass } = await connected();
    const [there, back] = [listenTo(far), listenTo(near)];
    b.freeze();
    send(near, 0, 9);
    await pass(60_000);
    expect([there.frames, back.ends]).toEqual([[], []]);
    b.thaw();
    await pass(30);
    expect(there.frames).toEqual(range(0, 9));
  });

  it('a machine without power takes all its processes along', async () => {
    const { simulation, a, b, near, pass } = await connected();
    const heard = listenTo(near);
    simulation.disk.crash();
    await pass(100);
    expect([a.alive, b.alive, heard.ends, simulation.network.openEnds]).toEqual([
      false,
      false,
      [],
      0,
    ]);
  });
});

describe('one seed is one run', () => {
  /** Records through a channel, with faults on the way. */
  async function workload(seed: string): Promise<{ hash: string; read: number[]; log: string }> {
    const { simulation, a, b, near, far, pass } = await connected(seed);
    const links = [new SocketLink(near), new SocketLink(far)] as const;
    const reader = links[1].reader(1);
    const read: number[] = [];
    const readAll = (): void => {
      for (let one = reader.peek(); one !== undefined; one = reader.peek()) {
        if (isBatch(one)) read.push(...(one.values.slice(0, one.size) as number[]));
        reader.release();
      }
    };
    reader.onReadable(() => void b.clock.turn(readAll));
    const writer = links[0].writer(1);
    for (let n = 0, steps = 0; steps < 60; steps++) {
      const { random } = simulation;
      if (random.next() < 0.1) b.block(random.next() * 50);
      if (random.next() < 0.05) simulation.clock.after(20, simulation.network.isolate('a'));
      for (let left = random.next() * 500; left > 0 && writer.isWritable(); left--) {
        writer.append(n++, 0, 0);
      }
      writer.flush();
      await pass(random.next() * 5);
    }
    writer.close();
    await pass(10_000);
    expect(read).toEqual(range(0, read.length));
    expect(read.length).toBeGreaterThan(1_000);
    expect(reader.isBroken()).toBe(true);
    expect(a.alive).toBe(true);
    return { hash: simulation.traceHash(), read, log: simulation.log().join('\n') };
  }

  it('with channels, blocks and partitions', async () => {
    const hashes = new Set<string>();
    for (let seed = 0; seed < 10; seed++) {
      const [first, second] = [await workload(`n${seed}`), await workload(`n${seed}`)];
      expect(second.log).toBe(first.log);
      expect(second).toEqual(first);
      hashes.add(first.hash);
    }
    expect(hashes.size).toBe(10);
  });
});
