/*
 * Goal: an upgrade ends with one version that runs, and whichever that is, the output is that of a job which was never
 * stopped: exactly once, across the upgrade, across the way back, and wherever the service dies in between.
 *
 * Method: a dispatcher on a simulated machine runs a job and upgrades it to a version that is well, to one that fails
 * at every record, to one that fails once its first checkpoint is complete, and to ones that are refused. It runs
 * once to count its write points, then once per write point on a fresh machine, where it dies there; another dispatcher
 * follows.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/upgrades.test.ts
 */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/testing/index.ts';
import {
  EXPECTED,
  Machine,
  requireRight,
  type Options,
  type Version,
} from './jobs/upgrade-machine.ts';

const SEED = process.env.SEED ?? '1';

async function upgraded(to: Version, options: Options = {}) {
  const machine = new Machine(SEED);
  await machine.simulation.run(machine.run(machine.service(), to, options));
  const versions = await requireRight(machine, to);
  expect(machine.leftovers(), to).toEqual([]);
  return { machine, versions, view: machine.view };
}

async function crashed(to: Version, writePoint: number): Promise<string> {
  const machine = new Machine(SEED);
  const { disk } = machine.simulation;
  const moment = seededRandom(`${SEED} ${writePoint}`).next() < 0.5 ? 'before' : 'after';
  const kind = writePoint % 2 === 0 ? 'kill' : 'power';
  const died = disk.crashAt(writePoint, moment);
  machine.run(machine.service(), to).catch(() => undefined);
  await machine.simulation.run(died);
  if (kind === 'power') disk.crash();
  await machine.followUp();
  const how = `SEED=${SEED} ${to}: ${kind} ${moment} write point ${writePoint}`;
  const versions = await requireRight(machine, how);
  if (to === 'broken') expect(versions, how).not.toContain('broken');
  return machine.view?.phase ?? 'none';
}

describe(`an upgrade, SEED=${SEED}`, () => {
  it('goes on with the new version when that is well', async () => {
    const { versions, view } = await upgraded('well');
    expect(view).toMatchObject({ phase: 'upgraded', report: { fits: true } });
    expect(view?.state).toMatchObject({ savepointUrl: expect.stringContaining('/savepoints/') });
    expect(versions).toEqual(['first', 'well']);
  });

  it.each(['broken', 'stuck'] as const)('goes back from one that is %s', async (version) => {
    const { machine, versions, view } = await upgraded(version);
    expect(view).toMatchObject({ phase: 'gone-back', isOver: true });
    // Who asks for the job by its name means the one that runs.
    expect(machine.statuses).not.toContain('SUSPENDED');
    expect(view?.state).toMatchObject({
      why: expect.stringContaining(version === 'broken' ? 'planned by the test' : 'not well'),
    });
    expect(versions).toEqual(['first']);
  });

  it.each([
    ['other-schema', 'first'],
    ['other-name', 'first'],
  ] as const)('to %s is refused before the job is touched', async (version, expected) => {
    const { machine, versions, view } = await upgraded(version);
    expect(view).toMatchObject({ phase: 'refused', state: undefined });
    expect(versions).toEqual([expected]);
    if (version === 'other-schema') {
      expect(view?.report?.problems).toMatchObject([{ code: 'STA-002' }]);
    } else expect(String(view?.error)).toContain('JOB-062');
    const savepoints = machine.simulation.disk.files().filter(({ path }) => /^.sav/.test(path));
    expect(savepoints).toEqual([]);
  });

  it('is only checked in a dry run', async () => {
    const { versions, view } = await upgraded('well', { dryRun: true });
    expect(view).toMatchObject({ phase: 'checked', report: { fits: true }, state: undefined });
    expect(versions).toEqual(['first']);
  });

  it('never goes back behind a checkpoint, however close it comes', async () => {
    const phases = new Set<string>();
    for (let withinMs = 1; withinMs <= 60; withinMs += 1) {
      const { view } = await upgraded('slow', { withinMs });
      phases.add(view?.phase ?? '');
    }
    expect([...phases].sort()).toEqual(['gone-back', 'upgraded']);
  });

  it('to one that fails later is made all the same, and that is said', async () => {
    const machine = new Machine(SEED);
    await machine.simulation.run(machine.run(machine.service(), 'poisoned'));
    expect(machine.view).toMatchObject({ phase: 'upgraded' });
    const output = await machine.output();
    expect(output.map(({ n, seen: count }) => ({ n, seen: count }))).toEqual(
      EXPECTED.slice(0, output.length),
    );
    expect(await machine.stored()).toEqual([]);
  });

  it.for(['well', 'broken'] as const)(
    'to one that is %s ends right wherever the service dies',
    { timeout: 240_000 },
    async (version, { annotate }) => {
      const { machine } = await upgraded(version);
      const writePoints = machine.simulation.disk.writePoints();
      const phases = new Map<string, number>();
      for (let at = 1; at <= writePoints; at += 1) {
        const phase = await crashed(version, at);
        phases.set(phase, (phases.get(phase) ?? 0) + 1);
      }
      expect(phases.get(version === 'well' ? 'upgraded' : 'gone-back')).toBeGreaterThan(100);
      await annotate(`${writePoints} crash points: ${JSON.stringify([...phases])}`);
    },
  );
});
