/*
 * Goal: whatever processes and slots do, a deployment hears of it, a position has a TaskManager again
 * when it needs one, nothing starts hot, and nobody takes a place before it is certainly free.
 * Method: the pool, with real TaskManagers behind it, in one thread: the test's own processes, slots and
 * connections, and a clock that it moves. What a slot does when it is told something is the test's to say.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  FakeProcess,
  FakeProcesses,
  KILLED,
  REFUSAL,
} from '../../../test/support/fake-processes.ts';
import { transferError } from '../../common/error-transfer.ts';
import type { ExecutionPlan } from '../../graph/execution-plan.ts';
import { channelBroken } from '../../runtime/errors.ts';
import type { TaskGateway, TaskId } from '../../runtime/gateways.ts';
import type { Deployment } from '../deployment.ts';
import type { JobEvent } from '../job-events.ts';
import type { SlotData, SlotDeploy } from '../task-manager/slot-protocol.ts';
import { TaskManagers } from './task-managers.ts';

const DATA = { planHash: 'x' } as unknown as SlotData;

/** Two vertices with a hash edge between them: slots exchange records. */
function planOf(parallelism: number): ExecutionPlan {
  const vertex = { parallelism, operators: [{ uid: 'a', kind: 'map' as const }] };
  const edge = { id: 'e', fromVertex: 'a', toVertex: 'b', partitioner: 'hash' as const };
  return {
    jobName: 'job',
    maxParallelism: 128,
    vertices: [
      { ...vertex, id: 'a', name: 'first', inputs: [] },
      { ...vertex, id: 'b', name: 'second', inputs: [edge] },
    ],
    regions: [['a', 'b']],
  };
}

class Attempt {
  readonly deployment: Deployment;
  readonly running: TaskId[] = [];
  readonly failures: unknown[] = [];
  gateways: ReadonlyMap<string, TaskGateway> = new Map();

  constructor(pool: TaskManagers, attempt: number) {
    this.deployment = pool.makeDeployment();
    this.gateways = this.deployment.deploy({
      attempt,
      vertices: ['a', 'b'],
      restore: undefined,
      jobMaster: {
        taskRunning: (task) => this.running.push(task),
        taskFailed: (_, error) => this.failures.push(error),
        taskEndedInput: () => undefined,
        taskFinished: () => undefined,
        acknowledge: () => undefined,
        decline: () => undefined,
        operatorEvent: () => undefined,
      },
    });
  }

  /** Resolves when all is released; the clock must run for that. */
  async release(): Promise<void> {
    await Promise.all([...this.gateways.values()].map((gateway) => gateway.cancel()));
    await this.deployment.close();
  }

  async cancel(): Promise<void> {
    const released = this.release();
    await world.clock.settle();
    await released;
  }
}

let world: FakeProcesses;
let events: JobEvent[];
let pool: TaskManagers;

beforeEach(() => {
  world = new FakeProcesses();
  events = [];
});

function optionsOf(
  parallelism: number,
  slotsPerTaskManager: number,
  redundant: number,
): ConstructorParameters<typeof TaskManagers>[0] {
  return {
    clock: world.clock,
    transport: world,
    token: 't',
    spawner: world,
    plan: planOf(parallelism),
    slotData: DATA,
    slotsPerTaskManager,
    redundant,
    heartbeatIntervalMs: 100,
    heartbeatTimeoutMs: 500,
    stuckTimeoutMs: 2_000,
    emit: (event) => events.push(event),
  };
}

async function started(
  parallelism: number,
  slotsPerTaskManager: number,
  redundant = 1,
): Promise<void> {
  pool = new TaskManagers(optionsOf(parallelism, slotsPerTaskManager, redundant));
  await pool.start();
  await world.clock.settle();
}

async function deployed(attempt: number): Promise<Attempt> {
  const made = new Attempt(pool, attempt);
  await world.clock.settle();
  return made;
}

/** A job that runs, with its spare. */
async function running(parallelism: number, slotsPerTaskManager: number): Promise<Attempt> {
  await started(parallelism, slotsPerTaskManager);
  const attempt = await deployed(0);
  await world.clock.advance(1_000);
  expect(attempt.running).toHaveLength(2 * parallelism);
  return attempt;
}

function process(at: number): FakeProcess {
  const found = world.processes[at];
  if (found === undefined) expect.fail(`there is no process ${at}`);
  return found;
}

function statuses(): string[] {
  return events.flatMap((event) =>
    event.kind === 'task-manager'
      ? [`${event.id} ${event.status}${event.spare ? ' spare' : ''}`]
      : [],
  );
}

const code = (value: string): unknown => expect.objectContaining({ code: value });

