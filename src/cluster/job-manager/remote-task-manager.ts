import { assert } from '../../common/assert.ts';
import type { Clock } from '../../common/clock.ts';
import { receiveError } from '../../common/error-transfer.ts';
import type { Child, Spawner } from '../../common/spawner.ts';
import type { Connection } from '../../common/transport.ts';
import type { SlotData } from '../task-manager/slot-protocol.ts';
import {
  decodeFromTaskManager,
  encodeMessage,
  type FromTaskManager,
  type TaskManagerInit,
  type ToTaskManager,
} from '../task-manager/task-manager-protocol.ts';
import { RemoteSlot } from './remote-slot.ts';
import { deathError } from './task-manager-errors.ts';
import {
  startedLife,
  stepTaskManagerLife,
  type HeartbeatSettings,
  type TaskManagerDeath,
  type TaskManagerLife,
  type TaskManagerLifeEvent,
} from './task-manager-life.ts';

/** The program that a TaskManager runs, as spawners know it. */
export const TASK_MANAGER_ENTRY = 'task-manager';

export interface RemoteTaskManagerOptions {
  readonly init: TaskManagerInit;
  readonly clock: Clock;
  readonly spawner: Spawner;
  readonly slotData: SlotData;
  readonly stuckTimeoutMs: number;
  readonly heartbeat: HeartbeatSettings;
  /** All its slots have loaded the job. */
  readonly onReady: () => void;
  /** Told once, before its slots' listeners are. Without an error: it was told to end. */
  readonly onDead: (error: Error | undefined) => void;
}

/** What can be told of a TaskManager. Times are wall time. */
export interface TaskManagerStatus {
  readonly id: string;
  readonly pid: number;
  readonly slots: number;
  readonly freeSlots: number;
  /** It stands by. */
  readonly spare: boolean;
  readonly startMs: number;
  readonly lastHeardMs: number;
}

/** A TaskManager as its JobManager sees it: the process, the connection to it, its slots. */
export class RemoteTaskManager {
  readonly id: string;
  /** 0 for a process that could not be made. */
  readonly pid: number;
  readonly gone: Promise<void>;
  /** Tasks have run here. */
  hasRun = false;
  readonly #options: RemoteTaskManagerOptions;
  readonly #startMs: number;
  readonly #child: Child;
  #life: TaskManagerLife;
  #connection: Connection | undefined;
  /** What is said before it has registered. */
  #early: ToTaskManager[] = [];
  readonly #slots: RemoteSlot[];
  #hasBeenReady = false;
  /** Why it must be killed, as it says itself. */
  #broken: Error | undefined;
  #isGone: () => void = () => undefined;

