/*
 * Goal: a TaskManager that was frozen, was taken for dead and comes back beside the one that took its
 * place can do no harm: not even where the kill that should have made its death certain did not work.
 *
 * Method: a TaskManager and its slots are frozen for longer than a heartbeat may stay away. The kill
 * is withheld, and the JobManager told all the same that the process is over. When the job has gone on
 * with another one for some checkpoints, the old one is thawed. What is visible must be the model's at
 * each moment and in the end; the old process must have ended itself, and have changed nothing, but for
 * what was on its way into a file of its own that is not handed over, which nobody ever reads.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/withheld-kill.test.ts
 */
import { describe, expect, it } from 'vitest';
import type { Spawner } from '../../src/common/spawner.ts';
import { SimulatedJob } from '../../src/testing/simulated-job.ts';
import type { SimulatedProcess } from '../../src/testing/index.ts';
import { slotsOf } from '../../src/testing/simulation/simulated-slots.ts';
import { problemOfAll, problemOfPart, problemOfState, visible } from './jobs/check.ts';
import { check, submitOptions } from './jobs/crash-sweep.ts';
import { KEYED } from './jobs/keyed.ts';

const SEEDS = process.env.SEED ? [process.env.SEED] : Array.from({ length: 20 }, (_, n) => `w${n}`);
/** Steps that change what is on the disk. */
const CHANGES = / disk (create|write|truncate|link|rename|remove) /;
/** What was on its way when it was frozen: a file of its own that was never handed over. */
const UNREAD = / disk (create|write) \S*\/\.in-progress\//;

/** Kills do nothing, and their process counts as over. */
function withoutKills(spawner: Spawner): Spawner {
  return {
    spawn(entry, args) {
      const child = spawner.spawn(entry, args);
      let pretend = (): void => undefined;
      const pretended = new Promise<{ kind: 'killed'; signal: string }>((resolve) => {
        pretend = () => {
          resolve({ kind: 'killed', signal: 'SIGKILL' });
        };
      });
      return {
        id: child.id,
        kill: () => {
          pretend();
        },
        exited: Promise.race([child.exited, pretended]),
      };
    },
  };
}

function all(taskManager: SimulatedProcess): SimulatedProcess[] {
  return [taskManager, ...slotsOf(taskManager)];
}

describe.each(SEEDS)('SEED=%s', (seed) => {
  it('ends itself and writes nothing that anybody reads', async () => {
    const [topology] = KEYED;
    if (topology === undefined) expect.unreachable();
    const machine = new SimulatedJob({
      seed,
      keepLog: true,
      cluster: { slotsPerTaskManager: 1, redundant: 1, wrapSpawner: withoutKills },
    });
    const { simulation } = machine;
    await topology.prepare?.(machine);
    await machine.submit(topology.job, submitOptions(topology, 2));
    await machine.runUntil(() => machine.completedCheckpoints() >= 2);
    const [old] = simulation.programs.living();
    if (old === undefined) expect.unreachable();
    for (const process of all(old)) process.freeze();
    const isRunningAgain = (): boolean => machine.events.some(({ kind }) => kind === 'restarted');
    await machine.runUntil(isRunningAgain);
    expect(isRunningAgain()).toBe(true);
    const since = simulation.log().length;
    for (const process of all(old)) process.thaw();
    await machine.runUntil(() => !old.alive);
    check(problemOfPart(await visible(machine, topology), topology));
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED', restarts: 1 });
    check(problemOfAll(await visible(machine, topology), topology));
    check(await problemOfState(machine, topology));
    expect(old.alive).toBe(false);
    const names = all(old).map(({ id }) => id);
    const changed = (lines: readonly string[]): string[] =>
      lines.filter((line) => CHANGES.test(line) && names.some((id) => line.includes(` ${id} `)));
    const afterwards = changed(simulation.log().slice(since));
    expect(afterwards.filter((line) => !UNREAD.test(line))).toEqual([]);
    // It would show: until it was frozen it did.
    expect(changed(simulation.log().slice(0, since))).not.toEqual([]);
  });
});
