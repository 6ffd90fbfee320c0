/* eslint-disable no-restricted-properties, no-restricted-syntax -- every way out of the simulation is planted here */
/*
 * Goal: virtual time, death and the end of a run are as described, and code that leaves the
 * simulation is found.
 * Method: examples; each way out is planted once in simulated code.
 */
import * as nodeFs from 'node:fs/promises';
import zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { nextTurn, sleep } from '../../common/clock.ts';
import { nodeFileSystem } from '../../common/node-file-system.ts';
import type { SimulatedWorld } from './simulated-process.ts';
import { Simulation } from './simulation.ts';

describe('time', () => {
  it('passes without waiting', async () => {
    const simulation = new Simulation({ seed: 1 });
    const { clock } = simulation.process('p');
    const before = clock.wallMs();
    await simulation.run(() => sleep(clock, 3_600_000));
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(3_600_000);
    expect(clock.monotonicMs()).toBeLessThan(3_600_001);
    expect(clock.wallMs() - before).toBe(Math.floor(clock.monotonicMs()));
  });

  it('lets wall clocks jump, of one process or all, and not monotonic time', async () => {
    const simulation = new Simulation({ seed: 1, startWallMs: 1_000_000 });
    const [a, b] = [simulation.process('a'), simulation.process('b')];
    a.jumpWallClock(-500);
    expect([a.clock.wallMs(), b.clock.wallMs()]).toEqual([999_500, 1_000_000]);
    simulation.jumpWallClock(2_000);
    expect([a.clock.wallMs(), b.clock.wallMs()]).toEqual([1_001_500, 1_002_000]);
    expect(a.clock.monotonicMs()).toBe(0);
  });

  it('runs a turn after what is due, and timers of one moment in any order', async () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < 50; seed += 1) {
      const simulation = new Simulation({ seed });
      const { clock } = simulation.process('p');
      const order: string[] = [];
      await simulation.run(async () => {
        await sleep(clock, 5);
        for (const name of ['x', 'y', 'z']) clock.after(10, () => order.push(name));
        await sleep(clock, 20);
        clock.turn(() => {
          order.push('a');
          clock.turn(() => order.push('last'));
        });
        clock.turn(() => order.push('b'));
        await sleep(clock, 1);
      });
      expect(order.slice(3).indexOf('last')).toBe(2);
      orders.add(order.join(''));
    }
    expect(orders.size).toBeGreaterThan(6);
  });

  it('goes on while somebody only takes turns', async () => {
    const simulation = new Simulation({ seed: 1 });
    const { clock } = simulation.process('p');
    let isOver = false;
    clock.after(20, () => {
      isOver = true;
    });
    await simulation.run(async () => {
      while (!isOver) await nextTurn(clock);
    });
    expect(simulation.nowMs).toBeGreaterThanOrEqual(20);
  });

  it('does not run what was cancelled', async () => {
    const simulation = new Simulation({ seed: 1 });
    const { clock } = simulation.process('p');
    const ran: string[] = [];
    const cancel = clock.after(5, () => ran.push('timer'));
    const cancelTurn = clock.turn(() => ran.push('turn'));
    cancel();
    cancelTurn();
    cancel();
    await simulation.run(() => sleep(clock, 10));
    expect(ran).toEqual([]);
  });
});

describe('kill', () => {
  it('ends all that a process was about to do', async () => {
    const simulation = new Simulation({ seed: 3 });
    const victim = simulation.process('victim');
    let steps = 0;
    let settled = 'never';
    const work = victim.start(async ({ clock, fs }) => {
      await fs.makeFolder('/d');
      for (;;) {
        steps += 1;
        await sleep(clock, 1);
        await fs.stat('/d');
        await nextTurn(clock);
      }
    });
    work.finally(() => (settled = 'settled')).catch(() => undefined);
    const watch = simulation.process('watch');
    await simulation.run(() => sleep(watch.clock, 100));
    victim.kill();
    const before = steps;
    expect(before).toBeGreaterThan(5);
    await simulation.run(() => sleep(watch.clock, 1_000));
    expect({ steps, settled, alive: victim.alive }).toEqual({
      steps: before,
      settled: 'never',
      alive: false,
    });
  });

  it('gives a restarted process other chance, and the disk as it was', async () => {
    const simulation = new Simulation({ seed: 3 });
    const first = simulation.process('p');
    await simulation.run(() => first.fs.makeFolder('/left'));
    first.kill();
    const second = simulation.process('p');
    expect([first.id, second.id]).toEqual(['p#1', 'p#2']);
    expect(second.random.next()).not.toBe(first.random.next());
    expect(await simulation.run(() => second.fs.stat('/left'))).toMatchObject({ kind: 'folder' });
  });

  it('tells the devices', () => {
    const process = new Simulation({ seed: 1 }).process('p');
    let told = 0;
    process.onKill(() => (told += 1));
    process.kill();
    process.kill();
    expect(told).toBe(1);
  });
});

