/*
 * Goal: processes start others, hear of their end, and die as real ones do.
 * Method: examples.
 */
import { describe, expect, it } from 'vitest';
import { sleep } from '../../common/clock.ts';
import type { ExitReason } from '../../common/spawner.ts';
import { Simulation } from './simulation.ts';

function simulated(seed = 1) {
  const simulation = new Simulation({ seed, keepLog: true });
  const parent = simulation.process('parent');
  return {
    simulation,
    parent,
    pass: (ms: number) => simulation.run(() => sleep(simulation.clock, ms)),
  };
}

/** Collects what the promise gives, so that a test can ask whether it has. */
function noted(exited: Promise<ExitReason>): ExitReason[] {
  const reasons: ExitReason[] = [];
  void exited.then((reason) => reasons.push(reason));
  return reasons;
}

const killed: ExitReason = { kind: 'killed', signal: 'SIGKILL' };

describe('a spawned process', () => {
  it('runs what is registered, with its arguments and its own world', async () => {
    const { simulation, parent } = simulated();
    const given = { to: '/made', list: [1] };
    simulation.programs.register('maker', async ({ fs, clock }, args) => {
      expect(args).toEqual(given);
      expect(args).not.toBe(given);
      await sleep(clock, 5);
      await fs.makeFolder((args as typeof given).to);
      return 7;
    });
    const child = parent.spawner.spawn('maker', given);
    expect(await simulation.run(child.exited)).toEqual({ kind: 'exited', exitCode: 7 });
    expect(await simulation.run(() => parent.fs.stat('/made'))).toMatchObject({ kind: 'folder' });
  });

  it.each([
    [
      'its main returns',
      async (): Promise<undefined> => undefined,
      { kind: 'exited', exitCode: 0 },
    ],
    [
      'its main fails',
      async (): Promise<undefined> => {
        throw new TypeError('no');
      },
      { kind: 'exited', exitCode: 1 },
    ],
  ] as const)('ends when %s', async (_, main, reason) => {
    const { simulation, parent } = simulated();
    simulation.programs.register('short', main);
    const child = parent.spawner.spawn('short', undefined);
    expect(simulation.programs.living()).toHaveLength(1);
    expect(await simulation.run(child.exited)).toEqual(reason);
    expect(simulation.programs.living()).toEqual([]);
  });

  it('ends when it is killed, before it runs or later, also while it is frozen', async () => {
    for (const [afterMs, freezes] of [
      [0, false],
      [500, false],
      [500, true],
    ] as const) {
      const { simulation, parent, pass } = simulated();
      let beats = 0;
      simulation.programs.register('heart', async ({ clock }): Promise<undefined> => {
        for (;;) {
          await sleep(clock, 10);
          beats++;
        }
      });
      const child = parent.spawner.spawn('heart', {});
      const reasons = noted(child.exited);
      await pass(afterMs);
      if (freezes) simulation.programs.living()[0]?.freeze();
      child.kill();
      child.kill();
      const before = beats;
      await pass(500);
      expect([beats, reasons]).toEqual([before, [killed]]);
    }
  });

  it('outlives its parent, which hears nothing any more', async () => {
    const { simulation, parent, pass } = simulated();
    let beats = 0;
    simulation.programs.register('orphan', async ({ clock }) => {
      for (beats = 0; beats < 20; beats++) await sleep(clock, 10);
      return 0;
    });
    const reasons = noted(parent.spawner.spawn('orphan', {}).exited);
    await pass(150);
    parent.kill();
    await pass(1_000);
    expect([beats, reasons, simulation.programs.living()]).toEqual([20, [], []]);
  });

  it('has a name for the network, of its own or by its entry, and an id of its own', async () => {
    const { simulation, parent } = simulated();
    const main = async () => 0;
    simulation.programs.register('plain', main);
    simulation.programs.register('named', main, { name: (args) => `worker-${String(args)}` });
    const ids = ['plain', 'plain', 'named', 'named'].map(
      (entry) => parent.spawner.spawn(entry, 3).id,
    );
    expect(ids).toEqual(['plain-1#1', 'plain-2#1', 'worker-3#1', 'worker-3#2']);
    expect(simulation.programs.living().map(({ name }) => name)).toEqual([
      'plain-1',
      'plain-2',
      'worker-3',
      'worker-3',
    ]);
  });

  it('may not start at all', async () => {
    const { simulation, parent } = simulated();
    simulation.programs.register('plain', async () => 0);
    simulation.programs.failNext(1);
    const [failed, started] = [0, 1].map(() => parent.spawner.spawn('plain', {}));
    expect(await simulation.run(() => failed?.exited ?? Promise.reject(new TypeError()))).toEqual({
      kind: 'not-started',
      error: expect.objectContaining({ code: 'EAGAIN' }),
    });
    expect(await simulation.run(started?.exited ?? Promise.reject(new TypeError()))).toMatchObject({
      kind: 'exited',
    });
  });

  it('talks to its parent over the network, and is heard dying', async () => {
    const { simulation, parent } = simulated();
    simulation.programs.register('talker', async ({ transport, clock }, address) => {
      const connection = await transport.connect(String(address));
      connection.send(Uint8Array.of(1));
      await sleep(clock, 50);
      return 3;
    });
    const heard: unknown[] = [];
    const ended = simulation.run(async () => {
      const listener = await parent.transport.listen((connection) => {
        connection.onFrame((frame) => heard.push(...frame));
        connection.onClose((why) => heard.push(why));
      });
      const reason = await parent.spawner.spawn('talker', listener.address).exited;
      await sleep(simulation.clock, 50);
      return reason;
    });
    expect(await ended).toEqual({ kind: 'exited', exitCode: 3 });
    expect(heard).toEqual([1, expect.objectContaining({ code: 'COM-005' })]);
  });

  it('goes the same way with the same seed', async () => {
    const run = async (seed: number) => {
      const { simulation, parent } = simulated(seed);
      simulation.programs.register('child', async ({ clock, random }) => {
        await sleep(clock, random.next() * 100);
        return Math.floor(random.next() * 100);
      });
      const children = [0, 1, 2].map(() => parent.spawner.spawn('child', {}));
      await simulation.run(() => Promise.all(children.map(({ exited }) => exited)));
      return simulation.log();
    };
    expect(await run(5)).toEqual(await run(5));
    expect(await run(5)).not.toEqual(await run(6));
  });
});
