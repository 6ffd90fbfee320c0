import type { Cancel } from '../../common/clock.ts';
import type { Random } from '../../common/random.ts';
import type { Transport } from '../../common/transport.ts';
import type { World } from '../../contracts/source.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import type { LinkPort } from '../../runtime/ring-link.ts';
import type { Task } from '../../runtime/task.ts';
import { TaskThread } from '../../runtime/task-thread.ts';
import { storeOpener } from '../open-store.ts';
import { TaskStorage } from '../task-storage.ts';
import { DeployedRegion } from './deployed-region.ts';
import { ProgressWriter } from './progress-words.ts';
import { SlotLinks } from './slot-links.ts';
import {
  deploymentKey,
  type FromSlot,
  type SlotData,
  type SlotDeploy,
  type ToSlot,
} from './slot-protocol.ts';

export interface SlotRuntimeOptions {
  readonly data: SlotData;
  readonly jobGraph: JobGraph;
  readonly world: World;
  readonly transport: Transport;
  /** See `progress-words.ts`. */
  readonly progress: SharedArrayBuffer;
  readonly say: (message: FromSlot) => void;
  /** Gets the text of generated chains. */
  readonly print: (text: string) => void;
  /** Draws the order of tasks and channels, for simulations. */
  readonly schedulingRandom?: Random;
}

/** How often progress is reported; more often until there is some. */
const PROGRESS_MS = 100;
const FIRST_PROGRESS_MS = 5;
/** How often it is reported what each task does. */
const SAMPLE_MS = 1000;

/** The tasks of one slot: of several regions side by side, one attempt after the other. */
export class SlotRuntime {
  readonly #options: SlotRuntimeOptions;
  readonly #storage: TaskStorage;
  readonly #thread: TaskThread;
  readonly #links: SlotLinks;
  readonly #regions = new Map<string, DeployedRegion>();
  /** What tasks are called in the progress words. */
  readonly #numbers = new WeakMap<Task, number>();
  #stopProgress: Cancel | undefined;
  #sampledMs = -Infinity;

  constructor(options: SlotRuntimeOptions) {
    this.#options = options;
    const { data, world } = options;
    const openStore = storeOpener(world, data.stores);
    const own = openStore(data.storageUrl);
    this.#storage = new TaskStorage(data.identity, (url) =>
      url === undefined ? own : openStore(url),
    );
    this.#links = new SlotLinks(options.transport);
    const progress = new ProgressWriter(options.progress);
    this.#thread = new TaskThread({
      clock: world.clock,
      random: options.schedulingRandom,
      onStep: (task) => {
        progress.step(task === undefined ? 0 : (this.#numbers.get(task) ?? 0));
      },
    });
  }

  /** Says `ready` when slots of other processes can connect. */
  async start(): Promise<void> {
    const address = await this.#links.listen();
    this.#options.say({ kind: 'ready', address });
  }

  receive(message: Exclude<ToSlot<LinkPort>, { kind: 'close' }>): void {
    switch (message.kind) {
      case 'neighbour':
        this.#links.neighbour(message.index, message.end);
        return;
      case 'deploy':
        this.#deploy(message.deploy, message.firstTask, message.rings);
        return;
      case 'call':
        this.#regions.get(deploymentKey(message.deployment))?.call(message.task, message.call);
        return;
      case 'ping':
        this.#options.say({ kind: 'pong' });
        return;
      case 'cancel': {
        const { deployment } = message;
        const region = this.#regions.get(deploymentKey(deployment));
        if (region !== undefined) void region.cancel();
        else this.#options.say({ kind: 'report', deployment, report: { kind: 'canceled' } });
        return;
      }
    }
  }

  close(): void {
    this.#stopProgress?.();
    this.#links.close();
  }

  #deploy(
    deploy: SlotDeploy,
    firstTask: number,
    rings: ReadonlyMap<number, SharedArrayBuffer>,
  ): void {
    const { data, jobGraph, world, say, print } = this.#options;
    const { deployment } = deploy;
    const key = deploymentKey(deployment);
    const region = new DeployedRegion({
      deploy,
      rings,
      links: this.#links.open(deploy),
      jobGraph,
      world,
      storage: this.#storage,
      settings: data.tasks,
      thread: this.#thread,
      schedulingRandom: this.#options.schedulingRandom,
      printChain: data.debugCodegen ? print : undefined,
      report: (report) => {
        if (report.kind === 'canceled') this.#regions.delete(key);
        say({ kind: 'report', deployment, report });
      },
      made: (task, place) => {
        this.#numbers.set(task, firstTask + place);
      },
    });
    this.#regions.set(key, region);
    region.start();
    this.#reportProgress();
  }

  #reportSamples(): void {
    const nowMs = this.#options.world.clock.monotonicMs();
    if (nowMs - this.#sampledMs < SAMPLE_MS) return;
    this.#sampledMs = nowMs;
    for (const region of this.#regions.values()) region.reportSamples();
  }

  #reportProgress(): void {
    this.#stopProgress?.();
    const look = (): void => {
      let all = true;
      for (const region of this.#regions.values()) all = region.reportProgress() && all;
      this.#reportSamples();
      this.#stopProgress =
        this.#regions.size === 0
          ? undefined
          : this.#options.world.clock.after(all ? PROGRESS_MS : FIRST_PROGRESS_MS, look);
    };
    look();
  }
}
