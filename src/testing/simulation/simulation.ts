import { assert } from '../../common/assert.ts';
import type { Cancel, Clock } from '../../common/clock.ts';
import { EngineError } from '../../common/errors.ts';
import { randomInt, type Random } from '../../common/random.ts';
import { EventQueue, type EventOwner, type SimulatedEvent } from './event-queue.ts';
import type { Kernel, KernelEvent } from './kernel.ts';
import { LeakGuard } from './leak-guard.ts';
import { afterMicrotasks, afterRealTurn } from './real-loop.ts';
import { seededRandom } from './seeded-random.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { SimulatedPrograms } from './simulated-programs.ts';
import { Trace } from './trace.ts';

export interface SimulationOptions {
  /** The same seed gives the same run. */
  readonly seed: string | number;
  /** Keeps every line of the trace for `log()`, to compare two runs. Default false. */
  readonly keepLog?: boolean;
  /** The wall clock at the start, in ms since 1970. Default 2026-01-01T00:00:00Z. */
  readonly startWallMs?: number;
}

export interface RunBounds {
  /** Events after which the run fails. Default 1,000,000. */
  readonly eventsMax?: number;
  /** Virtual time after which the run fails, from its start. Default one day. */
  readonly virtualMsMax?: number;
}

/**
 * Runs processes in one thread and in virtual time, so that a seed is a run.
 *
 * An event is run, then all microtasks that follow from it, then the next event. Events are ordered
 * by virtual time; those of one moment go in rounds, and in random order within a round: a `turn`
 * belongs to the round after the running one and so comes after all that was due, and a timer of
 * 0 ms belongs to either. Each event takes a little virtual time, so that a loop of turns does not
 * stop the clock.
 *
 * Nothing of the real world may be waited for: the first thing that is fails the run with `TST-001`
 * and its stack.
 */
export class Simulation {
  readonly seed: string | number;
  /** For the test's own decisions, such as when to kill whom. */
  readonly random: Random;
  /** Virtual time for the test itself; belongs to no process and is never killed. */
  readonly clock: Clock;
  /** The machine's disk, which processes have unless told otherwise. */
  readonly disk: SimulatedDisk;
  /** Between all processes. */
  readonly network: SimulatedNetwork;
  /** What processes can start. */
  readonly programs: SimulatedPrograms;
  readonly #kernel: Kernel;
  readonly #guard = new LeakGuard();
  readonly #queue = new EventQueue();
  readonly #trace: Trace;
  readonly #ties: Random;
  readonly #incarnations = new Map<string, number>();
  /** What has come due for frozen processes. */
  readonly #parked = new Map<EventOwner, SimulatedEvent[]>();
  #wallStartMs: number;
  #nowMs = 0;
  #round = 0;
  #events = 0;
  #state: 'idle' | 'running' | 'real turn' = 'idle';
  #failure: { readonly error: unknown } | undefined;