  /** Starts the process. */
  constructor(options: RemoteTaskManagerOptions) {
    this.#options = options;
    const { init, clock, spawner, slotData, stuckTimeoutMs } = options;
    this.id = init.id;
    this.#startMs = clock.wallMs();
    this.gone = new Promise((resolve) => {
      this.#isGone = resolve;
    });
    this.#life = startedLife(clock.monotonicMs());
    this.#child = spawner.spawn(TASK_MANAGER_ENTRY, init);
    this.pid = Number.parseInt(this.#child.id, 10) || 0;
    void this.#child.exited.then((reason) => {
      this.#event({ kind: 'exited', reason });
    });
    this.#say({ kind: 'load', data: slotData, stuckTimeoutMs });
    this.#slots = Array.from({ length: init.slots }, (_, index) => this.#open(index, 0));
  }

  get isDead(): boolean {
    return this.#life.kind === 'dead';
  }

  /** It is there, or will be. */
  get isUsable(): boolean {
    return this.#life.kind === 'starting' || this.#life.kind === 'registered';
  }

  /** All its slots have loaded the job and wait for tasks, or have some. */
  get isReady(): boolean {
    return this.isUsable && this.#slots.every(({ address }) => address !== undefined);
  }

  status(): Omit<TaskManagerStatus, 'spare'> {
    const { id, pid } = this;
    const { clock } = this.#options;
    const free = this.#slots.filter((slot) => !slot.isDead && slot.tasks().length === 0);
    const life = this.#life;
    const silentMs = life.kind === 'registered' ? this.#nowMs() - life.heardMs : 0;
    return {
      id,
      pid,
      slots: this.#slots.length,
      freeSlots: free.length,
      startMs: this.#startMs,
      lastHeardMs: life.kind === 'registered' ? clock.wallMs() - silentMs : this.#startMs,
    };
  }

  /** The slot in this place; opened again if it has died. */
  slot(index: number): RemoteSlot {
    const slot = this.#slots[index];
    assert(slot !== undefined, `${this.id} has no slot ${index}`);
    if (!slot.isDead || !this.isUsable) return slot;
    const next = this.#open(index, slot.ref.incarnation + 1);
    this.#slots[index] = next;
    return next;
  }

  /** It has connected and said who it is. */
  registered(connection: Connection): void {
    if (this.#connection !== undefined || !this.isUsable) {
      connection.destroy();
      return;
    }
    this.#connection = connection;
    this.#event({ kind: 'registered', atMs: this.#nowMs() });
    connection.onFrame((frame) => {
      this.#event({ kind: 'heard', atMs: this.#nowMs() });
      this.#receive(decodeFromTaskManager(frame));
    });
    connection.onClose(() => {
      this.#event({ kind: 'connection-lost' });
    });
    const early = this.#early;
    this.#early = [];
    for (const message of early) this.#say(message);
  }

  tick(): void {
    this.#event({ kind: 'tick', atMs: this.#nowMs() });
  }

  /** Lets it end; `gone` resolves when it has. */
  close(): void {
    this.#event({ kind: 'close', atMs: this.#nowMs() });
  }

  #open(index: number, incarnation: number): RemoteSlot {
    const slot = new RemoteSlot(this.id, { index, incarnation }, (message) => {
      this.#say(message);
    });
    this.#say({ kind: 'open-slot', slot: slot.ref });
    return slot;
  }

  #say(message: ToTaskManager): void {
    if (this.#connection === undefined) this.#early.push(message);
    else this.#connection.send(encodeMessage(message));
  }

  #receive(message: FromTaskManager): void {
    if (message.kind === 'register' || message.kind === 'pong') return;
    if (message.kind === 'broken') {
      this.#broken = receiveError(message.error);
      this.#event({ kind: 'broken' });
      return;
    }
    const slot = this.#slots[message.slot.index];
    if (slot?.ref.incarnation !== message.slot.incarnation) return;
    switch (message.kind) {
      case 'slot-ready':
        slot.becameReady(message.address);
        this.#checkReady();
        return;
      case 'slot-died':
        this.#slotDied(slot, receiveError(message.error));
        return;
      case 'report':
        if (message.report.kind === 'running') this.hasRun = true;
        slot.reported(message.deployment, message.report);
    }
  }

  /** One that had loaded the job is opened again at once, any other one when it is needed. */
  #slotDied(slot: RemoteSlot, error: Error): void {
    const wasReady = slot.address !== undefined;
    const tasks = slot.tasks().length;
    slot.died(error);
    if (wasReady && tasks > 0) this.slot(slot.ref.index);
  }

  #checkReady(): void {
    if (this.#hasBeenReady || !this.isReady) return;
    this.#hasBeenReady = true;
    this.#options.onReady();
  }

  #event(event: TaskManagerLifeEvent): void {
    const { life, actions } = stepTaskManagerLife(this.#life, event, this.#options.heartbeat);
    this.#life = life;
    for (const action of actions) {
      switch (action.kind) {
        case 'ping':
          this.#say({ kind: 'ping' });
          break;
        case 'tell-to-close':
          this.#say({ kind: 'close' });
          break;
        case 'kill':
          this.#child.kill();
          break;
        case 'declare-dead':
          this.#dead(action.death);
      }
    }
  }

  #dead(death: TaskManagerDeath): void {
    this.#connection?.destroy();
    this.#early = [];
    const { heartbeat, onDead } = this.#options;
    const error =
      this.#broken ??
      deathError(
        {
          id: this.id,
          pid: this.pid,
          tasks: this.#slots.flatMap((slot) => slot.tasks()),
          heartbeatTimeoutMs: heartbeat.timeoutMs,
          startTimeoutMs: heartbeat.startTimeoutMs,
        },
        death,
      );
    onDead(death.kind === 'closed' ? undefined : error);
    for (const slot of this.#slots) slot.died(error);
    this.#isGone();
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}
