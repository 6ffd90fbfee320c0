import { MessageChannel } from 'node:worker_threads';
import { systemClock, type Cancel } from '../common/clock.ts';
import type { EngineError } from '../common/errors.ts';
import { receiveError } from '../common/error-transfer.ts';
import type { JobGraph } from '../graph/job-graph.ts';
import type { JobMasterGateway, TaskGateway, TaskId } from '../runtime/gateways.ts';
import { isChannelBroken } from '../runtime/errors.ts';
import { createRing } from '../runtime/ring.ts';
import { threadLinkEnds } from '../runtime/ring-link.ts';
import { restoreOf, taskKey, type Deployment, type DeployRequest } from './deployment.ts';
import { within, type Slot, type SlotMessage } from './slot.ts';
import type { SlotChannel, TaskCall } from './slot-protocol.ts';

/** A slot that has not let an attempt go by then is ended by force: user code holds its thread. */
const CANCEL_MS_MAX = 10_000;
/** How long the reason of a broken channel may take to be told. */
const REASON_MS_MAX = 5_000;

/** The slots of a job: made when they are first needed, and again when one has died. */
export class SlotPool {
  readonly #make: (slot: number) => Slot;
  readonly #slots: Slot[] = [];
  #lastChannel = 0;
  /** The channels over which two living slots wake each other; by both their numbers. */
  readonly #joined = new Map<string, readonly [Slot, Slot]>();

  constructor(make: (slot: number) => Slot) {
    this.#make = make;
  }

  /** `count` living slots that can wake each other. */
  take(count: number): readonly Slot[] {
    for (let number = 0; number < count; number += 1) {
      const slot = this.#slots[number];
      if (slot === undefined || slot.isDead) this.#slots[number] = this.#make(number);
    }
    const slots = this.#slots.slice(0, count);
    for (const a of slots) for (const b of slots) if (a.number < b.number) this.#join(a, b);
    return slots;
  }

  /** A number for a channel that no other has had. */
  nextChannel(): number {
    this.#lastChannel += 1;
    return this.#lastChannel;
  }

  async close(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }

  #join(a: Slot, b: Slot): void {
    const key = `${a.number} ${b.number}`;
    const known = this.#joined.get(key);
    if (known?.[0] === a && known[1] === b) return;
    this.#joined.set(key, [a, b]);
    const { port1, port2 } = new MessageChannel();
    const [one, other] = threadLinkEnds(port1, port2);
    a.say({ kind: 'peer', slot: b.number, end: one });
    b.say({ kind: 'peer', slot: a.number, end: other });
  }
}

/**
 * Runs each subtask of every operator in the slot of its number: a worker thread of this process.
 * The slots stay from one attempt to the next; one that has died is replaced.
 */
export class SlotDeployment implements Deployment {
  readonly #graph: JobGraph;
  readonly #pool: SlotPool;
  #slots: readonly Slot[] = [];
  /** Slots that have said that they hold nothing of the attempt any more, or are dead. */
  readonly #released = new Map<number, () => void>();
  #allReleased: Promise<unknown> | undefined;
  #attempt = 0;
  /** Failures that wait for their reason. */
  readonly #waiting: Cancel[] = [];

  constructor(graph: JobGraph, pool: SlotPool) {
    this.#graph = graph;
    this.#pool = pool;
  }

