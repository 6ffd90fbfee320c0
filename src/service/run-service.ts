import fs from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { sleep, type Cancel } from '../common/clock.ts';
import { deferred } from '../common/deferred.ts';
import { errorText } from '../common/error-text.ts';
import { randomHex } from '../common/random.ts';
import { noSharedStorageError, otherLeadsError } from '../cluster/leadership/leadership-errors.ts';
import { Leadership, type LedCluster as Led } from '../cluster/leadership/leadership.ts';
import type { LeaseTimings } from '../cluster/leadership/lease-machine.ts';
import { openLeaseStore } from '../cluster/leadership/lease-store.ts';
import type { Lease, LeaseHolder } from '../cluster/leadership/lease.ts';
import { StandbyMark } from '../cluster/leadership/standbys.ts';
import { openStore } from '../cluster/open-store.ts';
import type { World } from '../contracts/source.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { clusterUrl, rememberCluster } from './cluster-place.ts';
import { CodeFolder } from './code-folder.ts';
import { LedCluster, type Attach } from './led-cluster.ts';
import { NodeJobRunner } from './node-job-runner.ts';
import { isCertainlyGone, pidSpace, startOf } from './process-identity.ts';
import { logFolder, ServiceLog } from './service-log.ts';
import { ServiceMark } from './service-record.ts';
import { stayWarm } from './warm-standby.ts';

const TOKEN_LENGTH = 64;
const STANDBY_ID_LENGTH = 16;
const ANNOUNCED_MS_MAX = 2_000;
/** What was loaded for jobs that have not come by then is let go. */
const UNUSED_MS = 60_000;

export interface RunServiceOptions {
  readonly world: World;
  /** Data folder. Absolute. */
  readonly folder: string;
  readonly config: FlinkSettings;
  readonly version: string;
  readonly moduleOf: (url: string) => string;
  /** Absent: nobody can ask it anything; it goes on with the jobs that it has. */
  readonly attach?: Attach | undefined;
  /** Gets each line of the log, too. */
  readonly echo?: (line: string) => void;
}

export interface RunningService {
  readonly role: 'leading' | 'standby';
  /** Undefined for a standby, which becomes the one that answers when it leads. */
  readonly address: string | undefined;
  /**
   * Resolves, with the reason, when this process leads no more without having been told to stop, or cannot
   * lead when its turn comes. It must end at once: nothing that it still does counts.
   */
  readonly lost: Promise<unknown>;
  /** Suspends all jobs and ends everything. */
  stop(): Promise<void>;
}

/**
 * Runs the service in this process. If it leads, it has brought its jobs back when this resolves, and
 * takes new ones. With `high-availability.type` LEASE it may stand by instead.
 *
 * @throws {EngineError} `CLI-011` (`invalid`) if one runs on this data folder.
 * @throws {EngineError} `JOB-051` (`invalid`) if another one leads on this storage, and it is not to stand by.
 * @throws {EngineError} `JOB-053` (`invalid`) if it is to stand by and no storage is named.
 * @throws {EngineError} `JOB-001`, `STO-…` if its storage cannot be used.
 */
export async function runService(options: RunServiceOptions): Promise<RunningService> {
  const { world, folder, config, version, echo } = options;
  if (config.highAvailabilityType === 'LEASE' && config.highAvailabilityStorage === undefined) {
    throw noSharedStorageError();
  }
  const mark = new ServiceMark(folder, { startMs: world.clock.wallMs(), version });
  const log = new ServiceLog(world.clock, folder, echo);
  log.write({ kind: 'service-starting', pid: process.pid, version, folder });
  let service: Service | undefined;
  try {
    service = new Service(options, mark, log);
    await service.start();
    return service;
  } catch (error) {
    log.write({ kind: 'service-refused', error: errorText(error) });
    await service?.abandon();
    mark.remove();
    throw error;
  }
}

class Service implements RunningService {
  readonly #options: RunServiceOptions;
  readonly #mark: ServiceMark;
  readonly #log: ServiceLog;
  readonly #store: BlobStore;
  readonly #leadership: Leadership;
  readonly #holder: LeaseHolder;
  readonly #token: string;
  readonly #runner: NodeJobRunner;
  readonly #decided = deferred<RunningService['role']>();
  readonly #lost = deferred<unknown>();
  #role: RunningService['role'] = 'leading';
  #cluster: LedCluster | undefined;
  /** Set when this process begins to lead. */
  #leading: Promise<void> | undefined;
  #standby: StandbyMark | undefined;
  /** The epoch of the leader that the log has named. */
  #named = 0;
  #isStopping = false;
  /** No more code is loaded for jobs that another one runs; or what was loaded is kept for now. */
  #cancelWarmth: Cancel = () => undefined;