describe('a frozen process', () => {
  it('does nothing while time goes on, and then all that is due, in its order', async () => {
    const simulation = new Simulation({ seed: 4 });
    const { clock } = simulation;
    const frozen = simulation.process('frozen');
    const order: string[] = [];
    const note = (what: string) => () => order.push(`${what} ${Math.round(simulation.nowMs)}`);
    for (const ms of [30, 10, 50, 20, 2_000]) frozen.clock.after(ms, note(`timer ${ms}`));
    const cancel = frozen.clock.after(40, note('cancelled'));
    await simulation.run(() => sleep(clock, 15));
    frozen.freeze();
    frozen.freeze();
    frozen.clock.turn(note('turn'));
    await simulation.run(() => sleep(clock, 985));
    cancel();
    expect(order).toEqual(['timer 10 10']);
    frozen.thaw();
    frozen.thaw();
    await simulation.run(() => sleep(clock, 1_500));
    const due = ['turn 1000', 'timer 20 1000', 'timer 30 1000', 'timer 50 1000'];
    expect(order).toEqual(['timer 10 10', ...due, 'timer 2000 2000']);
  });

  it('has its disk answer when it goes on, and sees how late it is', async () => {
    const simulation = new Simulation({ seed: 4 });
    const frozen = simulation.process('frozen');
    const made = frozen.start(async ({ fs, clock }) => {
      await fs.makeFolder('/d');
      return clock.monotonicMs();
    });
    await simulation.run(() => nextTurn(simulation.clock));
    frozen.freeze();
    simulation.clock.after(5_000, () => frozen.thaw());
    expect(await simulation.run(made)).toBeGreaterThan(5_000);
  });

  it('can be killed, and is gone then', async () => {
    const simulation = new Simulation({ seed: 4 });
    const frozen = simulation.process('frozen');
    let ran = false;
    frozen.clock.after(5, () => (ran = true));
    frozen.freeze();
    await simulation.run(() => sleep(simulation.clock, 10));
    frozen.kill();
    frozen.thaw();
    await simulation.run(() => sleep(simulation.clock, 10));
    expect([ran, frozen.alive]).toEqual([false, false]);
  });

  it('goes on by itself when only its event loop was blocked', async () => {
    const simulation = new Simulation({ seed: 4 });
    const blocked = simulation.process('blocked');
    const at: number[] = [];
    blocked.clock.after(5, () => {
      blocked.block(100);
      blocked.clock.turn(() => at.push(Math.round(simulation.nowMs)));
    });
    blocked.clock.after(20, () => at.push(Math.round(simulation.nowMs)));
    await simulation.run(() => sleep(simulation.clock, 50));
    expect([blocked.frozen, at]).toEqual([true, []]);
    blocked.block(100);
    blocked.freeze();
    await simulation.run(() => sleep(simulation.clock, 500));
    expect([blocked.frozen, at]).toEqual([true, []]);
    blocked.thaw();
    await simulation.run(() => sleep(simulation.clock, 1));
    expect([blocked.frozen, at]).toEqual([false, [550, 550]]);
  });

  it('stalls the simulation when all wait for it', async () => {
    const simulation = new Simulation({ seed: 4 });
    const frozen = simulation.process('frozen');
    frozen.freeze();
    const waiting = simulation.run(() => sleep(frozen.clock, 5));
    await expect(waiting).rejects.toMatchObject({ code: 'TST-002' });
  });
});

