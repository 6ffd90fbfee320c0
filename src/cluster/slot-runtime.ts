import { assert } from '../common/assert.ts';
import type { Clock } from '../common/clock.ts';
import { transferError } from '../common/error-transfer.ts';
import { nodeFileSystem } from '../common/node-file-system.ts';
import { systemRandom } from '../common/random.ts';
import type { World } from '../contracts/source.ts';
import type { JobGraph } from '../graph/job-graph.ts';
import type { JobMasterGateway, TaskId } from '../runtime/gateways.ts';
import { ThreadLink } from '../runtime/ring-link.ts';
import type { Task } from '../runtime/task.ts';
import { TaskThread } from '../runtime/task-thread.ts';
import { createTask } from './create-task.ts';
import { taskKey } from './deployment.ts';
import { openStore } from './open-store.ts';
import { SlotExchange } from './slot-exchange.ts';
import type {
  FromSlot,
  SlotChannel,
  SlotData,
  SlotTask,
  TaskCall,
  ToSlot,
} from './slot-protocol.ts';
import { TaskStorage } from './task-storage.ts';

export interface SlotRuntimeOptions {
  readonly data: SlotData;
  readonly jobGraph: JobGraph;
  readonly clock: Clock;
  readonly say: (message: FromSlot) => void;
}

/** How often the progress word is brought up to date; more often until there is some. */
const PROGRESS_MS = 50;
const FIRST_PROGRESS_MS = 5;

/** The tasks of one slot, one attempt after the other. */
export class SlotRuntime {
  readonly #options: SlotRuntimeOptions;
  readonly #world: World;
  readonly #storage: TaskStorage;
  readonly #thread: TaskThread;
  readonly #progress: Float64Array;
  readonly #links = new Map<number, ThreadLink>();
  #channels: readonly SlotChannel[] = [];
  #tasks = new Map<string, Task>();
  /** Of the deployed tasks, in their order, from 1. */
  readonly #numbers = new Map<Task, number>();
  #stopProgress: (() => void) | undefined;

  constructor(options: SlotRuntimeOptions) {
    this.#options = options;
    const { data, clock } = options;
    const world: World = { clock, random: systemRandom, fs: nodeFileSystem };
    this.#world = world;
    const own = openStore(data.storageUrl, world);
    this.#storage = new TaskStorage(data.identity, (url) =>
      url === undefined ? own : openStore(url, world),
    );
    const progress = new Float64Array(data.progress);
    this.#progress = progress;
    this.#thread = new TaskThread({
      clock,
      onStep: (task) => {
        progress[1] = task === undefined ? 0 : (this.#numbers.get(task) ?? 0);
      },
    });
  }

  receive(message: Exclude<ToSlot, { kind: 'close' }>): void {
    switch (message.kind) {
      case 'peer':
        this.#links.get(message.slot)?.close();
        this.#links.set(message.slot, new ThreadLink(message.end));
        return;
      case 'deploy':
        this.#deploy(message.tasks, message.channels);
        return;
      case 'call':
        this.#call(message.task, message.call);
        return;
      case 'ping':
        this.#options.say({ kind: 'pong' });
        return;
      case 'cancel':
        void this.#cancel(message.attempt);
        return;
    }
  }

  close(): void {
    this.#stopProgress?.();
    for (const link of this.#links.values()) link.close();
  }

  #deploy(tasks: readonly SlotTask[], channels: readonly SlotChannel[]): void {
    const { jobGraph, data } = this.#options;
    const jobMaster = this.#gateway();
    this.#channels = channels;
    const exchange = new SlotExchange(data.slot, jobGraph, channels, (peer) => this.#linkTo(peer));
    this.#tasks = new Map();
    for (const { id, restore } of tasks) {
      const vertex = jobGraph.vertices.find((one) => one.id === id.vertex);
      assert(vertex !== undefined, `a slot has no vertex ${id.vertex}`);
      const task = createTask({
        id,
        vertex,
        jobGraph,
        world: this.#world,
        jobMaster,
        storage: this.#storage,
        settings: data.tasks,
        random: undefined,
        printChain:
          data.debugCodegen && id.subtask === 0
            ? (text) => process.stderr.write(`${text}\n`)
            : undefined,
        inputsOf: (edge) => exchange.inputsOf(edge),
        outputsOf: (edge) => exchange.outputsOf(edge),
        restore: restore && {
          operators: new Map(restore.operators),
          ...this.#storage.reader(restore.location),
        },
      });
      this.#tasks.set(taskKey(id), task);
      this.#numbers.set(task, this.#tasks.size);
    }
    for (const task of this.#tasks.values()) this.#thread.run(task);
    this.#reportProgress();
  }

  #linkTo(peer: number): ThreadLink {
    const link = this.#links.get(peer);
    assert(link !== undefined, `slot ${this.#options.data.slot} has no link to slot ${peer}`);
    return link;
  }

  #call(id: TaskId, call: TaskCall): void {
    const task = this.#tasks.get(taskKey(id));
    if (task?.id.attempt !== id.attempt) return;
    switch (call.kind) {
      case 'trigger-checkpoint':
        task.triggerCheckpoint(call.barrier);
        return;
      case 'checkpoint-complete':
        task.notifyCheckpointComplete(call.checkpointId);
        return;
      case 'checkpoint-aborted':
        task.notifyCheckpointAborted(call.checkpointId);
        return;
      case 'operator-event':
        task.operatorEvent(call.uid, call.event);
        return;
      case 'finish':
        task.finish();
        return;
    }
  }

  async #cancel(attempt: number): Promise<void> {
    await Promise.all([...this.#tasks.values()].map((task) => task.cancel()));
    this.#tasks.clear();
    this.#numbers.clear();
    for (const { number } of this.#channels) {
      for (const link of this.#links.values()) link.remove(number);
    }
    this.#stopProgress?.();
    this.#options.say({ kind: 'canceled', attempt });
  }

  #reportProgress(): void {
    this.#stopProgress?.();
    const look = (): void => {
      let sum = 0;
      for (const task of this.#tasks.values()) sum += task.metrics().recordsRead;
      this.#progress[0] = sum;
      this.#stopProgress = this.#options.clock.after(
        sum > 0 ? PROGRESS_MS : FIRST_PROGRESS_MS,
        look,
      );
    };
    look();
  }

  #gateway(): JobMasterGateway {
    const { say } = this.#options;
    return {
      taskRunning: (task) => {
        say({ kind: 'running', task });
      },
      taskEndedInput: (task) => {
        say({ kind: 'ended-input', task });
      },
      taskFinished: (task) => {
        say({ kind: 'finished', task });
      },
      taskFailed: (task, error) => {
        say({ kind: 'failed', task, error: transferError(error) });
      },
      acknowledge: (acknowledgement) => {
        say({ kind: 'acknowledge', acknowledgement });
      },
      decline: (task, checkpointId, error) => {
        say({ kind: 'decline', task, checkpointId, error: transferError(error) });
      },
      operatorEvent: (task, uid, event) => {
        say({ kind: 'operator-event', task, uid, event });
      },
    };
  }
}
