import { assert } from '../../common/assert.ts';
import type { Cancel, Clock } from '../../common/clock.ts';
import type { Spawner } from '../../common/spawner.ts';
import type { Connection, Listener, Transport } from '../../common/transport.ts';
import { slotsNeeded, type ExecutionPlan } from '../../graph/execution-plan.ts';
import type { Deployment } from '../deployment.ts';
import type { JobEvent } from '../job-events.ts';
import type { SlotData } from '../task-manager/slot-protocol.ts';
import { decodeFromTaskManager, encodeMessage } from '../task-manager/task-manager-protocol.ts';
import { RegionDeployment, type SlotSource } from './region-deployment.ts';
import type { RemoteSlot } from './remote-slot.ts';
import { RemoteTaskManager, type TaskManagerStatus } from './remote-task-manager.ts';
import { noSparesMessage } from './task-manager-errors.ts';

/** A process that has not registered by then is taken for one that will not. */
const START_MS_MAX = 60_000;
/** A process that was told to end and has not by then is killed. */
const CLOSE_MS_MAX = 3_000;
/** From when the job runs to when spares start: the first records come first. */
const SPARE_DELAY_MS = 500;
/** Spares that die one after the other, before one is used: then there are no more. */
const SPARE_DEATHS_MAX = 3;

export interface TaskManagersOptions {
  readonly clock: Clock;
  readonly transport: Transport;
  /** What lets the processes that are started here in at `transport`. */
  readonly token: string;
  readonly spawner: Spawner;
  readonly plan: ExecutionPlan;
  readonly slotData: SlotData;
  /** More: fewer processes; fewer: one that dies takes less with it. */
  readonly slotsPerTaskManager: number;
  /** Processes that stand by with the job loaded. */
  readonly redundant: number;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly stuckTimeoutMs: number;
  readonly emit: (event: JobEvent) => void;
}

/**
 * The processes in which a job's tasks run: subtask n of every vertex in slot n, slot n in the
 * TaskManager at position n / `slotsPerTaskManager`.
 *
 * Always holds: a position that has lost its process while tasks ran there has another one at once, a
 * spare if there is any; whatever else has died (a process that did not start, a spare) is made again
 * only when it is needed and a restart strategy has agreed, or for a bounded number of times. Spares
 * start only while the job runs, so that they take nothing from a start or a recovery.
 */
export class TaskManagers {
  readonly #options: TaskManagersOptions;
  readonly #positions: (RemoteTaskManager | undefined)[];
  #spares: RemoteTaskManager[] = [];
  /** All whose process is not over. */
  readonly #living = new Set<RemoteTaskManager>();
  readonly #deployments = new Set<RegionDeployment>();
  #listener: Listener | undefined;
  #count = 0;
  #lastChannel = 0;
  #spareDeaths = 0;
  #stopTicks: Cancel | undefined;
  #stopSpares: Cancel | undefined;
  #isClosing = false;

  constructor(options: TaskManagersOptions) {
    this.#options = options;
    const count = Math.ceil(slotsNeeded(options.plan) / options.slotsPerTaskManager);
    this.#positions = Array.from({ length: count }, () => undefined);
  }