  deploy({ attempt, restore, jobMaster }: DeployRequest): ReadonlyMap<string, TaskGateway> {
    this.#attempt = attempt;
    const { vertices } = this.#graph;
    const count = Math.max(...vertices.map(({ parallelism }) => parallelism));
    const slots = this.#pool.take(count);
    this.#slots = slots;
    const channels = this.#channels();
    const gateways = new Map<string, TaskGateway>();
    for (const slot of slots) {
      const ids = vertices
        .filter(({ parallelism }) => slot.number < parallelism)
        .map((vertex): TaskId => ({ vertex: vertex.id, subtask: slot.number, attempt }));
      for (const id of ids) gateways.set(taskKey(id), this.#gatewayOf(slot, id));
      const listener = {
        message: (message: SlotMessage) => {
          this.#receive(slot, message, jobMaster);
        },
        died: (error: EngineError) => {
          this.#released.get(slot.number)?.();
          for (const id of ids) jobMaster.taskFailed(id, error);
        },
      };
      const names = new Map(vertices.map(({ id, name }) => [id, name]));
      slot.listen(
        listener,
        ids.map(({ vertex }) => names.get(vertex) ?? vertex),
      );
      slot.say({
        kind: 'deploy',
        attempt,
        channels: channels.filter(({ from, to }) => from === slot.number || to === slot.number),
        tasks: ids.map((id) => ({
          id,
          restore: restore && {
            operators: [...restoreOf(restore.plan, id)],
            location: restore.location,
          },
        })),
      });
    }
    return gateways;
  }

  recordsRead(): number {
    let sum = 0;
    for (const slot of this.#slots) sum += slot.recordsRead();
    return sum;
  }

  async close(): Promise<void> {
    for (const cancel of this.#waiting) cancel();
    await this.#release();
    for (const slot of this.#slots) slot.listen(undefined);
  }

  /** A ring for each edge and pair of different subtasks. */
  #channels(): SlotChannel[] {
    const parallelism = new Map(this.#graph.vertices.map((one) => [one.id, one.parallelism]));
    const channels: SlotChannel[] = [];
    for (const edge of this.#graph.vertices.flatMap(({ outputs }) => outputs)) {
      if (edge.partitioner.kind === 'forward') continue;
      const senders = parallelism.get(edge.fromVertex) ?? 0;
      const receivers = parallelism.get(edge.toVertex) ?? 0;
      for (let from = 0; from < senders; from += 1) {
        for (let to = 0; to < receivers; to += 1) {
          if (from === to) continue;
          const number = this.#pool.nextChannel();
          channels.push({ number, edgeId: edge.id, from, to, memory: createRing() });
        }
      }
    }
    return channels;
  }

  #gatewayOf(slot: Slot, task: TaskId): TaskGateway {
    const call = (what: TaskCall): void => {
      slot.say({ kind: 'call', task, call: what });
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
      finish: () => {
        call({ kind: 'finish' });
      },
      cancel: () => this.#release(),
    };
  }

  /** Stops the whole attempt, once. Resolves when each slot holds nothing of it, or is dead. */
  #release(): Promise<void> {
    this.#allReleased ??= Promise.all(
      this.#slots.map((slot) => {
        const released = new Promise<void>((resolve) => {
          this.#released.set(slot.number, resolve);
        });
        slot.say({ kind: 'cancel', attempt: this.#attempt });
        return within(CANCEL_MS_MAX, Promise.race([released, slot.gone]), () => slot.kill());
      }),
    );
    return this.#allReleased.then(() => undefined);
  }

  /**
   * A task whose sender is gone only follows from the death of another slot, of which the operating
   * system may tell us a little later: that one is the reason that people should see.
   */
  #taskFailed(task: TaskId, error: Error, jobMaster: JobMasterGateway): void {
    if (!isChannelBroken(error)) {
      jobMaster.taskFailed(task, error);
      return;
    }
    this.#waiting.push(
      systemClock.after(REASON_MS_MAX, () => {
        jobMaster.taskFailed(task, error);
      }),
    );
  }

  #receive(slot: Slot, message: SlotMessage, jobMaster: JobMasterGateway): void {
    switch (message.kind) {
      case 'running':
        jobMaster.taskRunning(message.task);
        return;
      case 'ended-input':
        jobMaster.taskEndedInput(message.task);
        return;
      case 'finished':
        jobMaster.taskFinished(message.task);
        return;
      case 'failed':
        this.#taskFailed(message.task, receiveError(message.error), jobMaster);
        return;
      case 'acknowledge':
        jobMaster.acknowledge(message.acknowledgement);
        return;
      case 'decline':
        jobMaster.decline(message.task, message.checkpointId, receiveError(message.error));
        return;
      case 'operator-event':
        jobMaster.operatorEvent(message.task, message.uid, message.event);
        return;
      case 'canceled':
        if (message.attempt === this.#attempt) this.#released.get(slot.number)?.();
        return;
    }
  }
}
