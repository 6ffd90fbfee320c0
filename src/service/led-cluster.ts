import { sleep, type Cancel } from '../common/clock.ts';
import { EngineError } from '../common/errors.ts';
import type { Cluster } from '../cluster/dispatcher/cluster.ts';
import { Dispatcher } from '../cluster/dispatcher/dispatcher.ts';
import { DurableJobs } from '../cluster/dispatcher/durable-jobs.ts';
import type { Leadership, LedCluster as Led } from '../cluster/leadership/leadership.ts';
import { sweepStandbys } from '../cluster/leadership/standbys.ts';
import { openStore } from '../cluster/open-store.ts';
import type { World } from '../contracts/source.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { NodeJobRunner } from './node-job-runner.ts';
import type { ServiceLog } from './service-log.ts';

/** How long a storage, or a port, is left alone before it is tried again. */
const RETRY_MS = 500;

/** Lets others ask the service. */
export type Attach = (
  cluster: Cluster,
  access: {
    readonly config: FlinkSettings;
    /** Stands in a file that only this user can read: who knows it is that user. */
    readonly token: string;
  },
) => Promise<Attached>;

interface Attached {
  readonly address: string;
  close(): Promise<void>;
}

export interface LedClusterOptions {
  readonly world: World;
  /** The cluster's folder. */
  readonly store: BlobStore;
  readonly led: Led;
  readonly leadership: Leadership;
  readonly config: FlinkSettings;
  /** Data folder. */
  readonly folder: string;
  readonly runner: NodeJobRunner;
  readonly attach: Attach | undefined;
  readonly token: string;
  readonly log: ServiceLog;
}

/** The jobs of a cluster, under the JobManager that leads it. */
export class LedCluster {
  readonly #options: LedClusterOptions;
  readonly #dispatcher: Dispatcher;
  #attached: Attached | undefined;
  #isEnding = false;
  #cancelSweep: Cancel = () => undefined;

  private constructor(options: LedClusterOptions, jobs: DurableJobs) {
    this.#options = options;
    this.#dispatcher = dispatcherOf(options, jobs);
  }

  /**
   * Takes the store of jobs over and brings the jobs back. A storage that does not answer is asked again
   * for as long as this process leads.
   *
   * @throws {EngineError} `JOB-035` (`fenced`), `CHK-001` (`corrupt`) …
   */
  static async start(options: LedClusterOptions): Promise<LedCluster> {
    const { world, store, config, led, leadership, log } = options;
    const jobs = new DurableJobs({ store, random: world.random, own: config, leader: led });
    for (;;) {
      try {
        await jobs.takeOver();
        const cluster = new LedCluster(options, jobs);
        await cluster.#dispatcher.recover();
        cluster.#cancelSweep = sweepStandbys({ store, clock: world.clock });
        return cluster;
      } catch (error) {
        const mayHelp = error instanceof EngineError && error.kind === 'unavailable';
        if (!mayHelp || !leadership.isHeld) throw error;
        log.problem('the store of jobs does not answer', error);
        await sleep(world.clock, RETRY_MS);
      }
    }
  }

  get address(): string | undefined {
    return this.#attached?.address;
  }

  /** Lets others ask it. @throws {EngineError} `RST-…` if it cannot listen. */
  async attach(): Promise<string | undefined> {
    const { attach, config, token } = this.#options;
    this.#attached = await attach?.(this.#dispatcher, { config, token });
    return this.address;
  }

  /**
   * The same, again and again until it can: the leader before may hold the port a while longer. Its jobs
   * run meanwhile.
   */
  async attachWhenPossible(): Promise<string | undefined> {
    const { world, log } = this.#options;
    for (let tries = 0; !this.#isEnding; tries += 1) {
      try {
        return await this.attach();
      } catch (error) {
        if (tries === 0) log.problem('nobody can ask the service for now', error);
        await sleep(world.clock, RETRY_MS);
      }
    }
    return undefined;
  }

  /** Suspends all jobs. */
  async close(): Promise<void> {
    this.#isEnding = true;
    this.#cancelSweep();
    await this.#attached?.close();
    await this.#dispatcher.close();
  }
}

function dispatcherOf(options: LedClusterOptions, jobs: DurableJobs): Dispatcher {
  const { world, led, leadership, folder, config, runner, log } = options;
  return new Dispatcher({
    world,
    jobs,
    leader: led,
    requireLeading: () => {
      leadership.requireHeld();
    },
    runner,
    openStore: (url, settings) => openStore(url, world, settings),
    config,
    folder,
    log: (entry) => {
      log.dispatched(entry);
    },
  });
}
