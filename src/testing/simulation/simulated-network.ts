import type { Cancel } from '../../common/clock.ts';
import { HANDSHAKE_MS_MAX } from '../../common/node-handshake.ts';
import type { Random } from '../../common/random.ts';
import type { Connection, Listener, Transport } from '../../common/transport.ts';
import { cannotConnect } from '../../common/transport-errors.ts';
import type { Kernel } from './kernel.ts';
import { SimulatedConnection, type Line } from './simulated-connection.ts';
import type { SimulatedProcess } from './simulated-process.ts';

export interface LinkQuality {
  /** Virtual ms on the way; what is drawn lies between this and twice as much. Default 0.05 to 0.5. */
  readonly latencyMs?: number;
  /** Bytes per virtual ms, for each connection. Default: no limit. */
  readonly bytesPerMs?: number;
}

interface Listening {
  readonly owner: SimulatedProcess;
  readonly onConnection: (connection: Connection) => void;
}

interface Cut {
  readonly stops: (from: string, to: string) => boolean;
}

const LATENCY_MS_MIN = 0.05;
const LATENCY_MS_MAX = 0.5;
/** One in so many messages takes up to `SPIKE_MS_MAX` longer. */
const SPIKE_EVERY = 100;
const SPIKE_MS_MAX = 20;

/**
 * The network between the processes of a simulation. Processes are named by `name`, so what is said
 * of a process holds for the next one of that name too.
 *
 * What comes arrives whole and in order. A partition holds back what is sent and a break loses it;
 * a process that dies loses some of what it sent last. How long things take, and what is lost, is
 * drawn from the seed.
 */
export class SimulatedNetwork {
  readonly #kernel: Kernel;
  readonly #random: Random;
  readonly #line: Line;
  readonly #listening = new Map<string, Listening>();
  readonly #ends = new Set<SimulatedConnection>();
  readonly #qualities = new Map<string, LinkQuality>();
  #cuts: Cut[] = [];
  #ports = 0;

  constructor(kernel: Kernel, random: Random) {
    this.#kernel = kernel;
    this.#random = random;
    this.#line = {
      random,
      delay: (from, to, sizeBytes) => this.#delay(from, to, sizeBytes),
      isCut: (from, to) => this.#isCut(from, to),
      nowMs: () => kernel.nowMs,
    };
  }

  /** Open ends of connections, of all living processes. */
  get openEnds(): number {
    return this.#ends.size;
  }

  /** The network as one process has it. */
  mount(process: SimulatedProcess): Transport {
    process.onKill(() => {
      for (const [address, { owner }] of this.#listening) {
        if (owner === process) this.#listening.delete(address);
      }
      for (const end of [...this.#ends]) if (end.owner === process) end.die();
    });
    return {
      listen: (onConnection) => this.#listen(process, onConnection),
      connect: (address) => this.#connect(process, address),
    };
  }

  /**
   * Nothing gets from one process to the other, or with `oneWay` only from `a` to `b`; connections
   * stay open. What is returned heals it: then all that was sent comes.
   */
  partition(a: string, b: string, options: { readonly oneWay?: boolean } = {}): Cancel {
    const { oneWay = false } = options;
    return this.#cut(`partition ${a} ${oneWay ? '>' : '<>'} ${b}`, {
      stops: (from, to) => (from === a && to === b) || (!oneWay && from === b && to === a),
    });
  }

  /** A partition between a process and all others. */
  isolate(name: string): Cancel {
    return this.#cut(`isolate ${name}`, {
      stops: (from, to) => from !== to && (from === name || to === name),
    });
  }

  healAll(): void {
    this.#kernel.trace('network heals');
    this.#cuts = [];
    this.#resume();
  }

  /** Resets all connections between two processes: what is on its way is lost, and both are told. */
  breakConnections(a: string, b: string): void {
    this.#kernel.trace(`network breaks ${a} <> ${b}`);
    for (const end of [...this.#ends]) {
      const names = [end.owner.name, end.peerName];
      if (names.includes(a) && names.includes(b) && (a !== b || names[0] === names[1])) end.break();
    }
  }

  /** How the way between two processes is, in both directions. `undefined`: as any other. */
  setLink(a: string, b: string, quality: LinkQuality | undefined): void {
    this.#kernel.trace(`network link ${a} <> ${b} ${JSON.stringify(quality ?? {})}`);
    for (const key of [`${a}\n${b}`, `${b}\n${a}`]) {
      if (quality === undefined) this.#qualities.delete(key);
      else this.#qualities.set(key, quality);
    }
  }

  async #listen(
    owner: SimulatedProcess,
    onConnection: (connection: Connection) => void,
  ): Promise<Listener> {
    this.#ports += 1;
    const address = `${owner.name}:${this.#ports}`;
    this.#listening.set(address, { owner, onConnection });
    return {
      address,
      close: async () => {
        this.#listening.delete(address);
      },
    };
  }

  #connect(process: SimulatedProcess, address: string): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const refuse = (): void => reject(cannotConnect(address, 'ECONNREFUSED'));
      const listening = this.#listening.get(address);
      if (listening === undefined) {
        process.schedule('network refused', this.#random.next() * LATENCY_MS_MAX, refuse);
        return;
      }
      const over = (end: SimulatedConnection): void => {
        this.#ends.delete(end);
      };
      const cancelTimer = process.schedule('network connect timer', HANDSHAKE_MS_MAX, () => {
        reject(cannotConnect(address, 'it did not answer'));
        near.destroy();
      });
      const answered = (accepted: boolean): void => {
        cancelTimer();
        if (accepted) resolve(near);
        else refuse();
      };
      const hello = (): (() => void) | undefined => {
        const found = this.#listening.get(address);
        return found && (() => found.onConnection(far));
      };
      const near = new SimulatedConnection(process, this.#line, { answered }, over);
      const far = new SimulatedConnection(listening.owner, this.#line, { hello }, over);
      this.#ends.add(near).add(far);
      SimulatedConnection.join(near, far);
    });
  }

  #cut(what: string, cut: Cut): Cancel {
    this.#kernel.trace(`network ${what}`);
    this.#cuts.push(cut);
    for (const end of this.#ends) if (cut.stops(end.peerName, end.owner.name)) end.hold();
    return () => {
      if (!this.#cuts.includes(cut)) return;
      this.#kernel.trace(`network heals ${what}`);
      this.#cuts = this.#cuts.filter((each) => each !== cut);
      this.#resume();
    };
  }

  #resume(): void {
    for (const end of this.#ends) end.resume();
  }

  #isCut(from: string, to: string): boolean {
    return this.#cuts.some((cut) => cut.stops(from, to));
  }

  #delay(from: string, to: string, sizeBytes: number): { latencyMs: number; busyMs: number } {
    const quality = this.#qualities.get(`${from}\n${to}`);
    const bytesPerMs = quality?.bytesPerMs ?? Infinity;
    return { latencyMs: this.#latencyMs(quality?.latencyMs), busyMs: sizeBytes / bytesPerMs };
  }

  #latencyMs(least: number | undefined): number {
    const drawn = this.#random.next();
    if (least !== undefined) return least * (1 + drawn);
    const usual = LATENCY_MS_MIN + drawn * (LATENCY_MS_MAX - LATENCY_MS_MIN);
    const isSpike = this.#random.next() < 1 / SPIKE_EVERY;
    return isSpike ? usual + this.#random.next() * SPIKE_MS_MAX : usual;
  }
}
