import { fail } from 'node:assert/strict';
import type { Clock } from '../../../src/common/clock.ts';
import { EngineError } from '../../../src/common/errors.ts';
import { randomInt, type Random } from '../../../src/common/random.ts';
import { SimulatedJob, type SubmitOptions } from '../../../src/testing/simulated-job.ts';
import type { SimulatedProcess } from '../../../src/testing/index.ts';
import { problemOfAll, problemOfPart, problemOfState, visible, type Visible } from './check.ts';
import { check, pick, submitOptions, told } from './crash-sweep.ts';
import { TOPOLOGIES } from './index.ts';
import type { Topology } from './topology.ts';
import { drawClusterFault } from './cluster-faults.ts';
import { Trip, tripped } from './tripped.ts';

export interface RandomRunOptions {
  readonly seed: string;
  /** Default: drawn. */
  readonly topology?: Topology;
  /** A JobManager with TaskManagers, which are hit too, as is the network between them. */
  readonly cluster?: boolean;
  /** Gets the lines of the trace at the end, whatever it is. */
  readonly log?: (line: string) => void;
}

export interface RandomRun {
  readonly machine: SimulatedJob;
  readonly topology: Topology;
  /** What went wrong, as it was planned and as it came out. */
  readonly story: readonly string[];
}

/** Submissions with faults, before the one without. */
const LIVES_MAX = 6;

/**
 * A job that is hit by what the seed draws, time and again, until a last process may run undisturbed:
 * kills, power failures, a disk that fails, is full or slow, wall clocks that jump, functions that
 * throw. Output and state are then the model's.
 *
 * @throws what is wrong, with the seed.
 */
export async function randomRun(options: RandomRunOptions): Promise<RandomRun> {
  const { seed, log } = options;
  const machine = new SimulatedJob({
    seed,
    keepLog: log !== undefined,
    ...(options.cluster === true ? { cluster: {} } : {}),
  });
  const { random } = machine.simulation;
  // In a cluster everything may take long.
  const drawn = options.cluster === true ? TOPOLOGIES.filter(isPatient) : TOPOLOGIES;
  const topology = options.topology ?? drawn[randomInt(random, drawn.length)];
  if (topology === undefined) fail('there is no topology');
  const story: string[] = [];
  const isCluster = options.cluster === true;
  const run: Run = { machine, topology, story, trip: new Trip(), isCluster, abandoned: [] };
  try {
    await topology.prepare?.(machine);
    const lives = 1 + randomInt(random, LIVES_MAX);
    let seen: Visible = {};
    for (let life = 1; life <= lives && !(await machine.isOver()); life += 1) {
      await live(run, life);
      seen = await lookAt(run, seen);
    }
    await finish(run);
    check(problemOfAll(await visible(machine, topology), topology));
    check(await problemOfState(machine, topology));
    if (isCluster) {
      await leaveNobody(run);
      check(problemOfAll(await visible(machine, topology), topology));
    }
  } catch (error) {
    throw told(error, `SEED=${seed} ${topology.name}\n  ${story.join('\n  ')}`);
  } finally {
    if (log !== undefined) machine.simulation.log().forEach(log);
  }
  return { machine, topology, story };
}

interface Run {
  readonly machine: SimulatedJob;
  readonly topology: Topology;
  readonly story: string[];
  readonly trip: Trip;
  readonly isCluster: boolean;
  /** Leaders that were taken for dead and are not. */
  readonly abandoned: SimulatedProcess[];
}

/** One process of the job, with its faults. */
async function live(run: Run, life: number): Promise<void> {
  const { machine, topology, story, trip } = run;
  const { random } = machine.simulation;
  const parallelism = 1 + randomInt(random, 4);
  story.push(`life ${life} at parallelism ${parallelism}`);
  const heal = planFaults(run);
  const job = (world: Parameters<Topology['job']>[0]) => tripped(topology.job(world), trip);
  try {
    await machine.submit(job, optionsOf(run, parallelism));
    const outcome = await machine.outcome();
    if (outcome.kind === 'died') story.push('died');
    else {
      story.push(outcome.result.status);
      if (outcome.result.error !== undefined) requireExpected(outcome.result.error);
    }
  } catch (error) {
    story.push(`not started: ${String(error)}`);
    requireExpected(error);
  } finally {
    heal();
  }
}

/** Lost output where power failed; a leader that others took for dead; slots that were killed too often. */
const EXPECTED = ['CHK-010', 'CHK-013', 'JOB-009'];

/** What a fault may lead to: never data that is wrong, never a failed assertion of the engine. */
function requireExpected(error: unknown): void {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause.name === 'TripError' || 'errno' in cause || 'syscall' in cause) return;
    if (cause instanceof EngineError && cause.kind === 'unavailable') return;
    if (cause instanceof EngineError && EXPECTED.includes(cause.code)) return;
  }
  throw error;
}

/** With a drawn number of slots in each TaskManager, and of spares. */
function optionsOf({ machine, topology, isCluster }: Run, parallelism: number): SubmitOptions {
  const options = submitOptions(topology, parallelism);
  if (!isCluster) return options;
  const { random } = machine.simulation;
  const slotsPerTaskManager = 1 + randomInt(random, parallelism);
  return { ...options, cluster: { slotsPerTaskManager, redundant: randomInt(random, 2) } };
}

/** Everybody ends who has no job to do, also those who were cut off or frozen. */
async function leaveNobody({ machine, abandoned }: Run): Promise<void> {
  const { simulation } = machine;
  for (const process of abandoned) process.thaw();
  const gone = new Promise<void>((resolve) => {
    const look = (): void => {
      if (simulation.programs.living().length === 0) resolve();
      else simulation.clock.after(100, look);
    };
    look();
  });
  await simulation.run(gone);
}

