/*
 * Goal: another JobManager takes over in the middle of an upgrade, and ends it: one version runs, and its output is
 * that of a job which was never stopped, though the JobManager before is not dead, and goes on with the upgrade as if
 * it still led.
 *
 * Method: a dispatcher on a simulated machine upgrades a job to a version that is well, and to one that fails at every
 * record. When it has come to a write point a second one takes over. The first never hears of that: it goes on at
 * once, or is frozen for a while and goes on then. Write points are taken in turn, from one that the seed draws.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/upgrade-takeovers.test.ts
 */
import { describe, expect, it } from 'vitest';
import { sleep } from '../../src/common/clock.ts';
import { randomInt } from '../../src/common/random.ts';
import { seededRandom } from '../../src/testing/index.ts';
import { seedsBeside } from '../support/seed.ts';
import { Machine, requireRight, type Version } from './jobs/upgrade-machine.ts';

const SEEDS = seedsBeside('1');
const LOOK_MS = 0.2;
const FROZEN_MS_MAX = 400;
/** Of the write points one in so many. */
const STEP = 4;

interface Case {
  readonly to: Version;
  /** So much time at most, drawn anew each time, so that it is taken back close to its first checkpoint. */
  readonly withinMsMax?: number;
}

async function takenOver(
  seed: string,
  { to, withinMsMax }: Case,
  writePoint: number,
): Promise<string> {
  const machine = new Machine(seed);
  const { simulation } = machine;
  const random = seededRandom(`${seed} ${to} ${writePoint}`);
  const frozenMs = random.next() < 0.5 ? 0 : random.next() * FROZEN_MS_MAX;
  const withinMs = withinMsMax === undefined ? undefined : 1 + randomInt(random, withinMsMax);
  const how = `SEED=${seed} ${to}: taken over at write point ${writePoint}, frozen for ${frozenMs} ms`;
  const before = machine.service();
  let isOver = false;
  await simulation.run(async () => {
    machine.run(before, to, withinMs === undefined ? {} : { withinMs }).then(
      () => (isOver = true),
      () => (isOver = true),
    );
    while (simulation.disk.writePoints() < writePoint && !isOver) {
      await sleep(simulation.clock, LOOK_MS);
    }
    if (frozenMs > 0) before.process.freeze();
    simulation.clock.after(frozenMs, () => {
      before.process.thaw();
    });
    const next = machine.service();
    await machine.follow(next);
    const { view } = machine;
    // The one before comes to its end as well, and what it does there counts for nothing.
    while (before.process.frozen || before.dispatcher.isBusy) await sleep(simulation.clock, 1);
    machine.view = view;
    before.process.kill();
    next.process.kill();
  });
  // What the first one has left after the second has looked goes with the third, which finds nothing else to do.
  await machine.followUp();
  const versions = await requireRight(machine, how);
  if (to === 'broken') expect(versions, how).not.toContain('broken');
  return machine.view?.phase ?? 'none';
}

const CASES = [
  { name: 'well', to: 'well', ends: ['upgraded'] },
  { name: 'broken', to: 'broken', ends: ['gone-back'] },
  { name: 'well too late', to: 'well', withinMsMax: 40, ends: ['upgraded', 'gone-back'] },
] as const;

describe.each(SEEDS)('a takeover in an upgrade, SEED=%s', (seed) => {
  it.for(CASES)(
    'to one that is $name, at any moment, leaves one version and its output once',
    { timeout: 240_000 },
    async ({ name, ends, ...rest }, { annotate }) => {
      const machine = new Machine(seed);
      await machine.simulation.run(machine.run(machine.service(), rest.to));
      const writePoints = machine.simulation.disk.writePoints();
      const phases = new Map<string, number>();
      const first = 1 + randomInt(seededRandom(`${seed} ${name}`), STEP);
      for (let at = first; at <= writePoints; at += STEP) {
        const phase = await takenOver(seed, rest, at);
        phases.set(phase, (phases.get(phase) ?? 0) + 1);
      }
      await annotate(`${writePoints} write points: ${JSON.stringify([...phases])}`);
      for (const end of ends) expect(phases.get(end), end).toBeGreaterThan(10);
    },
  );
});
