import { assert } from '../../common/assert.ts';
import type { Clock } from '../../common/clock.ts';
import { transferError } from '../../common/error-transfer.ts';
import type { Connection } from '../../common/transport.ts';
import { createRing, RING_SLOTS } from '../../runtime/ring.ts';
import { threadLinkEnds } from '../../runtime/ring-link.ts';
import { ManagedSlot } from './managed-slot.ts';
import type { SlotHost } from './slot-host.ts';
import { deploymentKey, type SlotDeploy } from './slot-protocol.ts';
import {
  decodeToTaskManager,
  encodeMessage,
  type FromTaskManager,
  type SlotRef,
  type ToTaskManager,
} from './task-manager-protocol.ts';

/** Rings grow with the square of the slots: beyond so many neighbours each is half as long. */
const NEIGHBOURS_FEW = 3;

/** Why a TaskManager ends. */
export type TaskManagerEnd =
  /** Its JobManager needs it no more. All slots are gone. */
  | { readonly kind: 'closed' }
  /** Its JobManager is gone: nobody may see what the slots still do, so they must end at once. */
  | { readonly kind: 'lost'; readonly error: Error | undefined };

export interface TaskManagerOptions {
  readonly id: string;
  readonly pid: number;
  readonly slots: number;
  readonly clock: Clock;
  /** To the JobManager. */
  readonly connection: Connection;
  readonly host: SlotHost;
  /** Told once. The process ends itself then. */
  readonly onEnd: (end: TaskManagerEnd) => void;
}

/** The slot in one place of a TaskManager. */
interface Place {
  readonly ref: SlotRef;
  readonly slot: ManagedSlot;
}

/** Rings of one deployment, by channel; the first of the two slots that gets its part makes it. */
type Rings = Map<number, SharedArrayBuffer>;

/**
 * What runs in the main thread of a process of slots: passes on what the JobManager and the slots
 * tell each other, watches over the slots, and answers heartbeats, which no user code can delay.
 *
 * Always holds: it decides nothing about a job. What is meant for a slot that has died goes nowhere.
 */
export class TaskManager {
  readonly #options: TaskManagerOptions;
  readonly #places: (Place | undefined)[];
  readonly #rings = new Map<string, Rings>();
  #load: Extract<ToTaskManager, { kind: 'load' }> | undefined;
  #isOver = false;

  constructor(options: TaskManagerOptions) {
    this.#options = options;
    this.#places = Array.from({ length: options.slots }, () => undefined);
  }

  /** Registers, and does from then on what it is told. */
  start(): void {
    const { id, pid, slots, connection } = this.#options;
    connection.onFrame((frame) => {
      this.#receive(decodeToTaskManager(frame));
    });
    connection.onClose((error) => {
      this.#end({ kind: 'lost', error });
    });
    this.#say({ kind: 'register', id, pid, slots });
  }

  #receive(message: ToTaskManager): void {
    switch (message.kind) {
      case 'ping':
        this.#say({ kind: 'pong' });
        return;
      case 'load':
        this.#load = message;
        return;
      case 'open-slot':
        this.#open(message.slot);
        return;
      case 'kill-slot':
        this.#slot(message.slot)?.kill();
        return;
      case 'deploy':
        this.#slot(message.slot)?.deploy(message.deploy, this.#ringsOf(message.deploy));
        return;
      case 'order':
        this.#slot(message.slot)?.say(message.order);
        return;
      case 'close':
        void this.#close();
        return;
    }
  }

  #open(ref: SlotRef): void {
    const load = this.#load;
    assert(load !== undefined, 'a slot is opened before its job is known');
    assert(this.#places[ref.index] === undefined, `place ${ref.index} has a slot`);
    const { id, clock, host } = this.#options;
    const slot = new ManagedSlot({
      taskManager: id,
      index: ref.index,
      data: load.data,
      stuckTimeoutMs: load.stuckTimeoutMs,
      clock,
      host,
      listener: {
        ready: (address) => {
          this.#say({ kind: 'slot-ready', slot: ref, address });
        },
        report: ({ deployment, report }) => {
          // Whoever has a ring keeps it; no slot of this deployment is still to come.
          if (report.kind === 'canceled') this.#rings.delete(deploymentKey(deployment));
          this.#say({ kind: 'report', slot: ref, deployment, report });
        },
        unkillable: (error) => {
          this.#say({ kind: 'broken', error: transferError(error) });
        },
        died: (error) => {
          this.#places[ref.index] = undefined;
          for (const key of slot.deployments()) this.#rings.delete(key);
          this.#say({ kind: 'slot-died', slot: ref, error: transferError(error) });
        },
      },
    });
    for (const other of this.#places) if (other !== undefined) this.#join(other, { ref, slot });
    this.#places[ref.index] = { ref, slot };
  }

  #join(a: Place, b: Place): void {
    const [one, other] = threadLinkEnds(...this.#options.host.channel());
    a.slot.say({ kind: 'neighbour', index: b.ref.index, end: one });
    b.slot.say({ kind: 'neighbour', index: a.ref.index, end: other });
  }

  #slot({ index, incarnation }: SlotRef): ManagedSlot | undefined {
    const place = this.#places[index];
    return place?.ref.incarnation === incarnation ? place.slot : undefined;
  }

  /** The rings between a slot and its neighbours. */
  #ringsOf({ deployment, slot, channels, peers }: SlotDeploy): Rings {
    const key = deploymentKey(deployment);
    const all = this.#rings.get(key) ?? new Map<number, SharedArrayBuffer>();
    this.#rings.set(key, all);
    const neighbours = new Set<number>();
    for (const peer of peers) if (peer.kind === 'neighbour') neighbours.add(peer.slot);
    const options = neighbours.size > NEIGHBOURS_FEW ? { slots: RING_SLOTS / 2 } : {};
    const rings: Rings = new Map();
    for (const { number, from, to } of channels) {
      if (!neighbours.has(from === slot ? to : from)) continue;
      const ring = all.get(number) ?? createRing(options);
      all.set(number, ring);
      rings.set(number, ring);
    }
    return rings;
  }

  async #close(): Promise<void> {
    await Promise.all(this.#places.flatMap((place) => place?.slot.close() ?? []));
    // The other side closes the connection when it has read what came before this.
    this.#end({ kind: 'closed' });
    this.#options.connection.close();
  }

  #say(message: FromTaskManager): void {
    if (!this.#isOver) this.#options.connection.send(encodeMessage(message));
  }

  #end(end: TaskManagerEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onEnd(end);
  }
}
