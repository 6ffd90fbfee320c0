import { assert } from '../../common/assert.ts';
import { transferError } from '../../common/error-transfer.ts';
import type { Random } from '../../common/random.ts';
import type { World } from '../../contracts/source.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import type { JobMasterGateway, TaskId } from '../../runtime/gateways.ts';
import type { Task } from '../../runtime/task.ts';
import { TaskMeter, type TaskSample } from '../../runtime/task-metrics.ts';
import type { TaskThread } from '../../runtime/task-thread.ts';
import type { TaskSettings } from '../../runtime/task-options.ts';
import { sumOfRestores } from '../../common/restore-progress.ts';
import { createTask } from '../create-task.ts';
import { taskKey } from '../deployment.ts';
import type { TaskStorage } from '../task-storage.ts';
import { SlotExchange } from './slot-exchange.ts';
import type { DeploymentLinks } from './slot-links.ts';
import type { SlotDeploy, SlotReport, SlotTask, TaskCall } from './slot-protocol.ts';

export interface DeployedRegionOptions {
  readonly deploy: SlotDeploy;
  readonly rings: ReadonlyMap<number, SharedArrayBuffer>;
  readonly links: DeploymentLinks;
  readonly jobGraph: JobGraph;
  readonly world: World;
  readonly storage: TaskStorage;
  readonly settings: TaskSettings;
  readonly thread: TaskThread;
  readonly schedulingRandom: Random | undefined;
  readonly printChain: ((text: string) => void) | undefined;
  readonly report: (report: SlotReport) => void;
  /** The task at this place of `deploy.tasks` is there. */
  readonly made: (task: Task, place: number) => void;
}

/**
 * One execution of a region, as far as it is in this slot.
 *
 * Always holds: `canceled` is reported once, when nothing is held any more, and nothing is reported
 * behind it.
 */
export class DeployedRegion {
  readonly #options: DeployedRegionOptions;
  readonly #tasks = new Map<string, Task>();
  readonly #meters = new Map<Task, TaskMeter>();
  #isOver = false;
  #readReported = 0;
  #restoredReported = -1;

  constructor(options: DeployedRegionOptions) {
    this.#options = options;
  }

  /** Makes all tasks and lets them run. Failures are reported, not thrown. */
  start(): void {
    try {
      this.#makeTasks();
    } catch (error) {
      const transferred = transferError(error);
      for (const { id } of this.#options.deploy.tasks) {
        this.#options.report({ kind: 'failed', task: id, error: transferred });
      }
      return;
    }
    for (const task of this.#tasks.values()) this.#options.thread.run(task);
  }

  call(id: TaskId, call: TaskCall): void {
    const task = this.#tasks.get(taskKey(id));
    if (task !== undefined) perform(task, call);
  }

  async cancel(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.reportSamples();
    await Promise.all([...this.#tasks.values()].map((task) => task.cancel()));
    this.#tasks.clear();
    this.#options.links.close();
    this.#options.report({ kind: 'canceled' });
  }

  /** Reports what the sources have read and restored, if that is more than before. True once records are read. */
  reportProgress(): boolean {
    const metrics = [...this.#tasks.values()].map((task) => task.metrics());
    const recordsRead = metrics.reduce((sum, each) => sum + each.recordsRead, 0);
    const restore = sumOfRestores(metrics.map((each) => each.restore));
    const restored = restore === undefined ? -1 : restore.verifiedBytes + restore.loadedBytes;
    if (recordsRead !== this.#readReported || restored !== this.#restoredReported) {
      this.#readReported = recordsRead;
      this.#restoredReported = restored;
      this.#options.report({ kind: 'progress', recordsRead, restore });
    }
    return recordsRead > 0;
  }

  /** Reports what all its tasks have done. */
  reportSamples(): void {
    const nowMs = this.#options.world.clock.monotonicMs();
    const samples = [...this.#tasks.values()].map((task): [string, TaskSample] => [
      task.id.vertex,
      this.#meterOf(task).sample(task.metrics(), nowMs),
    ]);
    if (samples.length > 0) this.#options.report({ kind: 'samples', samples });
  }

  #meterOf(task: Task): TaskMeter {
    const known = this.#meters.get(task) ?? new TaskMeter();
    this.#meters.set(task, known);
    return known;
  }

  #makeTasks(): void {
    const { deploy, rings, links, jobGraph } = this.#options;
    const exchange = new SlotExchange({
      slot: deploy.slot,
      graph: jobGraph,
      channels: deploy.channels,
      rings,
      linkTo: (slot) => links.to(slot),
    });
    const jobMaster = this.#gateway();
    deploy.tasks.forEach((one, place) => {
      const task = this.#makeTask(one, exchange, jobMaster);
      this.#tasks.set(taskKey(one.id), task);
      this.#options.made(task, place);
    });
  }

  #makeTask({ id, restore }: SlotTask, exchange: SlotExchange, jobMaster: JobMasterGateway): Task {
    const { jobGraph, world, storage, settings, printChain } = this.#options;
    const vertex = jobGraph.vertices.find((one) => one.id === id.vertex);
    assert(vertex !== undefined, `a slot has no vertex ${id.vertex}`);
    return createTask({
      id,
      vertex,
      jobGraph,
      world,
      jobMaster,
      storage,
      settings,
      random: this.#options.schedulingRandom,
      printChain: id.subtask === 0 ? printChain : undefined,
      inputsOf: (edge) => exchange.inputsOf(edge),
      outputsOf: (edge) => exchange.outputsOf(edge),
      restore: restore && {
        operators: new Map(restore.operators),
        ...storage.reader(restore.location),
      },
    });
  }

  #gateway(): JobMasterGateway {
    const { report } = this.#options;
    return {
      taskRunning: (task) => {
        report({ kind: 'running', task });
      },
      taskEndedInput: (task) => {
        report({ kind: 'ended-input', task });
      },
      taskFinished: (task) => {
        this.reportSamples();
        report({ kind: 'finished', task });
      },
      taskFailed: (task, error) => {
        report({ kind: 'failed', task, error: transferError(error) });
      },
      acknowledge: (acknowledgement) => {
        report({ kind: 'acknowledge', acknowledgement });
      },
      decline: (task, checkpointId, error) => {
        report({ kind: 'decline', task, checkpointId, error: transferError(error) });
      },
      operatorEvent: (task, uid, event) => {
        report({ kind: 'operator-event', task, uid, event });
      },
    };
  }
}

function perform(task: Task, call: TaskCall): void {
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
    case 'drain':
      task.drain();
      return;
    case 'finish':
      task.finish();
      return;
  }
}