  /**
   * Starts the processes; does not wait for them.
   *
   * @throws {EngineError} `COM-…` (`unavailable`) if this process cannot listen.
   * @throws {EngineError} `SER-004` (`invalid`) if the job's settings hold what is no data.
   */
  async start(): Promise<void> {
    const { slotData, stuckTimeoutMs, transport } = this.#options;
    // What cannot be sent is refused now, and not when the first process has come.
    encodeMessage({ kind: 'load', data: slotData, stuckTimeoutMs });
    this.#listener = await transport.listen((connection) => {
      this.#connected(connection);
    });
    this.#tick();
    this.#positions.forEach((_, position) => this.#at(position));
  }

  /** Deploys one region, once. Only after `start`. */
  makeDeployment(): Deployment {
    const { plan, clock } = this.#options;
    return new RegionDeployment(plan, clock, this.#slotSource());
  }

  /** Those whose process is not over. */
  statuses(): readonly TaskManagerStatus[] {
    return [...this.#living].map((one) => ({
      ...one.status(),
      spare: this.#spares.includes(one),
    }));
  }

  /** Ends all processes. Resolves when the operating system says that they are over. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#stopSpares?.();
    for (const one of this.#living) one.close();
    await Promise.all([...this.#living].map(({ gone }) => gone));
    this.#stopTicks?.();
    await this.#listener?.close();
  }

  #slotSource(): SlotSource {
    const { slotsPerTaskManager } = this.#options;
    return {
      slot: (number): RemoteSlot =>
        this.#at(Math.floor(number / slotsPerTaskManager)).slot(number % slotsPerTaskManager),
      nextChannel: () => {
        this.#lastChannel += 1;
        return this.#lastChannel;
      },
      changed: (deployment) => {
        if (deployment.life === 'over') this.#deployments.delete(deployment);
        else this.#deployments.add(deployment);
        this.#checkSpares();
      },
    };
  }

  /** The TaskManager at a position: what is there, a spare, or a new one. */
  #at(position: number): RemoteTaskManager {
    const known = this.#positions[position];
    if (known?.isUsable === true) return known;
    const next = this.#takeSpare() ?? this.#spawn(false);
    this.#positions[position] = next;
    return next;
  }

  /** One that is ready, or else the one that has been starting for longest. */
  #takeSpare(): RemoteTaskManager | undefined {
    const usable = this.#spares.filter(({ isUsable }) => isUsable);
    const spare = usable.find(({ isReady }) => isReady) ?? usable[0];
    if (spare === undefined) return undefined;
    this.#spares = this.#spares.filter((one) => one !== spare);
    this.#spareDeaths = 0;
    return spare;
  }

  #spawn(asSpare: boolean): RemoteTaskManager {
    const options = this.#options;
    const { clock, spawner, slotData, stuckTimeoutMs, slotsPerTaskManager: slots } = options;
    const address = this.#listener?.address;
    assert(address !== undefined && !this.#isClosing, 'TaskManagers start between start and close');
    this.#count += 1;
    const made = new RemoteTaskManager({
      init: { id: `tm-${this.#count}`, address, token: options.token, slots },
      clock,
      spawner,
      slotData,
      stuckTimeoutMs,
      heartbeat: {
        intervalMs: options.heartbeatIntervalMs,
        timeoutMs: options.heartbeatTimeoutMs,
        startTimeoutMs: START_MS_MAX,
        closeTimeoutMs: CLOSE_MS_MAX,
      },
      onReady: () => {
        this.#emit(made, 'registered');
      },
      onDead: (error) => {
        this.#died(made, error);
      },
    });
    this.#living.add(made);
    if (asSpare) this.#spares.push(made);
    this.#emit(made, 'started');
    return made;
  }

  #died(dead: RemoteTaskManager, error: Error | undefined): void {
    this.#living.delete(dead);
    if (error === undefined || this.#isClosing) return;
    this.#emit(dead, 'lost');
    if (this.#spares.includes(dead)) {
      this.#spares = this.#spares.filter((one) => one !== dead);
      this.#spareDied(error);
      return;
    }
    const position = this.#positions.indexOf(dead);
    if (position >= 0 && dead.hasRun) this.#at(position);
  }

  #spareDied(error: Error): void {
    this.#spareDeaths += 1;
    if (this.#spareDeaths < SPARE_DEATHS_MAX) {
      this.#checkSpares();
      return;
    }
    this.#options.emit({ kind: 'warning', message: noSparesMessage(this.#spareDeaths, error) });
  }

  /** Starts what is missing, a little after the whole job runs. */
  #checkSpares(): void {
    this.#stopSpares?.();
    this.#stopSpares = undefined;
    if (!this.#mayStartSpares()) return;
    this.#stopSpares = this.#options.clock.after(SPARE_DELAY_MS, () => {
      while (this.#mayStartSpares()) this.#spawn(true);
    });
  }

  #mayStartSpares(): boolean {
    if (this.#isClosing || this.#spareDeaths >= SPARE_DEATHS_MAX) return false;
    if (this.#spares.length >= this.#options.redundant || this.#deployments.size === 0)
      return false;
    return [...this.#deployments].every(({ life }) => life === 'running');
  }

  #tick(): void {
    const { clock, heartbeatIntervalMs } = this.#options;
    this.#stopTicks = clock.after(heartbeatIntervalMs, () => {
      for (const one of [...this.#living]) one.tick();
      this.#tick();
    });
  }

  /** The first message says whose connection it is. */
  #connected(connection: Connection): void {
    connection.onFrame((frame) => {
      const message = decodeFromTaskManager(frame);
      const one =
        message.kind === 'register'
          ? [...this.#living].find(({ id }) => id === message.id)
          : undefined;
      if (one === undefined) connection.destroy();
      else one.registered(connection);
    });
  }

  #emit(one: RemoteTaskManager, status: 'started' | 'registered' | 'lost'): void {
    const { id, pid } = one;
    const spare = this.#spares.includes(one);
    const slots = this.#options.slotsPerTaskManager;
    this.#options.emit({ kind: 'task-manager', id, pid, status, slots, spare });
  }
}
