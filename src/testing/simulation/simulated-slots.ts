import { assert } from '../../common/assert.ts';
import { transferError } from '../../common/error-transfer.ts';
import type {
  SlotEnd,
  SlotHost,
  SlotThread,
  SlotThreadListener,
} from '../../cluster/task-manager/slot-host.ts';
import type { FromSlot, SlotData, ToSlot } from '../../cluster/task-manager/slot-protocol.ts';
import { SlotRuntime } from '../../cluster/task-manager/slot-runtime.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import type { LinkPort } from '../../runtime/ring-link.ts';
import { Mailbox } from './mailbox.ts';
import type { SimulatedProcess, SimulatedWorld } from './simulated-process.ts';
import { SimulatedPort, simulatedPorts } from './simulated-port.ts';

export interface SimulatedSlotsOptions {
  /** The TaskManager. */
  readonly owner: SimulatedProcess;
  readonly makeProcess: (name: string) => SimulatedProcess;
  /** Builds the job in a slot. */
  readonly load: (world: SimulatedWorld, data: SlotData) => JobGraph;
}

const SLOTS = new WeakMap<SimulatedProcess, SimulatedProcess[]>();

/** All slots that a TaskManager has opened, dead ones too: as processes, to freeze or kill them with it. */
export function slotsOf(taskManager: SimulatedProcess): readonly SimulatedProcess[] {
  return SLOTS.get(taskManager) ?? [];
}

/**
 * The slots of a simulated TaskManager. Each is a simulated process, so that it can die alone; it
 * dies with its TaskManager.
 */
export class SimulatedSlots implements SlotHost {
  readonly #options: SimulatedSlotsOptions;

  constructor(options: SimulatedSlotsOptions) {
    this.#options = options;
  }

  open(
    index: number,
    data: SlotData,
    progress: SharedArrayBuffer,
    listener: SlotThreadListener,
  ): SlotThread {
    const { owner, makeProcess, load } = this.#options;
    const slot = makeProcess(`${owner.name}/slot-${index}`);
    SLOTS.set(owner, [...slotsOf(owner), slot]);
    const fromSlot = new Mailbox(owner, 'from slot');
    const toSlot = new Mailbox(slot, 'to slot');
    owner.onKill(() => {
      slot.kill();
    });
    slot.onEnd((reason) => {
      const exitCode = reason.kind === 'exited' ? reason.exitCode : 1;
      const end: SlotEnd = { exitCode, error: undefined };
      fromSlot.post(() => {
        listener.ended(end);
      });
    });
    const say = (message: FromSlot): void => {
      fromSlot.post(() => {
        listener.message(message);
      });
    };
    const thread = new SlotProcess(slot, data, progress, load, say);
    return {
      say(message) {
        if (message.kind === 'neighbour') {
          const { port } = message.end;
          assert(port instanceof SimulatedPort, 'a port of another simulation');
          port.bind(slot);
        }
        toSlot.post(() => {
          thread.receive(message);
        });
      },
      kill() {
        slot.kill();
      },
    };
  }

  channel(): readonly [LinkPort, LinkPort] {
    return simulatedPorts();
  }
}

/** What `slot-main.ts` is for a worker thread. */
class SlotProcess {
  readonly #process: SimulatedProcess;
  readonly #early: ToSlot<LinkPort>[] = [];
  #runtime: SlotRuntime | undefined;

  constructor(
    process: SimulatedProcess,
    data: SlotData,
    progress: SharedArrayBuffer,
    load: SimulatedSlotsOptions['load'],
    say: (message: FromSlot) => void,
  ) {
    this.#process = process;
    void process.start(async (world) => {
      try {
        const runtime = new SlotRuntime({
          data,
          jobGraph: load(world, data),
          world,
          transport: world.transport,
          progress,
          say,
          print: () => undefined,
          schedulingRandom: world.random.fork('scheduling'),
        });
        await runtime.start();
        this.#runtime = runtime;
        for (const message of this.#early.splice(0)) this.receive(message);
      } catch (error) {
        say({ kind: 'refused', error: transferError(error) });
      }
    });
  }

  receive(message: ToSlot<LinkPort>): void {
    if (message.kind === 'close') {
      this.#runtime?.close();
      this.#process.exit(0);
    } else if (this.#runtime === undefined) this.#early.push(message);
    else this.#runtime.receive(message);
  }
}
