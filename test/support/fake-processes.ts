/**
 * Processes, slots and connections in one thread, for tests of what leads them: real TaskManagers
 * with slots that only note what they are told, and answer as slots do. A clock moves it all.
 */
import { transferError } from '../../src/common/error-transfer.ts';
import type { Child, ExitReason, Spawner } from '../../src/common/spawner.ts';
import type { Connection, Listener, Transport } from '../../src/common/transport.ts';
import type {
  SlotHost,
  SlotThread,
  SlotThreadListener,
} from '../../src/cluster/task-manager/slot-host.ts';
import type {
  FromSlot,
  SlotData,
  SlotDeploy,
  ToSlot,
} from '../../src/cluster/task-manager/slot-protocol.ts';
import { TaskManager } from '../../src/cluster/task-manager/task-manager.ts';
import type { TaskManagerInit } from '../../src/cluster/task-manager/task-manager-protocol.ts';
import type { LinkPort } from '../../src/runtime/ring-link.ts';
import { ManualClock } from './manual-clock.ts';

export const KILLED: ExitReason = { kind: 'killed', signal: 'SIGKILL' };

export class Wire implements Connection {
  peer: Wire | undefined;
  #waiting: Uint8Array[] = [];
  #over = false;
  #onFrame: ((frame: Uint8Array) => void) | undefined;
  #onClose: ((why: Error | undefined) => void) | undefined;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  static pair(clock: ManualClock): readonly [Wire, Wire] {
    const [a, b] = [new Wire(clock), new Wire(clock)];
    a.peer = b;
    b.peer = a;
    return [a, b];
  }

  send(frame: Uint8Array): boolean {
    const copy = frame.slice();
    if (!this.#over) this.#clock.turn(() => this.peer?.come(copy));
    return true;
  }

  come(frame: Uint8Array): void {
    if (this.#over) return;
    if (this.#onFrame === undefined) this.#waiting.push(frame);
    else this.#onFrame(frame);
  }

  isWritable(): boolean {
    return true;
  }

  onFrame(listener: ((frame: Uint8Array) => void) | undefined): void {
    this.#onFrame = listener;
    for (const frame of this.#waiting.splice(0)) listener?.(frame);
  }

  onWritable(): void {
    // It is always writable.
  }

  onClose(listener: (why: Error | undefined) => void): void {
    this.#onClose = listener;
  }

  close(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.#over) return;
    this.#over = true;
    this.#clock.turn(() => {
      this.peer?.destroy();
      this.#onClose?.(undefined);
    });
  }
}

/** A slot that only notes what it is told, and answers as slots do. */
export class FakeSlot implements SlotThread {
  readonly deployed: SlotDeploy[] = [];
  readonly calls: string[] = [];
  /** Does not answer any more. */
  isStuck = false;
  isOver = false;
  readonly index: number;
  readonly #listener: SlotThreadListener;

  constructor(index: number, listener: SlotThreadListener) {
    this.index = index;
    this.#listener = listener;
  }

  say(message: ToSlot<LinkPort>): void {
    if (this.isStuck || this.isOver) return;
    if (message.kind === 'ping') this.tell({ kind: 'pong' });
    if (message.kind === 'call' && this.deployed.length > 0) this.calls.push(message.call.kind);
    if (message.kind === 'close') this.end(0, undefined);
    if (message.kind === 'deploy') {
      const { deployment, tasks } = message.deploy;
      this.deployed.push(message.deploy);
      for (const { id } of tasks) {
        this.tell({ kind: 'report', deployment, report: { kind: 'running', task: id } });
      }
    }
    if (message.kind === 'cancel') {
      const { deployment } = message;
      this.tell({ kind: 'report', deployment, report: { kind: 'canceled' } });
    }
  }

  tell(message: FromSlot): void {
    if (!this.isOver) this.#listener.message(message);
  }

  kill(): void {
    this.end(1, undefined);
  }

  end(exitCode: number, error: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#listener.ended({ exitCode, error });
  }
}

/** A process: what is in it stops when it is frozen, and is gone when it is over. */
export class FakeProcess implements Child, SlotHost {
  readonly id: string;
  readonly init: TaskManagerInit;
  readonly exited: Promise<ExitReason>;
  slots: FakeSlot[] = [];
  kills = 0;
  /** What kills does not end it before `end` is called. */
  isStubborn = false;
  isOver = false;
  #resolve: (reason: ExitReason) => void = () => undefined;
  wire: Wire | undefined;
  readonly #world: FakeProcesses;

  constructor(world: FakeProcesses, pid: number, init: TaskManagerInit) {
    this.id = `${pid}@0`;
    this.init = init;
    this.#world = world;
    this.exited = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Its program begins. */
  begin(): void {
    if (this.isOver) return;
    const [mine, theirs] = Wire.pair(this.#world.clock);
    this.wire = mine;
    this.#world.accept(theirs);
    new TaskManager({
      id: this.init.id,
      pid: Number.parseInt(this.id, 10),
      slots: this.init.slots,
      clock: this.#world.clock,
      connection: mine,
      host: this,
      onEnd: ({ kind }) => {
        this.end({ kind: 'exited', exitCode: kind === 'closed' ? 0 : 1 });
      },
    }).start();
  }

  /** Nothing comes out of it any more. */
  freeze(): void {
    const { wire } = this;
    if (wire !== undefined) wire.send = () => true;
  }

  open(
    index: number,
    _data: SlotData,
    _progress: SharedArrayBuffer,
    listener: SlotThreadListener,
  ): SlotThread {
    const slot = new FakeSlot(index, listener);
    this.slots.push(slot);
    this.#world.clock.turn(() => {
      if (this.#world.refuses) slot.tell({ kind: 'refused', error: transferError(REFUSAL) });
      else slot.tell({ kind: 'ready', address: `${this.init.id}/${index}` });
    });
    return slot;
  }

  channel(): readonly [LinkPort, LinkPort] {
    const port: LinkPort = {
      postMessage: () => undefined,
      on: () => undefined,
      close: () => undefined,
    };
    return [port, port];
  }

  kill(): void {
    this.kills += 1;
    if (!this.isStubborn) this.end(KILLED);
  }

  end(reason: ExitReason): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const slot of this.slots) slot.isOver = true;
    this.#resolve(reason);
    this.wire?.destroy();
  }
}

export const REFUSAL = new TypeError('another graph');

export class FakeProcesses implements Transport, Spawner {
  readonly clock = new ManualClock();
  readonly processes: FakeProcess[] = [];
  /** Processes end instead of beginning. */
  isBroken = false;
  /** Slots do not take the job. */
  refuses = false;
  accept: (connection: Connection) => void = () => undefined;

  async listen(onConnection: (connection: Connection) => void): Promise<Listener> {
    this.accept = onConnection;
    return { address: 'here', close: async () => undefined };
  }

  async connect(): Promise<Connection> {
    return Wire.pair(this.clock)[0];
  }

  spawn(_entry: string, args: unknown): Child {
    const made = new FakeProcess(this, 100 + this.processes.length, args as TaskManagerInit);
    this.processes.push(made);
    this.clock.turn(() => {
      if (this.isBroken) made.end({ kind: 'exited', exitCode: 7 });
      else made.begin();
    });
    return made;
  }

  get living(): FakeProcess[] {
    return this.processes.filter(({ isOver }) => !isOver);
  }
}