async function finish(run: Run): Promise<void> {
  const { machine, topology, story } = run;
  const parallelism = 1 + randomInt(machine.simulation.random, 4);
  story.push(`last life at parallelism ${parallelism}`);
  const outcome = await machine.recover(topology.job, optionsOf(run, parallelism));
  if (outcome?.kind === 'died') fail('the last process died');
  if (outcome?.kind !== 'ended' || outcome.result.status === 'FINISHED') return;
  const { error, status } = outcome.result;
  throw told(error, `the last process ended as ${status}`);
}

/**
 * Nothing wrong, nothing twice, and nothing gone that was there; unless power failed, which may take
 * a name that was never synced from its folder until the job commits it once more.
 */
async function lookAt({ machine, topology, story }: Run, before: Visible): Promise<Visible> {
  const seen = await visible(machine, topology);
  check(problemOfPart(seen, topology));
  const life = story.slice(story.findLastIndex((line) => line.startsWith('life ')));
  if (life.some((line) => line.includes('power failure'))) return seen;
  for (const [folder, lines] of Object.entries(before)) {
    const gone = lines.filter((line) => seen[folder]?.includes(line) !== true);
    if (gone.length > 0) fail(`${folder} lost ${gone.join(' ')}`);
  }
  return seen;
}

/** Plans this life's faults. What is returned takes back those that did not come, and heals. */
function planFaults(run: Run): () => void {
  const { machine, story, trip } = run;
  const { random, clock, disk } = machine.simulation;
  const undo: (() => void)[] = [() => trip.arm(Infinity), () => disk.setCapacityBytes(undefined)];
  const faults = 1 + randomInt(random, 3);
  for (let i = 0; i < faults; i += 1) {
    const atMs = random.next() * 200;
    const fault =
      run.isCluster && random.next() < 0.7 ? drawClusterFault(run, random) : drawFault(run, random);
    const cancel = clock.after(atMs, () => {
      story.push(`${machine.simulation.nowMs.toFixed(1)} ms: ${fault.what}`);
      undo.push(fault.strike());
    });
    undo.push(cancel);
  }
  return () => undo.forEach((take) => take());
}

export interface PlannedFault {
  readonly what: string;
  /** Returns what takes it back. */
  readonly strike: () => () => void;
}

const FAULTS = [
  'kill',
  'power',
  'power at a write',
  'eio',
  'full',
  'slow',
  'jump',
  'throw',
] as const;

/** Looks until it is so, then acts; less and less often, since a job may wait for minutes. */
function whenever(clock: Clock, isSo: () => boolean, act: () => void): () => void {
  let cancel = NOTHING;
  const look = (afterMs: number): void => {
    if (isSo()) act();
    else cancel = clock.after(afterMs, () => look(afterMs * 1.02));
  };
  look(0.05);
  return () => cancel();
}

const NOTHING = (): void => undefined;

/** Jobs in which processing time means something, so that a jump of the clock rightly shows. */
const BY_THE_CLOCK = ['time to live', 'processing-time timers'];

/** Jobs whose inputs come in an order that waits make, which a slow start of a task undoes. */
const BY_WAITS = ['rules as broadcast state', 'tumbling windows with lateness and late data'];

function isPatient({ name }: Topology): boolean {
  return !BY_THE_CLOCK.includes(name) && !BY_WAITS.includes(name);
}

function drawFault({ machine, topology, trip }: Run, random: Random): PlannedFault {
  const { simulation } = machine;
  const { disk, clock } = simulation;
  const amount = random.next();
  switch (pick(random, FAULTS)) {
    case 'kill':
      return { what: 'kill -9', strike: () => (machine.kill(), NOTHING) };
    case 'power':
      return { what: 'power failure', strike: () => (machine.crash(), NOTHING) };
    case 'eio': {
      const times = 1 + Math.floor(amount * 8);
      const done = random.next() < 0.3;
      const what = `${times} operations fail${done ? ', though done' : ''}`;
      return { what, strike: () => disk.fail({ errno: 'EIO', times, done }) };
    }
    case 'full': {
      const forMs = 10 + amount * 200;
      return {
        what: `disk full for ${forMs.toFixed(0)} ms`,
        strike: () => {
          disk.setCapacityBytes(disk.usedBytes() + Math.floor(amount * 500));
          return clock.after(forMs, () => disk.setCapacityBytes(undefined));
        },
      };
    }
    case 'slow':
      if (BY_WAITS.includes(topology.name)) return { what: 'nothing', strike: () => NOTHING };
      return {
        what: 'slow disk',
        strike: () => disk.fail({ times: 20, delayMs: 5 + amount * 20 }),
      };
    case 'jump': {
      const ms = BY_THE_CLOCK.includes(topology.name) ? 0 : Math.floor((amount - 0.5) * 7_200_000);
      return { what: `wall clock ${ms}`, strike: () => (simulation.jumpWallClock(ms), NOTHING) };
    }
    case 'throw': {
      const calls = Math.floor(amount * 30);
      return { what: `a function throws after ${calls}`, strike: () => (trip.arm(calls), NOTHING) };
    }
    case 'power at a write':
      return {
        what: 'power failure at a write to come',
        strike: () => {
          const goal = disk.writePoints() + 1 + Math.floor(amount * 30);
          return whenever(
            clock,
            () => disk.writePoints() >= goal,
            () => machine.crash(),
          );
        },
      };
  }
}
