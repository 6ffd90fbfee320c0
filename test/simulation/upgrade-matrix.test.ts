/*
 * Goal: what an upgrade check says of a change is what a restore then does: the same verdict, and, where it is
 * refused, the same error.
 *
 * Method: a job runs on a simulated machine, completes checkpoints and is killed. Each changed job is checked
 * against its latest checkpoint, and then started for real on the same disk.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/upgrade-matrix.test.ts
 */
import { fail } from 'node:assert/strict';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readHead, readRetained } from '../../src/checkpoint/head.ts';
import { checkUpgrade, type UpgradeReport } from '../../src/cluster/upgrade/check-upgrade.ts';
import { EngineError } from '../../src/common/errors.ts';
import { buildJobGraph } from '../../src/graph/build-job-graph.ts';
import {
  defineJob,
  listState,
  mapState,
  toSerializer,
  valueState,
  type JobDefinition,
  type SchemaOf,
} from '../../src/index.ts';
import { parseSettings } from '../../src/settings/parse-settings.ts';
import { FileBlobStore } from '../../src/storage/file-blob-store.ts';
import { CHECKPOINTS, SimulatedJob } from '../../src/testing/simulated-job.ts';
import { every, scripted } from './jobs/scripted-source.ts';
import { items, out } from './jobs/topology.ts';

const SEED = process.env.SEED ?? '1';
const INPUT = items(120, 11);
const Count = z.object({ n: z.number(), last: z.number() });

interface Shape {
  readonly uid?: string;
  readonly state?: SchemaOf<unknown>;
  readonly name?: string;
  readonly isList?: boolean;
  /** One more operator with state. */
  readonly extra?: boolean;
  /** One more state of the same operator. */
  readonly second?: boolean;
  /** Without the operator that has state. */
  readonly without?: boolean;
  /** A map where a name was before it. */
  readonly mapUid?: string;
  /** `reduce` has no timers. */
  readonly timers?: boolean;
  readonly mapKey?: SchemaOf<unknown>;
}

/** One job in all its versions. */
function version(shape: Shape = {}): JobDefinition<undefined> {
  const { uid = 'count', name = 'count', state = Count } = shape;
  const value = valueState(name, state as SchemaOf<z.infer<typeof Count>>);
  const list = listState(name, Count);
  const second = valueState('second', z.number());
  const byKind = mapState('by-kind', (shape.mapKey ?? z.string()) as SchemaOf<string>, z.number());
  return defineJob('upgraded', (env) => {
    const read = env
      .fromSource('items', scripted(every(3, INPUT)))
      .map(shape.mapUid ?? 'same', (item) => item);
    const keyed = read.keyBy(({ key }) => key);
    if (shape.without !== true) {
      const states = {
        value,
        byKind,
        ...(shape.isList === true ? { value: list } : {}),
        ...(shape.second === true ? { second } : {}),
      };
      keyed
        .process(uid, states as { value: typeof value; byKind: typeof byKind }, {
          processElement(item, { state: states_, timers, out: output }) {
            if (shape.isList === true) states_.value.clear();
            else {
              const before = states_.value.value() ?? { n: 0, last: 0 };
              const next = { ...before, n: before.n + 1 };
              states_.value.update(shape.state === Shrunk ? next : { ...next, last: item.n });
            }
            states_.byKind.put(`kind ${item.n % 3}` as never, item.n);
            if (shape.timers !== false) timers.processingTime(9e14 + item.n);
            output.emit(item);
          },
          onTimer() {
            // Far away.
          },
        })
        .sinkTo('out', out('/out'));
    } else {
      read.sinkTo('out', out('/out'));
    }
    if (shape.extra === true) {
      keyed
        .process('extra', { second }, (item, { state: { second: seen } }) => {
          seen.update(item.n);
        })
        .sinkTo('nothing', out('/nothing'));
    }
  });
}

interface Change {
  readonly name: string;
  readonly to: Shape;
  readonly parallelism?: number;
  readonly allow?: boolean;
  /** The code that the restore ends with; none: it goes on. */
  readonly refused?: string;
  /** Verdicts that must stand in the report, as `uid` or `uid/state`. */
  readonly verdicts: Readonly<Record<string, string>>;
}

const Grown = z.object({ n: z.number(), last: z.number(), seen: z.string().default('never') });
const Optional = z.object({ n: z.number(), last: z.number(), seen: z.string().optional() });
const Required = z.object({ n: z.number(), last: z.number(), seen: z.string() });
const Shrunk = z.object({ n: z.number() });
const Other = z.object({ n: z.string(), last: z.number() });
const Wider = z.object({ n: z.union([z.number(), z.string()]), last: z.number() });
const Migrated = toSerializer(Required, {
  migrate: (old) => ({ ...(old as z.infer<typeof Count>), seen: 'before' }),
});

