import { assert } from '../../common/assert.ts';
import type { Cancel, Clock } from '../../common/clock.ts';
import { receiveError } from '../../common/error-transfer.ts';
import type { ExecutionPlan, ExecutionVertex } from '../../graph/execution-plan.ts';
import { isChannelBroken } from '../../runtime/errors.ts';
import type { JobMasterGateway, TaskGateway, TaskId } from '../../runtime/gateways.ts';
import type { TaskSample } from '../../runtime/task-metrics.ts';
import { sumOfRestores, type RestoreProgress } from '../../common/restore-progress.ts';
import {
  restoreOf,
  taskKey,
  type Deployment,
  type DeployRequest,
  type TaskPlace,
} from '../deployment.ts';
import type {
  ChannelId,
  DeploymentId,
  SlotPeer,
  SlotReport,
  SlotTask,
  TaskCall,
} from '../task-manager/slot-protocol.ts';
import type { RemoteSlot } from './remote-slot.ts';
import { within } from './within.ts';

/** A slot that has not let an attempt go by then is ended by force: user code holds its thread. */
const CANCEL_MS_MAX = 10_000;
/** How long the reason of a broken channel may take to be told. */
const REASON_MS_MAX = 5_000;

/** What a deployment needs of the pool of TaskManagers. */
export interface SlotSource {
  /** The slot with this number: living, though it may not be ready yet. */
  slot(number: number): RemoteSlot;
  /** A number for a channel that no other has had. */
  nextChannel(): number;
  /** How far a deployment is. */
  changed(deployment: RegionDeployment): void;
}

/** One subtask of each vertex of the region, and the slot that has them. */
interface Part {
  readonly number: number;
  readonly slot: RemoteSlot;
  readonly tasks: readonly (SlotTask & { readonly vertex: ExecutionVertex })[];
  /** What is called before it is deployed. */
  early: { readonly task: TaskId; readonly call: TaskCall }[];
  recordsRead: number;
  restore: RestoreProgress | undefined;
  /** By vertex. */
  readonly samples: Map<string, TaskSample>;
  /** Tells that the slot holds nothing of it any more. */
  released: () => void;
}

/**
 * One execution of a region in slots of TaskManagers.
 *
 *   waiting ──all slots are ready──► deployed ──all tasks run──► running
 *      └──────────────────┴── cancel, close ──┴──────────────────────┴──► over
 *
 * Always holds: either all slots have got their part or none, and each gets it before anything that
 * is called; `cancel` resolves when each slot has said that it holds nothing any more, or is dead.
 */
export class RegionDeployment implements Deployment {
  readonly #plan: ExecutionPlan;
  readonly #clock: Clock;
  readonly #slots: SlotSource;
  #life: 'waiting' | 'deployed' | 'running' | 'over' = 'waiting';
  #id: DeploymentId = { region: '', attempt: 0 };
  #jobMaster: JobMasterGateway | undefined;
  #parts: readonly Part[] = [];
  #vertices: readonly ExecutionVertex[] = [];
  readonly #running = new Set<string>();
  #allReleased: Promise<unknown> | undefined;
  /** Failures that wait for their reason. */
  readonly #waiting: Cancel[] = [];

  constructor(plan: ExecutionPlan, clock: Clock, slots: SlotSource) {
    this.#plan = plan;
    this.#clock = clock;
    this.#slots = slots;
  }

  get life(): 'waiting' | 'deployed' | 'running' | 'over' {
    return this.#life;
  }

  deploy(request: DeployRequest): ReadonlyMap<string, TaskGateway> {
    const { attempt, vertices, jobMaster } = request;
    const region = vertices[0];
    assert(region !== undefined, 'a region has a vertex');
    this.#id = { region, attempt };
    this.#jobMaster = jobMaster;
    this.#vertices = this.#plan.vertices.filter(({ id }) => vertices.includes(id));
    const count = Math.max(...this.#vertices.map(({ parallelism }) => parallelism));
    this.#parts = Array.from({ length: count }, (_, number) => this.#part(number, request));
    const gateways = new Map<string, TaskGateway>();
    for (const part of this.#parts) {
      part.slot.attach(
        this.#id,
        {
          ready: () => {
            this.#deployWhenReady();
          },
          report: (report) => {
            this.#receive(part, report);
          },
          died: (error) => {
            for (const { id } of part.tasks) jobMaster.taskFailed(id, error);
          },
        },
        part.tasks.map(({ name }) => name),
      );
      for (const { id } of part.tasks) gateways.set(taskKey(id), this.#gatewayOf(part, id));
    }
    this.#slots.changed(this);
    // Whoever has called this one has not got the gateways yet: a failure comes after them.
    this.#clock.turn(() => {
      this.#deployWhenReady();
    });
    return gateways;
  }