describe('a deployment', () => {
  it('puts subtask n into slot n, and tells each slot where the others are', async () => {
    await running(3, 2);
    const [first, second] = [process(0), process(1)];
    expect(first.slots.map(({ deployed }) => deployed[0]?.slot)).toEqual([0, 1]);
    expect(second.slots.map(({ deployed }) => deployed[0]?.slot)).toEqual([2, undefined]);
    expect(first.slots[0]?.deployed[0]?.peers).toEqual([
      { kind: 'neighbour', slot: 1, index: 1 },
      { kind: 'remote', slot: 2, address: 'tm-2/0' },
    ]);
    const numbers = new Set(
      [...first.slots, ...second.slots].flatMap(({ deployed }) =>
        (deployed[0]?.channels ?? []).map(({ number }) => number),
      ),
    );
    expect(numbers.size).toBe(3 * 2);
  });

  it('gives channels other numbers each time', async () => {
    const before = await running(2, 2);
    await before.cancel();
    await deployed(1);
    const [one, other] = process(0).slots[0]?.deployed ?? [];
    const numbers = (deploy: SlotDeploy | undefined) =>
      deploy?.channels.map(({ number }) => number);
    expect(numbers(one)).toHaveLength(2);
    expect(numbers(other)?.some((number) => numbers(one)?.includes(number))).toBe(false);
  });

  it('hands on what is called before its slots are ready', async () => {
    pool = new TaskManagers(optionsOf(1, 1, 0));
    await pool.start();
    const attempt = new Attempt(pool, 0);
    attempt.gateways.get('a\u00000')?.finish();
    attempt.gateways.get('b\u00000')?.notifyCheckpointComplete(3);
    await world.clock.settle();
    expect(process(0).slots[0]?.calls).toEqual(['finish', 'checkpoint-complete']);
  });

  it('is cancelled while it waits for a process that does not come', async () => {
    await started(1, 1, 0);
    process(0).end(KILLED);
    await world.clock.settle();
    world.spawn = () => new FakeProcess(world, 1, process(0).init);
    const attempt = await deployed(0);
    await attempt.cancel();
    expect(attempt.failures).toEqual([]);
  });
});

describe('a TaskManager that dies', () => {
  it('fails its tasks with the reason, and a spare takes its place', async () => {
    const before = await running(2, 1);
    expect(statuses()).toContain('tm-3 registered spare');
    process(0).end({ kind: 'killed', signal: 'SIGSEGV' });
    await world.clock.settle();
    expect(before.failures).toEqual([code('JOB-012'), code('JOB-012')]);
    expect(String(before.failures[0])).toMatch(/tm-1.*first, second.*SIGSEGV/);
    await before.cancel();
    const after = await deployed(1);
    expect(after.running).toHaveLength(4);
    expect(process(2).slots[0]?.deployed[0]?.slot).toBe(0);
    expect(world.processes).toHaveLength(3);
    await world.clock.advance(1_000);
    expect(statuses().at(-1)).toBe('tm-4 registered spare');
  });

  it('is replaced by a new one when none stands by', async () => {
    await started(1, 1, 0);
    const before = await deployed(0);
    process(0).end(KILLED);
    await world.clock.settle();
    await before.cancel();
    expect((await deployed(1)).running).toHaveLength(2);
    expect(world.processes).toHaveLength(2);
  });

  it('is not believed dead because its connection is', async () => {
    const attempt = await running(1, 1);
    process(0).isStubborn = true;
    process(0).wire?.peer?.destroy();
    const [mine] = [process(0)];
    mine.end = () => undefined;
    await world.clock.advance(1_000);
    expect(mine.kills).toBeGreaterThan(0);
    expect(attempt.failures).toEqual([]);
  });

  it('is found when it is frozen, killed, and replaced only when that is certain', async () => {
    const attempt = await running(1, 1);
    const frozen = process(0);
    frozen.isStubborn = true;
    frozen.freeze();
    await world.clock.advance(900);
    expect(frozen.kills).toBe(1);
    expect(attempt.failures).toEqual([]);
    frozen.end(KILLED);
    await world.clock.settle();
    expect(attempt.failures).toEqual([code('JOB-013'), code('JOB-013')]);
  });
});

