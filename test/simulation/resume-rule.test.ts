/*
 * Goal: what a submission restores, and what it says, for each way in which the last run of its name can
 * have ended and each way to start.
 *
 * Method: a table. Each run ends in one of six ways, behind a savepoint and checkpoints, and is followed
 * by one start of each kind. What is expected stands in the table and nowhere else.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/resume-rule.test.ts
 */
import { fail } from 'node:assert/strict';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { disposeSavepoint } from '../../src/checkpoint/dispose-savepoint.ts';
import { listSnapshots, type SnapshotList } from '../../src/checkpoint/snapshot-list.ts';
import { openStore } from '../../src/cluster/open-store.ts';
import { defineJob, listState } from '../../src/index.ts';
import { defaultSettings } from '../../src/settings/parse-settings.ts';
import type { BlobStore } from '../../src/storage/blob-store.ts';
import { CHECKPOINTS, SimulatedJob, type SubmitOptions } from '../../src/testing/simulated-job.ts';
import { every, scripted } from './jobs/scripted-source.ts';
import { stopped } from './jobs/stopping.ts';
import { items, out, type Item } from './jobs/topology.ts';

const SEED = process.env.SEED ?? '1';
const COUNT = 60;
const INPUT = items(COUNT, 7);
const seen = listState('seen', z.number());

/** @param uid Of the operator with state. */
function keeper(uid: string, throwsAt = Infinity) {
  return defineJob('keeper', (env) => {
    env
      .fromSource('items', scripted(every(3, INPUT)))
      .keyBy(({ key }) => key)
      .process(uid, { seen }, (item, { state, out: output }) => {
        if (item.n === throwsAt) throw new TypeError('planned by the test');
        state.seen.add(item.n);
        output.emit(item);
      })
      .sinkTo('out', out('/out'));
  });
}

const ENDINGS = ['killed', 'power failure', 'failed', 'canceled', 'finished', 'stopped'] as const;
type Ending = (typeof ENDINGS)[number];
const STARTS = ['plain', 'fresh', 'path', 'latest', 'savepoint-latest', 'dropping'] as const;
type Start = (typeof STARTS)[number];

/** `resumed`: under the same job id. `newest`: of all snapshots; `savepoint`: the one from between. */
interface Expected {
  readonly restores: 'nothing' | 'newest' | 'savepoint';
  readonly resumed: boolean;
  readonly says: RegExp;
}

const RESUMES: Expected = {
  restores: 'newest',
  resumed: true,
  says: /The last run of 'keeper' \(job [0-9a-f]{32}\) did not end\.\nRestoring job from latest checkpoint\nCheckpoint restored from file:/,
};
const FRESH: Expected = {
  restores: 'nothing',
  resumed: false,
  says: /^Starting fresh, as asked by --fresh\.\nLeft aside: checkpoint \S+\/chk-\d+\. To restore it: -s file:/,
};
const NAMED: Expected = {
  restores: 'newest',
  resumed: false,
  says: /^Restoring job from file:\S+$/m,
};
const OF_SAVEPOINT: Expected = { ...NAMED, restores: 'savepoint' };
const ASIDE = 'Left aside: checkpoint \\S+/chk-\\d+\\. To restore it: -s file:';

function starts(plain: Expected, aside = FRESH): Record<Start, Expected> {
  return {
    plain,
    fresh: aside,
    path: NAMED,
    latest: NAMED,
    'savepoint-latest': OF_SAVEPOINT,
    dropping: NAMED,
  };
}

function startsFresh(how: string, aside = ASIDE): Expected {
  const says = new RegExp(`^The last run of 'keeper' ${how}: starting fresh\\.\\n${aside}`);
  return { restores: 'nothing', resumed: false, says };
}

const LEFT_SAVEPOINT = 'Left aside: savepoint (\\S+)\\. To restore it: -s \\1$';

const TABLE: Record<Ending, Record<Start, Expected>> = {
  killed: starts(RESUMES),
  'power failure': starts(RESUMES),
  failed: starts({ ...RESUMES, says: /failed\.\nRestoring job from latest checkpoint\n/ }),
  canceled: starts(startsFresh('was cancelled')),
  finished: starts(startsFresh('finished')),
  // The savepoint that it was stopped with is the newest of all.
  stopped: {
    ...starts(startsFresh('was stopped with a savepoint', LEFT_SAVEPOINT), {
      ...FRESH,
      says: new RegExp(`^Starting fresh, as asked by --fresh\\.\\n${LEFT_SAVEPOINT}`),
    }),
    'savepoint-latest': NAMED,
  },
};