  recordsRead(): number {
    return this.#parts.reduce((sum, part) => sum + part.recordsRead, 0);
  }

  restoreProgress(): RestoreProgress | undefined {
    return sumOfRestores(this.#parts.map(({ restore }) => restore));
  }

  placeOf({ vertex, subtask }: Pick<TaskId, 'vertex' | 'subtask'>): TaskPlace | undefined {
    const part = this.#parts[subtask];
    if (part?.tasks.every(({ id }) => id.vertex !== vertex) !== false) return undefined;
    return { taskManager: part.slot.taskManager, sample: part.samples.get(vertex) };
  }

  async close(): Promise<void> {
    for (const cancel of this.#waiting) cancel();
    await this.#release();
    for (const { slot } of this.#parts) slot.detach(this.#id);
    this.#slots.changed(this);
  }

  #part(number: number, { attempt, restore }: DeployRequest): Part {
    const tasks = this.#vertices
      .filter(({ parallelism }) => number < parallelism)
      .map((vertex) => {
        const id: TaskId = { vertex: vertex.id, subtask: number, attempt };
        return {
          id,
          name: vertex.name,
          vertex,
          restore: restore && {
            operators: [...restoreOf(restore.plan, id)].filter(([uid]) =>
              vertex.operators.some((operator) => operator.uid === uid),
            ),
            location: restore.location,
          },
        };
      });
    return {
      number,
      slot: this.#slots.slot(number),
      tasks,
      early: [],
      recordsRead: 0,
      restore: undefined,
      samples: new Map(),
      released: () => undefined,
    };
  }

  #deployWhenReady(): void {
    if (this.#life !== 'waiting') return;
    if (this.#parts.some(({ slot }) => slot.address === undefined)) return;
    this.#life = 'deployed';
    const channels = this.#channels();
    try {
      for (const part of this.#parts) this.#deployPart(part, channels);
    } catch (error) {
      // What is to be restored cannot be said in a message.
      const [first] = this.#parts.flatMap(({ tasks }) => tasks);
      if (first !== undefined) this.#jobMaster?.taskFailed(first.id, error);
    }
  }

  #deployPart(part: Part, all: readonly ChannelId[]): void {
    const channels = all.filter(({ from, to }) => from === part.number || to === part.number);
    part.slot.deploy({
      deployment: this.#id,
      slot: part.number,
      tasks: part.tasks.map(({ id, name, restore }) => ({ id, name, restore })),
      channels,
      peers: this.#peersOf(part, channels),
    });
    const { early } = part;
    part.early = [];
    for (const { task, call } of early) this.#call(part, task, call);
  }

  #peersOf(part: Part, channels: readonly ChannelId[]): SlotPeer[] {
    const numbers = new Set(channels.flatMap(({ from, to }) => [from, to]));
    numbers.delete(part.number);
    return [...numbers].map((number) => {
      const other = this.#parts[number]?.slot;
      assert(other?.address !== undefined, `slot ${number} is not ready`);
      return other.taskManager === part.slot.taskManager
        ? { kind: 'neighbour', slot: number, index: other.ref.index }
        : { kind: 'remote', slot: number, address: other.address };
    });
  }

  /** One for each edge and pair of different subtasks. */
  #channels(): ChannelId[] {
    const parallelism = new Map(this.#vertices.map((one) => [one.id, one.parallelism]));
    const channels: ChannelId[] = [];
    for (const edge of this.#vertices.flatMap(({ inputs }) => inputs)) {
      if (edge.partitioner === 'forward') continue;
      const senders = parallelism.get(edge.fromVertex) ?? 0;
      const receivers = parallelism.get(edge.toVertex) ?? 0;
      for (let from = 0; from < senders; from += 1) {
        for (let to = 0; to < receivers; to += 1) {
          if (from === to) continue;
          channels.push({ number: this.#slots.nextChannel(), edgeId: edge.id, from, to });
        }
      }
    }
    return channels;
  }

  #gatewayOf(part: Part, task: TaskId): TaskGateway {
    const call = (what: TaskCall): void => {
      this.#call(part, task, what);
    };
    return {
      triggerCheckpoint: (barrier) => {
        call({ kind: 'trigger-checkpoint', barrier });
      },
      notifyCheckpointComplete: (checkpointId) => {
        call({ kind: 'checkpoint-complete', checkpointId });
      },
      notifyCheckpointAborted: (checkpointId) => {
        call({ kind: 'checkpoint-aborted', checkpointId });
      },
      operatorEvent: (uid, event) => {
        call({ kind: 'operator-event', uid, event });
      },
      drain: () => {
        call({ kind: 'drain' });
      },
      finish: () => {
        call({ kind: 'finish' });
      },
      cancel: () => this.#release(),
    };
  }

  #call(part: Part, task: TaskId, call: TaskCall): void {
    if (this.#life === 'waiting') part.early.push({ task, call });
    else part.slot.order({ kind: 'call', deployment: this.#id, task, call });
  }

  /** Stops the whole attempt, once. Resolves when each slot holds nothing of it, or is dead. */
  #release(): Promise<void> {
    this.#allReleased ??= this.#releaseAll(this.#life !== 'waiting');
    return this.#allReleased.then(() => undefined);
  }

  async #releaseAll(hasDeployed: boolean): Promise<void> {
    this.#life = 'over';
    if (!hasDeployed) return;
    await Promise.all(
      this.#parts.map((part) => {
        const { slot } = part;
        const released = new Promise<void>((resolve) => {
          part.released = resolve;
        });
        slot.order({ kind: 'cancel', deployment: this.#id });
        return within(this.#clock, CANCEL_MS_MAX, Promise.race([released, slot.gone]), () => {
          slot.kill();
        });
      }),
    );
  }

  /**
   * A task whose sender is gone only follows from the death of another slot, of which we may be told
   * a little later: that one is the reason that people should see.
   */
  #taskFailed(task: TaskId, error: Error): void {
    if (!isChannelBroken(error)) {
      this.#jobMaster?.taskFailed(task, error);
      return;
    }
    this.#waiting.push(
      this.#clock.after(REASON_MS_MAX, () => {
        this.#jobMaster?.taskFailed(task, error);
      }),
    );
  }

  #taskRuns(task: TaskId): void {
    this.#running.add(taskKey(task));
    this.#jobMaster?.taskRunning(task);
    const total = this.#parts.reduce((sum, { tasks }) => sum + tasks.length, 0);
    if (this.#life !== 'deployed' || this.#running.size < total) return;
    this.#life = 'running';
    this.#slots.changed(this);
  }

  #receive(part: Part, report: SlotReport): void {
    const jobMaster = this.#jobMaster;
    switch (report.kind) {
      case 'running':
        this.#taskRuns(report.task);
        return;
      case 'ended-input':
        jobMaster?.taskEndedInput(report.task);
        return;
      case 'finished':
        jobMaster?.taskFinished(report.task);
        return;
      case 'failed':
        this.#taskFailed(report.task, receiveError(report.error));
        return;
      case 'acknowledge':
        jobMaster?.acknowledge(report.acknowledgement);
        return;
      case 'decline':
        jobMaster?.decline(report.task, report.checkpointId, receiveError(report.error));
        return;
      case 'operator-event':
        jobMaster?.operatorEvent(report.task, report.uid, report.event);
        return;
      case 'progress':
        part.recordsRead = report.recordsRead;
        part.restore = report.restore;
        return;
      case 'samples':
        for (const [vertex, sample] of report.samples) part.samples.set(vertex, sample);
        return;
      case 'canceled':
        part.released();
        return;
    }
  }
}