describe('what does not start', () => {
  it('is told, and tried again only when an attempt needs it', async () => {
    world.isBroken = true;
    await started(1, 1);
    await world.clock.advance(60_000);
    expect(world.processes).toHaveLength(1);
    const attempt = await deployed(0);
    expect(attempt.failures).toEqual([code('JOB-014'), code('JOB-014')]);
    expect(String(attempt.failures[0])).toContain('exitCode=`7`');
    await attempt.cancel();
    await world.clock.advance(60_000);
    expect(world.processes).toHaveLength(2);
    world.isBroken = false;
    expect((await deployed(1)).running).toHaveLength(2);
  });

  it('is a slot that refuses the job: told each time, opened when it is needed', async () => {
    world.refuses = true;
    await started(1, 1);
    expect(process(0).slots).toHaveLength(1);
    const attempt = await deployed(0);
    const refusal = expect.objectContaining({ message: REFUSAL.message });
    expect(attempt.failures).toEqual([refusal, refusal]);
    await attempt.cancel();
    await world.clock.advance(60_000);
    expect(process(0).slots).toHaveLength(2);
  });

  it('is a spare: after three in a row there are no more', async () => {
    await started(1, 1);
    const attempt = await deployed(0);
    world.isBroken = true;
    await world.clock.advance(60_000);
    await attempt.cancel();
    await deployed(1);
    await world.clock.advance(60_000);
    expect(world.processes).toHaveLength(1 + 3);
    const warnings = events.filter(({ kind }) => kind === 'warning');
    expect(warnings).toEqual([
      expect.objectContaining({ message: expect.stringContaining('JOB-014') }),
    ]);
  });
});

describe('a slot that dies alone', () => {
  it.each([
    [{ code: 'ERR_WORKER_OUT_OF_MEMORY' }, 'JOB-007'],
    [{}, 'JOB-008'],
    [undefined, 'JOB-009'],
  ])('of %j fails its tasks and is opened again', async (thrown, expected) => {
    const attempt = await running(2, 2);
    const error = thrown === undefined ? undefined : Object.assign(new Error('x'), thrown);
    process(0).slots[1]?.end(1, error);
    await world.clock.settle();
    expect(attempt.failures).toEqual([code(expected), code(expected)]);
    await attempt.cancel();
    expect((await deployed(1)).running).toHaveLength(4);
    expect(process(0).slots.map(({ index }) => index)).toEqual([0, 1, 1]);
  });

  it('of being stuck: it is ended, and the message says so', async () => {
    const attempt = await running(1, 1);
    const [slot] = process(0).slots;
    if (slot !== undefined) slot.isStuck = true;
    await world.clock.advance(6_000);
    expect(slot?.isOver).toBe(true);
    expect(attempt.failures).toEqual([code('JOB-010'), code('JOB-010')]);
  });

  it('and cannot be ended: its process is killed for it', async () => {
    const attempt = await running(1, 1);
    const [slot] = process(0).slots;
    if (slot !== undefined) {
      slot.isStuck = true;
      slot.kill = () => undefined;
    }
    await world.clock.advance(15_000);
    expect(process(0).isOver).toBe(true);
    expect(attempt.failures).toEqual([code('JOB-010'), code('JOB-010')]);
  });

  it('explains the channels that it broke', async () => {
    const attempt = await running(2, 2);
    const [first, second] = process(0).slots;
    const [deploy] = first?.deployed ?? [];
    if (deploy === undefined) expect.fail('nothing is deployed');
    const [task] = deploy.tasks.map(({ id }) => id);
    if (task === undefined) expect.fail('no task is deployed');
    const error = transferError(channelBroken('e from 1'));
    const { deployment } = deploy;
    first?.tell({ kind: 'report', deployment, report: { kind: 'failed', task, error } });
    await world.clock.settle();
    expect(attempt.failures).toEqual([]);
    second?.end(3, undefined);
    await world.clock.settle();
    expect(attempt.failures[0]).toEqual(code('JOB-009'));
  });

  it('because it does not let an attempt go: then the attempt is gone', async () => {
    const attempt = await running(1, 1);
    const [slot] = process(0).slots;
    if (slot !== undefined) slot.say = () => undefined;
    let isGone = false;
    void attempt.release().then(() => {
      isGone = true;
    });
    await world.clock.advance(1_500);
    expect(isGone).toBe(false);
    await world.clock.advance(12_000);
    expect([isGone, slot?.isOver]).toEqual([true, true]);
  });
});

describe('the end', () => {
  it('lets all processes end, and kills what does not', async () => {
    const attempt = await running(2, 1);
    await attempt.cancel();
    const [stubborn] = world.processes;
    stubborn?.freeze();
    if (stubborn?.wire?.peer !== undefined) stubborn.wire.peer.send = () => true;
    let isClosed = false;
    void pool.close().then(() => {
      isClosed = true;
    });
    await world.clock.settle();
    expect(world.living).toEqual([stubborn]);
    await world.clock.advance(4_000);
    expect(isClosed).toBe(true);
    expect(world.living).toEqual([]);
    expect(statuses().some((status) => status.includes('lost'))).toBe(false);
  });
});