describe('a run ends', () => {
  it('with the value, or the failure, of what it waits for', async () => {
    const simulation = new Simulation({ seed: 1 });
    expect(await simulation.run(() => Promise.resolve(5))).toBe(5);
    await expect(simulation.run(() => Promise.reject(new TypeError('no')))).rejects.toThrow('no');
  });

  it('with what an event throws', async () => {
    const simulation = new Simulation({ seed: 1 });
    const { clock } = simulation.process('p');
    clock.after(5, () => {
      throw new TypeError('in a timer');
    });
    await expect(simulation.run(() => sleep(clock, 10))).rejects.toThrow('in a timer');
  });

  it('when nothing is left to run', async () => {
    const simulation = new Simulation({ seed: 1 });
    const never = new Promise(() => undefined);
    await expect(simulation.run(never)).rejects.toMatchObject({ code: 'TST-002' });
  });

  it('at its bounds', async () => {
    const simulation = new Simulation({ seed: 1 });
    const { clock } = simulation.process('p');
    const beat = (): void => void clock.after(10, beat);
    beat();
    const never = new Promise(() => undefined);
    const tooLong = { code: 'TST-003' };
    await expect(simulation.run(never, { eventsMax: 100 })).rejects.toMatchObject(tooLong);
    expect(simulation.events).toBe(100);
    await expect(simulation.run(never, { virtualMsMax: 500 })).rejects.toMatchObject(tooLong);
    expect(simulation.nowMs).toBeLessThan(1_600);
  });
});

describe('the leak guard', () => {
  const leaks: readonly (readonly [what: string, leak: (world: SimulatedWorld) => unknown])[] = [
    ['Immediate', () => new Promise((resolve) => globalThis.setImmediate(resolve))],
    ['Timeout', () => new Promise((resolve) => globalThis.setTimeout(resolve, 1))],
    ['TickObject', () => new Promise((resolve) => process.nextTick(resolve))],
    ['FSREQPROMISE', () => nodeFs.readFile(import.meta.filename)],
    ['FSREQPROMISE', () => nodeFileSystem.stat('/')],
    ['ZLIB', () => new Promise((resolve) => zlib.deflate('x', resolve))],
    ['MESSAGEPORT', () => new MessageChannel().port1.close()],
    ['Date.now()', () => Date.now()],
    ['new Date()', () => new Date()],
    ['performance.now()', () => globalThis.performance.now()],
    ['Math.random()', () => Math.random()],
    ['crypto.randomUUID()', () => crypto.randomUUID()],
    // Which of the two is first depends on the real clock: the look at it is found.
    ['Date.now()', ({ clock }) => Promise.race([sleep(clock, Date.now() % 2), nextTurn(clock)])],
  ];

  it.each(leaks)('finds %s', async (what, leak) => {
    const simulation = new Simulation({ seed: 1 });
    const work = simulation.process('p').start(async (world) => {
      await sleep(world.clock, 10);
      await deepInTheEngine(() => leak(world));
      await sleep(world.clock, 10);
    });
    const error: unknown = await simulation.run(work).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'TST-001', details: { what, seed: 1 } });
    expect((error as Error).stack).toContain('simulation.test.ts');
    if (what !== 'TickObject' && what !== 'ZLIB') return;
    expect((error as Error).stack).toContain('deepInTheEngine');
  });

  it('finds code that went on because something real had settled', async () => {
    const simulation = new Simulation({ seed: 1 });
    const { clock } = simulation.process('p');
    const real = nodeFs.readFile(import.meta.filename);
    const work = simulation.process('q').start(async (world) => {
      await real;
      await sleep(world.clock, 1);
    });
    const turns = (): void => void clock.turn(turns);
    turns();
    await expect(simulation.run(work)).rejects.toMatchObject({ code: 'TST-001' });
  });

  it('lets simulated code print', async () => {
    const simulation = new Simulation({ seed: 1 });
    const { clock } = simulation.process('p');
    await simulation.run(async () => {
      // eslint-disable-next-line no-console -- it is what is tested
      console.debug('printed by simulated code');
      await sleep(clock, 5);
    });
    expect(simulation.nowMs).toBeGreaterThan(5);
  });

  it('leaves promises, microtasks, synchronous calls, dates of given times and the world outside alone', async () => {
    const simulation = new Simulation({ seed: 1 });
    const { clock } = simulation.process('p');
    const work = async (): Promise<string> => {
      zlib.gunzipSync(zlib.gzipSync('x'));
      await Promise.all([
        Promise.resolve(),
        new Promise<void>((resolve) => globalThis.queueMicrotask(resolve)),
      ]);
      await sleep(clock, 5);
      return new Date(clock.wallMs()).toISOString();
    };
    expect(await simulation.run(work)).toBe('2026-01-01T00:00:00.005Z');
    expect(Math.abs(Date.now() - new Date().getTime())).toBeLessThan(1_000);
    expect(Object.hasOwn(globalThis.performance, 'now')).toBe(false);
  });
});

async function deepInTheEngine(leak: () => unknown): Promise<void> {
  await leak();
}