  constructor(options: SimulationOptions) {
    const root = seededRandom(options.seed);
    this.seed = options.seed;
    this.random = root.fork('test');
    this.#ties = root.fork('ties');
    this.#trace = new Trace(options.keepLog ?? false);
    this.#wallStartMs = options.startWallMs ?? Date.UTC(2026, 0, 1);
    this.#kernel = this.#makeKernel();
    this.disk = new SimulatedDisk(this.#kernel, root.fork('disk'));
    this.network = new SimulatedNetwork(this.#kernel, root.fork('network'));
    this.programs = new SimulatedPrograms(root.fork('programs'), (name) => this.process(name));
    this.clock = {
      wallMs: () => Math.floor(this.#kernel.wallMs),
      monotonicMs: () => this.#nowMs,
      after: (ms, task) => this.#schedule({ label: 'test timer', delayMs: Math.max(0, ms), task }),
      turn: (task) => this.#schedule({ label: 'test turn', delayMs: 'turn', task }),
    };
  }

  /** Virtual time since the start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events run so far. */
  get events(): number {
    return this.#events;
  }

  /** Another disk than the machine's: an empty one, with its own faults. */
  makeDisk(name: string): SimulatedDisk {
    return new SimulatedDisk(this.#kernel, seededRandom(this.seed).fork(`disk ${name}`), name);
  }

  /** Starts a process; again after it was killed, as a restart. */
  process(name: string, disk: SimulatedDisk = this.disk): SimulatedProcess {
    const incarnation = (this.#incarnations.get(name) ?? 0) + 1;
    this.#incarnations.set(name, incarnation);
    const id = `${name}#${incarnation}`;
    const random = seededRandom(this.seed).fork(`process ${id}`);
    return new SimulatedProcess(this.#kernel, { name, id }, random, (self) => ({
      fs: disk.mount(self),
      transport: this.network.mount(self),
      spawner: this.programs.spawnerOf(self),
    }));
  }

  /** Sets all wall clocks forward, or back. Monotonic time stays. */
  jumpWallClock(ms: number): void {
    this.#wallStartMs += ms;
    this.trace(`wall clock ${ms}`);
  }

  /** Adds a line to the run's hash. */
  trace(text: string): void {
    this.#line(text);
  }

  /** Equal for two runs that went the same way. */
  traceHash(): string {
    return this.#trace.hash();
  }

  /** Every line of the trace, if `keepLog` was set. */
  log(): readonly string[] {
    return this.#trace.lines();
  }

  /**
   * Runs events until `until` settles, and settles alike. What is left goes on in the next run.
   *
   * @throws {EngineError} `TST-001` when something waited for the real world, `TST-002` when nothing
   * is left to run, `TST-003` when a bound is reached; or what an event threw.
   */
  run<T>(until: Promise<T> | (() => Promise<T>), bounds: RunBounds = {}): Promise<T> {
    assert(this.#state === 'idle' && !isAnyRunning, 'one simulation runs at a time');
    const eventsEnd = this.#events + (bounds.eventsMax ?? 1_000_000);
    const endMs = this.#nowMs + (bounds.virtualMsMax ?? DAY_MS);
    this.#setRunning(true);
    this.#guard.enable();
    const watched = this.#outcomeOf(until);
    return new Promise<T>((resolve, reject) => {
      const step = (): void => {
        const event = this.#next(watched, { eventsEnd, endMs });
        if (event.kind === 'end') {
          this.#guard.disable();
          this.#setRunning(false);
          event.settle(resolve, reject);
        } else {
          this.#execute(event.event);
          this.#continue(step);
        }
      };
      this.#continue(step);
    });
  }

  #next<T>(watched: Watched<T>, bounds: { eventsEnd: number; endMs: number }): Next<T> {
    const failure = this.#takeFailure();
    if (failure !== undefined) return failed(failure.error);
    if (watched.settle !== undefined) return { kind: 'end', settle: watched.settle };
    const event = this.#pop();
    if (event === undefined) return failed(stalled(this));
    if (this.#events >= bounds.eventsEnd || event.atMs > bounds.endMs) {
      this.#queue.push(event);
      return failed(tooLong(this, event.label));
    }
    return { kind: 'event', event };
  }

  /** The next event of who is not frozen. */
  #pop(): SimulatedEvent | undefined {
    for (;;) {
      const event = this.#queue.pop();
      if (event?.owner?.frozen !== true) return event;
      const parked = this.#parked.get(event.owner) ?? [];
      this.#parked.set(event.owner, parked);
      parked.push(event);
    }
  }

  #thaw(owner: EventOwner): void {
    const parked = this.#parked.get(owner) ?? [];
    this.#parked.delete(owner);
    const ties = parked.map(() => this.#ties.next()).sort((left, right) => left - right);
    for (const [index, event] of parked.entries()) {
      event.atMs = this.#nowMs;
      event.round = this.#round;
      event.tie = ties[index] ?? 0;
      this.#queue.push(event);
    }
  }

  #continue(step: () => void): void {
    if (this.#events % EVENTS_PER_REAL_TURN !== EVENTS_PER_REAL_TURN - 1) {
      afterMicrotasks(this.#guard, step);
      return;
    }
    afterMicrotasks(this.#guard, () => {
      // The test runner gets a turn. Simulated code that runs in it waited for the real world.
      this.#guard.pause();
      this.#state = 'real turn';
      afterRealTurn(() => {
        this.#state = 'running';
        this.#guard.resume();
        step();
      });
    });
  }

  #execute(event: SimulatedEvent): void {
    if (event.atMs > this.#nowMs) {
      this.#nowMs = event.atMs;
    }
    this.#round = event.round;
    this.#events += 1;
    this.#line(event.owner ? `${event.owner.id} ${event.label}` : event.label);
    try {
      event.task();
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#nowMs += this.#ties.next() * EVENT_MS_MAX;
  }

  #schedule(event: KernelEvent): Cancel {
    if (this.#state === 'real turn') this.#guard.report(`${event.label}, after a real turn`);
    const isTurn = event.delayMs === 'turn';
    const delayMs = event.delayMs === 'turn' ? 0 : event.delayMs;
    assert(delayMs >= 0, `an event cannot be scheduled ${delayMs} ms from now`);
    const scheduled: SimulatedEvent = {
      atMs: this.#nowMs + delayMs,
      round: delayMs > 0 ? 0 : this.#round + (isTurn ? 1 : randomInt(this.#ties, 2)),
      tie: this.#ties.next(),
      label: event.label,
      owner: event.owner,
      task: event.task,
      cancelled: false,
    };
    this.#queue.push(scheduled);
    return () => {
      scheduled.cancelled = true;
    };
  }

  #outcomeOf<T>(until: Promise<T> | (() => Promise<T>)): Watched<T> {
    const watched: Watched<T> = { settle: undefined };
    const watch = (promise: Promise<T>): void => {
      promise.then(
        (value) => {
          watched.settle = (resolve) => resolve(value);
        },
        (error: unknown) => {
          watched.settle = (_resolve, reject) => reject(error);
        },
      );
    };
    if (typeof until === 'function') {
      this.#schedule({ label: 'test', delayMs: 'turn', task: () => watch(until()) });
    } else watch(until);
    return watched;
  }