const CHANGES: readonly Change[] = [
  { name: 'nothing', to: {}, verdicts: { count: 'same', 'count/count': 'same' } },
  { name: 'an added uid', to: { extra: true }, verdicts: { extra: 'new', count: 'same' } },
  {
    name: 'a renamed uid without state',
    to: { mapUid: 'other' },
    verdicts: { other: 'new', same: 'same' },
  },
  {
    name: 'a removed uid',
    to: { without: true },
    refused: 'CHK-004',
    verdicts: { count: 'refuse' },
  },
  {
    name: 'a removed uid, given up',
    to: { without: true },
    allow: true,
    verdicts: { count: 'drop' },
  },
  {
    name: 'a renamed uid',
    to: { uid: 'counted' },
    refused: 'CHK-004',
    verdicts: { count: 'refuse', counted: 'new' },
  },
  {
    name: 'a renamed uid, given up',
    to: { uid: 'counted' },
    allow: true,
    verdicts: { count: 'drop', counted: 'new' },
  },
  { name: 'an added state', to: { second: true }, verdicts: { 'count/second': 'new' } },
  {
    name: 'a renamed state',
    to: { name: 'counts' },
    refused: 'RUN-005',
    verdicts: { 'count/count': 'refuse', 'count/counts': 'new' },
  },
  {
    name: 'a renamed state, given up',
    to: { name: 'counts' },
    allow: true,
    verdicts: { 'count/count': 'drop', 'count/counts': 'new' },
  },
  { name: 'a field with a default', to: { state: Grown }, verdicts: { 'count/count': 'migrate' } },
  { name: 'an optional field', to: { state: Optional }, verdicts: { 'count/count': 'migrate' } },
  { name: 'a removed field', to: { state: Shrunk }, verdicts: { 'count/count': 'migrate' } },
  { name: 'a wider type', to: { state: Wider }, verdicts: { 'count/count': 'migrate' } },
  {
    name: 'a required field with a migration',
    to: { state: Migrated },
    verdicts: { 'count/count': 'migrate' },
  },
  {
    name: 'a required field',
    to: { state: Required },
    refused: 'STA-002',
    verdicts: { 'count/count': 'refuse' },
  },
  {
    name: 'another type',
    to: { state: Other },
    refused: 'STA-002',
    verdicts: { 'count/count': 'refuse' },
  },
  {
    name: 'another kind',
    to: { isList: true },
    refused: 'STA-003',
    verdicts: { 'count/count': 'refuse' },
  },
  {
    name: "another type of a map's keys",
    to: { mapKey: z.number() },
    refused: 'STA-002',
    verdicts: { 'count/by-kind': 'refuse' },
  },
  { name: 'more subtasks', to: {}, parallelism: 5, verdicts: { count: 'same' } },
  { name: 'fewer subtasks', to: {}, parallelism: 1, verdicts: { count: 'same' } },
  {
    name: 'more subtasks and a field',
    to: { state: Grown },
    parallelism: 3,
    verdicts: { count: 'migrate' },
  },
];

describe(`an upgrade, SEED=${SEED}`, () => {
  it.each(CHANGES)('with $name is predicted', async (change) => {
    const { to, parallelism = 2, allow = false, refused, verdicts } = change;
    const machine = new SimulatedJob({ seed: `${SEED} ${change.name}` });
    await machine.submit(version(), { parallelism: 2 });
    await machine.runUntil(() => machine.completedCheckpoints() >= 4);
    machine.kill();

    const report = await predict(machine, version(to), parallelism, allow);
    expect(report.problems.map(({ code }) => code)[0]).toBe(refused);
    expect(report.fits).toBe(refused === undefined);
    expect(verdictsOf(report)).toMatchObject(verdicts);

    const settings = { 'restart-strategy.type': 'none' };
    const options = { parallelism, allowNonRestoredState: allow, settings };
    expect(await resultOf(machine, version(to), options)).toBe(refused);
  });
});

function verdictsOf({ operators }: UpgradeReport): Readonly<Record<string, string>> {
  return Object.fromEntries<string>(
    operators.flatMap(({ uid, verdict, states }): (readonly [string, string])[] => [
      [uid, verdict],
      ...states.map(({ name, verdict: each }) => [`${uid}/${name}`, each] as const),
    ]),
  );
}

async function predict(
  machine: SimulatedJob,
  job: JobDefinition<undefined>,
  parallelism: number,
  allowNonRestoredState: boolean,
): Promise<UpgradeReport> {
  const jobId = (await machine.record())?.jobId ?? fail('the job has not run');
  const process = machine.simulation.process('check');
  const check = process.start(async (): Promise<UpgradeReport> => {
    const store = new FileBlobStore(process.fs, CHECKPOINTS, process.random);
    const head = await readHead(store, jobId);
    const entry = head?.head.checkpoints.at(-1) ?? fail('there is no checkpoint');
    const found = await readRetained(store, entry);
    const flink = parseSettings({ env: {}, dynamic: {}, cores: 1 });
    const { maxParallelism } = found.metadata;
    const graph = buildJobGraph(job.build(undefined, flink).graph, { parallelism, maxParallelism });
    return checkUpgrade({ graph, found, store, allowNonRestoredState });
  });
  return machine.simulation.run(check);
}

/** The code of the error that the job ends with; undefined if it runs to its end. */
async function resultOf(
  machine: SimulatedJob,
  job: JobDefinition<undefined>,
  options: Parameters<SimulatedJob['submit']>[1],
): Promise<string | undefined> {
  try {
    await machine.submit(job, options);
    const { status, error } = await machine.runToEnd();
    if (status === 'FINISHED') return undefined;
    return error instanceof EngineError ? error.code : String(error);
  } catch (error) {
    return error instanceof EngineError ? error.code : String(error);
  }
}