interface Ended {
  readonly machine: SimulatedJob;
  readonly jobId: string;
  readonly savepoint: string;
  /** The newest snapshot's. */
  readonly newest: { readonly checkpointId: number; readonly url: string };
}

async function endedAs(ending: Ending): Promise<Ended> {
  const machine = new SimulatedJob({ seed: `${SEED} ${ending}` });
  const settings = { 'restart-strategy.type': 'none' };
  const job = keeper('keep', ending === 'failed' ? 45 : Infinity);
  await machine.submit(job, { parallelism: 2, settings });
  await machine.runUntil(() => machine.completedCheckpoints() >= 1);
  const notes = { label: 'pre-deploy', who: 'ann', why: 'to be sure', pin: true };
  const taken = await machine.request({ kind: 'savepoint', directory: undefined, notes });
  if (taken?.kind !== 'completed') fail(`the savepoint is ${JSON.stringify(taken)}`);
  const goal = machine.completedCheckpoints() + 1;
  await machine.runUntil(() => machine.completedCheckpoints() >= goal);
  const { jobId } = machine.running;
  if (ending === 'killed') machine.kill();
  if (ending === 'power failure') machine.crash();
  if (ending === 'canceled') machine.running.cancel();
  if (ending === 'stopped') await stopped(machine);
  const outcome = await machine.outcome();
  expect(outcome.kind).toBe(/killed|power/.test(ending) ? 'died' : 'ended');
  const checkpointId = (await machine.latest())?.checkpointId ?? fail('there is no checkpoint');
  const { snapshots } = await list(machine);
  const newest = snapshots.find((one) => one.checkpointId === checkpointId);
  expect(snapshots[0]).toEqual(newest);
  return { machine, jobId, savepoint: taken.url, newest: newest ?? fail('it is not listed') };
}

function list(machine: SimulatedJob, folder = CHECKPOINTS): Promise<SnapshotList> {
  const process = machine.simulation.process('list');
  const store = openStore(folder, process, defaultSettings());
  return machine.simulation.run(process.start(() => listSnapshots(store, { verify: true })));
}

function optionsOf(start: Start, { newest }: Ended): SubmitOptions {
  const named = (path: string) => ({ from: { kind: 'snapshot', path } as const });
  switch (start) {
    case 'plain':
      return {};
    case 'fresh':
      return { from: { kind: 'fresh' } };
    case 'path':
      return named(newest.url);
    case 'latest':
      return named('latest');
    case 'savepoint-latest':
      return named(`${CHECKPOINTS}/savepoint-latest`);
    case 'dropping':
      return { ...named(newest.url), allowNonRestoredState: true };
  }
}

describe.each(ENDINGS)(`the last run: %s, SEED=${SEED}`, (ending) => {
  it.each(STARTS)('%s', async (start) => {
    const ended = await endedAs(ending);
    const { machine } = ended;
    const { restores, resumed, says } = TABLE[ending][start];
    const options = optionsOf(start, ended);
    const job = keeper(start === 'dropping' ? 'other' : 'keep');
    if (start === 'dropping') {
      const refused = machine.submit(job, { ...options, allowNonRestoredState: false });
      await refused.then(
        () => machine.runToEnd(),
        () => undefined,
      );
      expect(failures(machine)).toContain('CHK-004');
    }
    machine.events.length = 0;
    await machine.submit(job, { parallelism: 3, ...options });
    const [first] = machine.events.filter(({ kind }) => kind === 'starting');
    if (first?.kind !== 'starting') fail('it does not say how it starts');
    expect(first.messages.join('\n')).toMatch(says);
    expect(first.jobId === ended.jobId).toBe(resumed);
    const wanted = await idOf(ended, restores);
    expect(first.restoredCheckpoint).toBe(wanted);
    const { status } = await machine.runToEnd();
    expect(status).toBe('FINISHED');
    const warnings = machine.events.flatMap((e) => (e.kind === 'warning' ? [e.message] : []));
    const dropped = warnings.some((message) => message.startsWith('State of keep is dropped'));
    expect(dropped).toBe(start === 'dropping');
  });
});

