import { createHook, type AsyncHook } from 'node:async_hooks';

/** Something of the real world that was touched during a simulated run. */
export interface Leak {
  /** `Timeout`, `FSREQPROMISE` …: Node's name of the resource, or the function that was called. */
  readonly what: string;
  readonly stack: string;
}

/**
 * Finds what simulated code takes from the real world: asynchronous resources as Node reports
 * them to `async_hooks`, and the global clocks and sources of chance, which it replaces meanwhile.
 *
 * Not seen: synchronous calls of `node:` modules (`fs.readFileSync`, `crypto.randomBytes`), which
 * the import rules and lint keep out. Those of zlib are fine: equal bytes give equal bytes.
 */
export class LeakGuard {
  readonly #hook: AsyncHook;
  readonly #undo: (() => void)[] = [];
  #watching = false;
  #found: Leak | undefined;

  constructor() {
    const init = (_id: number, type: string): void => {
      if (this.#watching && !HARMLESS.has(type)) this.report(type);
    };
    // The option spares every promise the call; versions of Node without it ignore it.
    this.#hook = createHook({ init, ...{ trackPromises: false } });
  }

  get found(): Leak | undefined {
    return this.#found;
  }

  enable(): void {
    this.#found = undefined;
    this.#hook.enable();
    this.resume();
  }

  disable(): void {
    this.pause();
    this.#hook.disable();
  }

  /** While the real event loop has a turn, in which the test runner works too. */
  pause(): void {
    this.#watching = false;
    for (const undo of this.#undo.splice(0)) undo();
  }

  resume(): void {
    this.#watching = true;
    for (const [what, target, name] of CLOCKS_AND_CHANCE) {
      this.#watchFunction(what, target, name);
    }
    this.#watchDate();
  }

  /** For what the simulation itself has to take from the real world. */
  own(work: () => void): void {
    const watching = this.#watching;
    this.#watching = false;
    try {
      work();
    } finally {
      this.#watching = watching;
    }
  }

  /** Notes the first leak and where it is. */
  report(what: string): void {
    if (this.#found !== undefined) return;
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 50;
    const lines = (new Error(what).stack ?? '').split('\n').slice(1);
    Error.stackTraceLimit = limit;
    // Zlib's own, for a call that has ended when it returns.
    if (what === 'ZLIB' && lines.some((line) => SYNCHRONOUS.test(line))) return;
    const stack = lines.filter((line) => !INTERNAL.test(line));
    // Beneath the frames of Node is who asked for it, or the console on behalf of whoever prints.
    const first = stack.findIndex((line) => !line.includes('node:'));
    if (stack.slice(0, first + 1).some((line) => RUNNER.test(line))) return;
    this.#found = { what, stack: stack.join('\n') };
  }

  #watchFunction(what: string, target: object, name: string): void {
    const original: unknown = Reflect.get(target, name);
    if (typeof original !== 'function') return;
    const own = Object.getOwnPropertyDescriptor(target, name);
    const value = (...given: unknown[]): unknown => {
      this.#reportCall(what);
      return Reflect.apply(original, target, given);
    };
    Object.defineProperty(target, name, { configurable: true, writable: true, value });
    this.#undo.push(() => {
      if (own) Object.defineProperty(target, name, own);
      else Reflect.deleteProperty(target, name);
    });
  }

  #watchDate(): void {
    const original = globalThis.Date;
    globalThis.Date = new Proxy(original, {
      construct: (target, given: unknown[], newTarget) => {
        if (given.length === 0) this.#reportCall('new Date()');
        return Reflect.construct(target, given, newTarget) as Date;
      },
    });
    this.#undo.push(() => {
      globalThis.Date = original;
    });
  }

  #reportCall(what: string): void {
    if (this.#watching) this.report(what);
  }
}

/** Promises and microtasks run in an order that the program alone decides. */
const HARMLESS = new Set(['PROMISE', 'Microtask']);

const CLOCKS_AND_CHANCE: readonly (readonly [what: string, target: object, name: string])[] = [
  ['Date.now()', Date, 'now'],
  // eslint-disable-next-line no-restricted-globals -- it is watched, not used
  ['performance.now()', performance, 'now'],
  ['Math.random()', Math, 'random'],
  ['crypto.getRandomValues()', crypto, 'getRandomValues'],
  ['crypto.randomUUID()', crypto, 'randomUUID'],
];

/** What the test runner and the console do beneath a call is not the engine's. */
const RUNNER = /\/node_modules\/(@vitest|vitest|tinyspy)\/|node:internal\/console/;

const SYNCHRONOUS = /\bsyncBufferWrapper\b/;

const INTERNAL = /node:internal\/(async_hooks|process\/task_queues)|leak-guard\.ts/;