  constructor(options: RunServiceOptions, mark: ServiceMark, log: ServiceLog) {
    const { world, folder, config, version } = options;
    this.#options = options;
    this.#mark = mark;
    this.#log = log;
    const url = clusterUrl(config, folder);
    this.#store = openStore(url, world, config);
    rememberCluster(folder, url);
    this.#token = newToken(folder, world);
    this.#runner = new NodeJobRunner({
      world,
      code: new CodeFolder(path.join(folder, 'code')),
      folder,
      logFolder: logFolder(folder),
      moduleOf: options.moduleOf,
    });
    this.#holder = thisHolder(folder, version);
    const timings = timingsOf(config);
    this.#leadership = new Leadership({
      clock: world.clock,
      random: world.random,
      store: openLeaseStore(url, { world, settings: config, timings }),
      holder: this.#holder,
      timings,
      isGone: isCertainlyGone,
      onWon: (led) => {
        this.#leading = this.#lead(led);
      },
      onStandBy: (lease, isRenewed) => {
        this.#standBy(lease, isRenewed);
      },
      onLost: (error) => {
        this.#lose(error);
      },
      onProblem: (error) => {
        log.problem('the lease cannot be read or renewed', error);
      },
    });
  }

  get role(): RunningService['role'] {
    return this.#role;
  }

  get address(): string | undefined {
    return this.#cluster?.address;
  }

  get lost(): Promise<unknown> {
    return this.#lost.promise;
  }

  /** Resolves when it leads or stands by. */
  async start(): Promise<void> {
    this.#leadership.start();
    this.#role = await this.#decided.promise;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#mark.change({ state: 'stopping' });
    this.#log.write({ kind: 'service-stopping' });
    await this.#close();
    this.#log.write({ kind: 'service-stopped' });
    this.#mark.remove();
  }

  /** It was refused: lets go of what it has. */
  async abandon(): Promise<void> {
    this.#isStopping = true;
    await this.#close();
  }

  async #close(): Promise<void> {
    await this.#leading;
    await this.#standby?.close();
    this.#cancelWarmth();
    this.#runner.keepWarm([]);
    await this.#cluster?.close();
    // Last: from here on another one may lead.
    await this.#leadership.resign();
    fs.rmSync(tokenFile(this.#options.folder), { force: true });
  }

  /** Never rejects. */
  async #lead(led: Led): Promise<void> {
    const { world, folder, config, attach } = this.#options;
    const wasStandby = this.#role === 'standby';
    this.#cancelWarmth();
    this.#log.write({ kind: 'service-leads', epoch: led.epoch });
    try {
      const cluster = await LedCluster.start({
        ...{ world, folder, config, attach, led },
        store: this.#store,
        leadership: this.#leadership,
        runner: this.#runner,
        token: this.#token,
        log: this.#log,
      });
      this.#cluster = cluster;
      this.#role = 'leading';
      if (wasStandby) void cluster.attachWhenPossible().then((address) => this.#answers(address));
      else this.#answers(await cluster.attach());
      void this.#standby?.close();
      this.#cancelWarmth = world.clock.after(UNUSED_MS, () => {
        this.#runner.keepWarm([]);
      });
      this.#decided.resolve('leading');
    } catch (error) {
      if (wasStandby) this.#lose(error);
      else this.#decided.reject(error);
    }
  }

  #answers(address: string | undefined): void {
    if (this.#isStopping) return;
    this.#mark.change({ state: 'running', address });
    this.#leadership.publish(address);
    this.#log.write({ kind: 'service-running', address });
  }

  #standBy(lease: Lease, isRenewed: boolean): void {
    const { world, config } = this.#options;
    if (this.#isStopping) return;
    if (lease.epoch !== this.#named) {
      this.#named = lease.epoch;
      const { owner, address } = lease.holder;
      this.#log.write({ kind: 'service-stands-by', leader: owner, address, epoch: lease.epoch });
    }
    if (config.highAvailabilityType === 'NONE') {
      // One that has died elsewhere is waited for; one that lives is not.
      if (isRenewed) this.#decided.reject(otherLeadsError(this.#store.url, lease));
      return;
    }
    if (this.#standby !== undefined) return;
    const id = randomHex(world.random, STANDBY_ID_LENGTH);
    this.#standby = new StandbyMark({ store: this.#store, clock: world.clock }, id, this.#holder);
    this.#role = 'standby';
    this.#mark.change({ state: 'standby' });
    this.#cancelWarmth = stayWarm({
      world,
      config,
      store: this.#store,
      runner: this.#runner,
    });
    // Whoever started it sees it among the standbys; a storage that hangs keeps nobody waiting.
    const overdue = sleep(world.clock, ANNOUNCED_MS_MAX);
    void Promise.race([this.#standby.announced, overdue]).then(() => {
      this.#decided.resolve('standby');
    });
  }

  #lose(error: unknown): void {
    this.#log.write({ kind: 'service-lost', error: errorText(error) });
    fs.rmSync(tokenFile(this.#options.folder), { force: true });
    this.#mark.remove();
    this.#decided.reject(error);
    this.#lost.resolve(error);
  }
}

function thisHolder(folder: string, version: string): LeaseHolder {
  const { pid } = process;
  return {
    owner: `${hostname()}:${pid}`,
    pid,
    processStart: startOf(pid) ?? '',
    pidSpace: pidSpace(),
    folder,
    version,
  };
}

function timingsOf(config: FlinkSettings): LeaseTimings {
  const { highAvailabilityType, leaseDurationMs, leaseRenewDeadlineMs } = config;
  return {
    durationMs: leaseDurationMs,
    // Without standbys nobody is there to take over: a storage that does not answer for a while ends no job.
    renewDeadlineMs: highAvailabilityType === 'NONE' ? Infinity : leaseRenewDeadlineMs,
    intervalMs: config.leaseRenewIntervalMs,
  };
}

function tokenFile(folder: string): string {
  return path.join(folder, 'token');
}

/** A new one at each start. */
function newToken(folder: string, { random }: World): string {
  const token = randomHex(random, TOKEN_LENGTH);
  const file = tokenFile(folder);
  fs.rmSync(file, { force: true });
  fs.writeFileSync(file, token, { mode: 0o600, flag: 'wx' });
  return token;
}
