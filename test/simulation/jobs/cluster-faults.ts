/* What may happen to the processes of a cluster, and to the network between them. */
import type { Random } from '../../../src/common/random.ts';
import type { SimulatedJob } from '../../../src/testing/simulated-job.ts';
import type { SimulatedProcess } from '../../../src/testing/index.ts';
import { slotsOf } from '../../../src/testing/simulation/simulated-slots.ts';
import { pick } from './crash-sweep.ts';
import type { PlannedFault } from './random-run.ts';

export interface ClusterFaultTarget {
  readonly machine: SimulatedJob;
  readonly abandoned: SimulatedProcess[];
}

const CLUSTER_FAULTS = [
  'kill a TaskManager',
  'kill a slot',
  'freeze a TaskManager',
  'freeze the JobManager',
  'abandon the JobManager',
  'block',
  'partition',
  'cut off',
  'break',
  'slow link',
  'no processes',
] as const;

const NOTHING = (): void => undefined;
/** Longer than a heartbeat may stay away. */
const FREEZE_MS_MAX = 8_000;
/** How often it is looked whether another one leads. */
const THAW_LOOK_MS = 20;
const PARTITION_MS_MAX = 6_000;

/** Whom it hits is drawn now, by its place among those who live when it strikes. */
export function drawClusterFault(
  { machine, abandoned }: ClusterFaultTarget,
  random: Random,
): PlannedFault {
  const { simulation } = machine;
  const { clock, network, programs } = simulation;
  const what = pick(random, CLUSTER_FAULTS);
  const [place, other, amount] = [random.next(), random.next(), random.next()];
  const taskManager = (): SimulatedProcess | undefined => at(programs.living(), place);
  const anybody = (where: number): SimulatedProcess | undefined =>
    at([machine.process, ...programs.living().flatMap(withSlots)].filter(isThere), where);
  const strike = (): (() => void) => {
    switch (what) {
      case 'kill a TaskManager':
        taskManager()?.kill();
        return NOTHING;
      case 'kill a slot':
        at(programs.living().flatMap(slotsOf), place)?.kill();
        return NOTHING;
      case 'freeze a TaskManager': {
        const frozen = taskManager();
        return frozen === undefined
          ? NOTHING
          : freeze(machine, withSlots(frozen), amount * FREEZE_MS_MAX);
      }
      case 'freeze the JobManager':
        return freeze(machine, [machine.process].filter(isThere), amount * FREEZE_MS_MAX);
      case 'abandon the JobManager': {
        // Before that it is no leader, but a submission that comes late.
        const leader = machine.hasStarted ? machine.abandon() : undefined;
        if (leader === undefined) return NOTHING;
        leader.freeze();
        abandoned.push(leader);
        // Not before another one leads: else it might end the job, and the next run were a new one.
        const thaw = (): void => {
          if (machine.process !== leader && machine.hasStarted) leader.thaw();
          else clock.after(THAW_LOOK_MS, thaw);
        };
        clock.after(amount * FREEZE_MS_MAX, thaw);
        return NOTHING;
      }
      case 'block':
        anybody(place)?.block(amount * FREEZE_MS_MAX);
        return NOTHING;
      case 'partition': {
        const [a, b] = [anybody(place), anybody(other)];
        if (a === undefined || b === undefined || a === b) return NOTHING;
        const heal = network.partition(a.name, b.name, { oneWay: amount < 0.3 });
        return healLater(machine, heal, amount * PARTITION_MS_MAX);
      }
      case 'cut off': {
        const lonely = anybody(place);
        if (lonely === undefined) return NOTHING;
        return healLater(machine, network.isolate(lonely.name), amount * PARTITION_MS_MAX);
      }
      case 'break': {
        const [a, b] = [anybody(place), anybody(other)];
        if (a !== undefined && b !== undefined) network.breakConnections(a.name, b.name);
        return NOTHING;
      }
      case 'slow link': {
        const [a, b] = [anybody(place), anybody(other)];
        if (a === undefined || b === undefined) return NOTHING;
        network.setLink(a.name, b.name, { latencyMs: amount * 200, bytesPerMs: 20 });
        return () => network.setLink(a.name, b.name, undefined);
      }
      case 'no processes':
        programs.failNext(1 + Math.floor(amount * 2));
        return () => programs.failNext(0);
    }
  };
  return { what, strike };
}

function withSlots(taskManager: SimulatedProcess): SimulatedProcess[] {
  return [taskManager, ...slotsOf(taskManager)].filter(({ alive }) => alive);
}

function freeze(
  { simulation }: SimulatedJob,
  processes: readonly SimulatedProcess[],
  forMs: number,
): () => void {
  for (const process of processes) process.freeze();
  const thaw = (): void => {
    for (const process of processes) process.thaw();
  };
  const cancel = simulation.clock.after(forMs, thaw);
  return () => {
    cancel();
    thaw();
  };
}

function healLater({ simulation }: SimulatedJob, heal: () => void, afterMs: number): () => void {
  const cancel = simulation.clock.after(afterMs, heal);
  return () => {
    cancel();
    heal();
  };
}

function at<T>(all: readonly T[], place: number): T | undefined {
  return all[Math.floor(place * all.length)];
}

function isThere(process: SimulatedProcess | undefined): process is SimulatedProcess {
  return process?.alive === true;
}