  #takeFailure(): { readonly error: unknown } | undefined {
    const leak = this.#guard.found;
    const failure = leak ? { error: leaked(this, leak.what, leak.stack) } : this.#failure;
    this.#failure = undefined;
    return failure;
  }

  #line(text: string): void {
    this.#trace.add(`${this.#nowMs.toFixed(4)} ${text}`);
  }

  #setRunning(running: boolean): void {
    this.#state = running ? 'running' : 'idle';
    isAnyRunning = running;
  }

  #makeKernel(): Kernel {
    const nowMs = (): number => this.#nowMs;
    const wallMs = (): number => this.#wallStartMs + this.#nowMs;
    return {
      get nowMs() {
        return nowMs();
      },
      get wallMs() {
        return wallMs();
      },
      schedule: (event) => this.#schedule(event),
      thaw: (owner) => this.#thaw(owner),
      trace: (line) => this.#line(line),
    };
  }
}

type Settle<T> = (resolve: (value: T) => void, reject: (error: unknown) => void) => void;

interface Watched<T> {
  settle: Settle<T> | undefined;
}

type Next<T> =
  | { readonly kind: 'event'; readonly event: SimulatedEvent }
  | { readonly kind: 'end'; readonly settle: Settle<T> };

function failed(error: unknown): Next<never> {
  return { kind: 'end', settle: (_resolve, reject) => reject(error) };
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** What an event takes at most of virtual time. */
const EVENT_MS_MAX = 0.02;

const EVENTS_PER_REAL_TURN = 4096;

/** The leak guard watches the whole thread. */
let isAnyRunning = false;

function leaked(simulation: Simulation, what: string, stack: string): EngineError {
  const error = new EngineError('TST-001', 'invalid', 'simulated code used the real world', {
    details: { what, seed: simulation.seed, virtualMs: simulation.nowMs },
    hint: 'Take time, chance, disk and network from the arguments, at the place in the stack.',
  });
  error.stack = `${error.message}\n${stack}`;
  return error;
}

function stalled(simulation: Simulation): EngineError {
  return new EngineError('TST-002', 'invalid', 'the simulation stalled', {
    details: { seed: simulation.seed, virtualMs: simulation.nowMs },
    hint: 'Look for what awaits a thing outside the simulation, or something of a killed process.',
  });
}

function tooLong(simulation: Simulation, next: string): EngineError {
  const { seed, nowMs: virtualMs, events } = simulation;
  return new EngineError('TST-003', 'invalid', 'the simulation does not come to an end', {
    details: { seed, virtualMs, events, next },
    hint: 'Look for a loop without progress, or raise eventsMax or virtualMsMax of run().',
  });
}