function failures(machine: SimulatedJob): string {
  return machine.events.map((e) => (e.kind === 'failure' ? String(e.error) : '')).join('\n');
}

async function idOf({ machine, newest, savepoint }: Ended, what: Expected['restores']) {
  if (what === 'nothing') return undefined;
  if (what === 'newest') return newest.checkpointId;
  const { snapshots } = await list(machine);
  return snapshots.find(({ url }) => url === savepoint)?.checkpointId;
}

describe(`savepoints, SEED=${SEED}`, () => {
  it('are listed with what users said of them, beside the checkpoints of all jobs', async () => {
    const { machine, savepoint, newest, jobId } = await endedAs('canceled');
    const { snapshots, unreadable } = await list(machine);
    expect(unreadable).toEqual([]);
    expect(snapshots.map(({ url }) => url)).toEqual([newest.url, savepoint]);
    expect(savepoint).toMatch(new RegExp(`/savepoint-${jobId.slice(0, 6)}-[0-9a-f]{12}$`));
    const notes = { label: 'pre-deploy', who: 'ann', why: 'to be sure', pin: true };
    expect(snapshots[1]).toMatchObject({ ...notes, jobId, jobName: 'keeper', complete: true });
    expect(snapshots.map(({ verified }) => verified)).toEqual([true, true]);
    expect(Math.min(...snapshots.map(({ folderBytes }) => folderBytes))).toBeGreaterThan(0);
  });

  it('go to the folder of the settings, and are found there', async () => {
    const machine = new SimulatedJob({ seed: `${SEED} folder` });
    const settings = { 'execution.checkpointing.savepoint-dir': '/savepoints' };
    await machine.submit(keeper('keep'), { parallelism: 2, settings });
    await machine.runUntil(() => machine.completedCheckpoints() >= 2);
    const url = await stopped(machine);
    expect(url).toMatch(/^file:\/\/\/savepoints\/savepoint-/);
    const from = { kind: 'snapshot', path: 'latest' } as const;
    await machine.submit(keeper('keep'), { settings, from });
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
    await requireAll(machine);
  });

  it('say so where there is none', async () => {
    const machine = new SimulatedJob({ seed: SEED });
    for (const path of ['latest', '/nowhere/savepoint-latest']) {
      const from = { kind: 'snapshot', path } as const;
      await expect(machine.submit(keeper('keep'), { from })).rejects.toMatchObject({
        code: 'CHK-020',
      });
    }
  });

  it('can be moved, and restored on another machine with nothing else', async () => {
    const first = new SimulatedJob({ seed: `${SEED} moved` });
    await first.submit(keeper('keep'), { parallelism: 3 });
    await first.runUntil(() => first.completedCheckpoints() >= 2);
    const url = await stopped(first);
    const before = numbers(await first.jsonLines('/out'));
    const second = new SimulatedJob({ seed: `${SEED} second machine` });
    await copy(first, second, url.replace('file://', ''), '/moved/by/hand');
    const from = { kind: 'snapshot', path: '/moved/by/hand' } as const;
    await second.submit(keeper('keep'), { parallelism: 2, from });
    expect(await second.runToEnd()).toMatchObject({ status: 'FINISHED' });
    const after = numbers(await second.jsonLines('/out'));
    expect([...before, ...after].sort((a, b) => a - b)).toEqual(INPUT.map(({ n }) => n));
  });

  it('are not needed for a job to resume elsewhere: the checkpoint storage is enough', async () => {
    const { machine: first } = await endedAs('killed');
    const second = new SimulatedJob({ seed: `${SEED} other machine` });
    await copy(first, second, CHECKPOINTS, CHECKPOINTS);
    await copy(first, second, '/out', '/out');
    await second.submit(keeper('keep'), { parallelism: 2 });
    expect(await second.runToEnd()).toMatchObject({ status: 'FINISHED' });
    await requireAll(second);
  });

  it('are disposed of, unless pinned, in use, or none at all', async () => {
    const { machine, savepoint, newest } = await endedAs('stopped');
    const process = machine.simulation.process('dispose');
    const stores = storesOf((folder) => openStore(folder, process, defaultSettings()));
    const dispose = (path: string, force = false) =>
      machine.simulation.run(process.start(() => disposeSavepoint(stores, path, { force })));
    await expect(dispose(savepoint)).rejects.toMatchObject({ code: 'CHK-022' });
    expect(await dispose(savepoint, true)).toBe(savepoint);
    await expect(dispose(savepoint, true)).rejects.toMatchObject({ code: 'CHK-006' });
    const from = { kind: 'snapshot', path: newest.url } as const;
    await machine.submit(keeper('keep'), { from });
    machine.kill();
    await expect(dispose(newest.url, true)).rejects.toMatchObject({ code: 'CHK-023' });
    await machine.submit(keeper('keep'));
    await machine.runUntil(() => machine.completedCheckpoints() >= 6);
    expect(await dispose(newest.url)).toBe(newest.url);
    const { url } = (await list(machine)).snapshots[0] ?? fail('there is no checkpoint');
    await expect(dispose(url)).rejects.toMatchObject({ code: 'CHK-021' });
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
    await requireAll(machine);
  });

  it.each(['CLAIM', 'NO_CLAIM'] as const)('and checkpoints go with the claim, %s', async (mode) => {
    for (const ending of ['stopped', 'canceled', 'killed'] as const) {
      const { machine, newest, jobId, savepoint } = await endedAs(ending);
      const from = { kind: 'snapshot', path: newest.url, claimMode: mode } as const;
      const goal = machine.completedCheckpoints() + 1;
      await machine.submit(keeper('keep'), { parallelism: 2, from });
      await machine.runUntil(() => machine.completedCheckpoints() >= goal);
      machine.kill();
      await machine.submit(keeper('keep'), { parallelism: 3 });
      expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
      await requireAll(machine);
      const left = await list(machine);
      const urls = left.snapshots.map(({ url }) => url);
      expect(urls.includes(newest.url)).toBe(mode === 'NO_CLAIM');
      expect(urls).toContain(savepoint);
      expect(left.snapshots.every(({ verified }) => verified === true)).toBe(true);
      const old = machine.simulation.disk.files().filter(({ path }) => path.includes(jobId));
      const data = old.filter(({ path }) => !/\/HEAD\//.test(path));
      if (mode === 'CLAIM') expect(data).toEqual([]);
    }
  });

  it('that are pinned are not claimed', async () => {
    const { machine, savepoint } = await endedAs('stopped');
    const from = { kind: 'snapshot', path: savepoint, claimMode: 'CLAIM' } as const;
    await expect(machine.submit(keeper('keep'), { from })).rejects.toMatchObject({
      code: 'CHK-022',
    });
  });

  it('that a crash left half done go with the next run', async () => {
    let left = 0;
    // Until half a savepoint is there other things are written, too: a checkpoint, and what a sweep removes.
    for (let at = 1; at <= 60; at += 1) {
      const machine = new SimulatedJob({ seed: `${SEED} half ${at}` });
      await machine.submit(keeper('keep'), { parallelism: 2 });
      await machine.runUntil(() => machine.completedCheckpoints() >= 1);
      const { disk } = machine.simulation;
      void disk.crashAt(disk.writePoints() + at, 'after');
      await machine.request({ kind: 'savepoint', directory: undefined, notes: {} });
      if ((await machine.outcome()).kind !== 'died') break;
      const half = disk.files().some(({ path }) => path.endsWith('/_in-progress'));
      if (half) left += 1;
      await machine.submit(keeper('keep'));
      expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
      await requireAll(machine);
      const files = disk.files().map(({ path }) => path);
      expect(files.filter((path) => path.endsWith('/_in-progress'))).toEqual([]);
    }
    expect(left).toBeGreaterThan(0);
  });
});

function storesOf(open: (folder: string) => BlobStore) {
  return { store: open(CHECKPOINTS), openStore: open };
}

/** All files of one machine's folder, to a folder of another. */
async function copy(from: SimulatedJob, to: SimulatedJob, folder: string, target: string) {
  const process = from.simulation.process('copy');
  for (const { path } of from.simulation.disk.files()) {
    if (!path.startsWith(`${folder}/`)) continue;
    const bytes = await from.simulation.run(process.start(() => process.fs.readFile(path)));
    await to.write(`${target}${path.slice(folder.length)}`, bytes);
  }
}

async function requireAll(machine: SimulatedJob): Promise<void> {
  expect(numbers(await machine.jsonLines('/out'))).toEqual(INPUT.map(({ n }) => n));
}

function numbers(lines: readonly unknown[]): number[] {
  return lines.map((line) => (line as Item).n).sort((a, b) => a - b);
}
