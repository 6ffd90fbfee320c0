import { fail } from 'node:assert/strict';
import { randomInt, type Random } from '../../../src/common/random.ts';
import {
  SimulatedJob,
  type Outcome,
  type SubmitOptions,
} from '../../../src/testing/simulated-job.ts';
import { seededRandom } from '../../../src/testing/index.ts';
import { problemOfAll, problemOfPart, problemOfState, visible } from './check.ts';
import type { Topology } from './topology.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** One blow at one write point, and what the job is resumed with. */
export interface Blow {
  readonly writePoint: number;
  readonly moment: 'before' | 'after';
  readonly kind: 'kill' | 'power';
  readonly parallelism: number;
}

export interface SweepOptions {
  readonly topology: Topology;
  readonly seed: string;
  /** Default true. Without them nothing may be left of the job but its output. */
  readonly keepCheckpoints?: boolean;
}

/** Runs the job once without a crash, and says how many write points there are. */
export async function undisturbed({ topology, ...options }: SweepOptions): Promise<number> {
  const machine = await machineFor(topology, options.seed);
  const before = machine.simulation.disk.writePoints();
  await machine.submit(
    topology.job,
    submitOptions(topology, firstParallelism(options.seed), options),
  );
  const result = await machine.runToEnd();
  const writePoints = machine.simulation.disk.writePoints() - before;
  await requireEnd(machine, { topology, ...options }, result.status);
  return writePoints;
}

/** The blow at a write point: all of it follows from the seed. */
export function blowAt(seed: string, writePoint: number): Blow {
  const random = seededRandom(`${seed} ${writePoint}`);
  return {
    writePoint,
    moment: random.next() < 0.5 ? 'before' : 'after',
    kind: writePoint % 2 === 0 ? 'kill' : 'power',
    parallelism: 1 + randomInt(random, 3),
  };
}

/**
 * Crashes at the write point, looks, goes on to the end, and looks again.
 *
 * @throws what is wrong, with the blow.
 */
export async function crashed(options: SweepOptions, blow: Blow): Promise<SimulatedJob> {
  const { topology, seed } = options;
  const machine = await machineFor(topology, seed);
  try {
    const { disk } = machine.simulation;
    const died = disk.crashAt(disk.writePoints() + blow.writePoint, blow.moment);
    const first = submitOptions(topology, firstParallelism(seed), options);
    await machine.submit(topology.job, first);
    const outcome = await machine.outcome();
    if (outcome.kind !== 'died') fail(`the job did not come to write point ${blow.writePoint}`);
    const point = await machine.simulation.run(died);
    machine.simulation.trace(`died at ${point.operation} ${point.path}`);
    if (blow.kind === 'power') machine.crash();
    check(problemOfPart(await visible(machine, topology), topology));
    const again = submitOptions(topology, blow.parallelism, options);
    // What a dead process was writing is anybody's to remove a day later.
    if (options.keepCheckpoints === false) machine.simulation.jumpWallClock(2 * DAY_MS);
    const recovered = await machine.recover(topology.job, again);
    const status = recovered?.kind === 'ended' ? recovered.result.status : 'FINISHED';
    await requireEnd(machine, options, status);
    if (options.keepCheckpoints === false) await requireNothingLeft(machine, options, recovered);
  } catch (error) {
    throw told(error, `SEED=${seed} ${topology.name}: ${JSON.stringify(blow)}`);
  }
  return machine;
}

async function requireEnd(
  machine: SimulatedJob,
  { topology, keepCheckpoints = true }: SweepOptions,
  status: string,
): Promise<void> {
  if (status !== 'FINISHED') {
    const failure = machine.events.findLast(({ kind }) => kind === 'failure');
    const error = failure?.kind === 'failure' ? failure.error : undefined;
    fail(
      `the job ended as ${status}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`,
    );
  }
  check(problemOfAll(await visible(machine, topology), topology));
  if (keepCheckpoints) check(await problemOfState(machine, topology));
}

/** A process that died after the job's end has no heir before the job is run anew. */
async function requireNothingLeft(
  machine: SimulatedJob,
  { topology }: SweepOptions,
  recovered: Outcome | undefined,
): Promise<void> {
  if (recovered === undefined) {
    await machine.submit(topology.job, submitOptions(topology, 1, { keepCheckpoints: false }));
    await machine.runToEnd();
  }
  check(problemOfOrphans(machine, topology));
}

/** `HEAD` and the by-name record say that the job has ended; else there is only input and output. */
export function problemOfOrphans(machine: SimulatedJob, topology: Topology): string | undefined {
  const folders = Object.keys(topology.output);
  const orphans = machine.simulation.disk
    .files()
    .map(({ path }) => path)
    .filter((path) => !path.startsWith('/in/'))
    .filter((path) => !/^\/checkpoints\/(by-name\/|[0-9a-f]{32}\/HEAD)/.test(path))
    .filter((path) => !folders.some((folder) => isFinished(folder, path)));
  return orphans.length === 0 ? undefined : `left over: ${orphans.join(' ')}`;
}

function isFinished(folder: string, path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return path.startsWith(`${folder}/`) && /^[\w]/.test(name) && !path.includes('/_');
}

export async function machineFor(topology: Topology, seed: string): Promise<SimulatedJob> {
  const machine = new SimulatedJob({ seed });
  await topology.prepare?.(machine);
  return machine;
}

export function submitOptions(
  topology: Topology,
  parallelism: number,
  { keepCheckpoints = true }: { readonly keepCheckpoints?: boolean } = {},
): SubmitOptions {
  const { settings = {} } = topology;
  return { parallelism, settings, keepCheckpoints };
}

function firstParallelism(seed: string): number {
  return 1 + randomInt(seededRandom(`${seed} first`), 3);
}

export function pick<T>(random: Random, values: readonly [T, ...T[]]): T {
  return values[randomInt(random, values.length)] ?? values[0];
}

export function check(problem: string | undefined): void {
  if (problem !== undefined) fail(problem);
}

/** The error with what it takes to see it again. */
export function told(error: unknown, how: string): unknown {
  if (!(error instanceof Error)) return error;
  const { message } = error;
  error.message = `${how}\n${message}`;
  if (error.stack !== undefined) error.stack = error.stack.replace(message, () => error.message);
  return error;
}
