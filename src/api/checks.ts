/** The checks of arguments that all calls share. Types catch most of it before; these are for plain JavaScript. */
import { EngineError } from '../common/errors.ts';

/** Letters, digits, `.`, `_` and `-`, so that a name fits into paths, metric names and edge ids. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,99}$/u;

const ASYNC_TAGS = new Set([
  '[object AsyncFunction]',
  '[object AsyncGeneratorFunction]',
  '[object GeneratorFunction]',
]);

/** @throws {EngineError} `API-001` */
export function requireUid(uid: unknown): asserts uid is string {
  if (typeof uid === 'string' && NAME.test(uid)) return;
  throw new EngineError('API-001', 'invalid', 'uid is missing or malformed', {
    details: { uid: shown(uid) },
    hint: "Give the operator's name as the first argument: 1 to 100 letters, digits, '.', '_' and '-', for example 'count-words'.",
  });
}

/** @throws {EngineError} `API-006` */
export function requireStateName(name: unknown): asserts name is string {
  if (typeof name === 'string' && NAME.test(name)) return;
  throw new EngineError('API-006', 'invalid', 'state name is missing or malformed', {
    details: { name: shown(name) },
    hint: "Use 1 to 100 letters, digits, '.', '_' and '-', for example 'last-order'.",
  });
}

/** @throws {EngineError} `API-012` */
export function requireTagId(id: unknown): asserts id is string {
  if (typeof id === 'string' && NAME.test(id)) return;
  throw new EngineError('API-012', 'invalid', 'output tag id is missing or malformed', {
    details: { id: shown(id) },
    hint: "Use 1 to 100 letters, digits, '.', '_' and '-', for example 'rejected'.",
  });
}

export interface FunctionPlace {
  /** The uid of the operator, or the name of the builder. */
  readonly uid: string;
  /** Which function: `map`, `onTimer`, `key selector`. */
  readonly what: string;
}

/**
 * @throws {EngineError} `API-004` for an async or generator function
 * @throws {EngineError} `API-005` for what is no function
 */
export function requireSyncFunction(fn: unknown, { uid, what }: FunctionPlace): void {
  requireFunction(fn, { uid, what });
  if (!ASYNC_TAGS.has(Object.prototype.toString.call(fn))) return;
  throw new EngineError(
    'API-004',
    'invalid',
    'an async or generator function is not allowed here',
    {
      details: { uid, function: what },
      hint: 'Use asyncMap for calls that wait; it keeps the order and bounds how many are under way.',
    },
  );
}

/** @throws {EngineError} `API-005` */
export function requireFunction(fn: unknown, { uid, what }: FunctionPlace): void {
  if (typeof fn === 'function') return;
  throw new EngineError('API-005', 'invalid', `${what} is not a function`, {
    details: { uid, got: shown(fn) },
    hint: 'Look at the order of the arguments: uid first, the function after schemas and states.',
  });
}

export interface NumberRule {
  readonly least: number;
  readonly most?: number;
  /** A good value, for the hint. */
  readonly example: string;
}

/** @throws {EngineError} `API-009` */
export function requireWhole(option: string, value: unknown, rule: NumberRule): void {
  const most = rule.most ?? Number.MAX_SAFE_INTEGER;
  if (Number.isSafeInteger(value) && Number(value) >= rule.least && Number(value) <= most) return;
  throw new EngineError('API-009', 'invalid', `${option} does not fit`, {
    details: { [option]: shown(value), least: rule.least, most },
    hint: `Give a whole number, for example ${rule.example}.`,
  });
}

const LEAST_MS = { least: 1, example: 'minutes(5)' };

/** A length of time of at least a millisecond. @throws {EngineError} `API-009` */
export function requireDuration(option: string, value: unknown): void {
  requireWhole(option, value, LEAST_MS);
}

/** A word for a value of any kind in a message; never its whole content. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, 120);
  if (typeof value === 'function') return `function ${value.name}`;
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

/** @throws {EngineError} `API-014` (`invalid`) */
export function requireJobName(name: unknown): asserts name is string {
  if (typeof name === 'string' && /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,99}$/u.test(name)) return;
  throw new EngineError('API-014', 'invalid', 'job name is missing or malformed', {
    details: { name: shown(name) },
    hint: "Use 1 to 100 letters, digits, spaces, '.', '_' and '-', for example 'health-pipeline'.",
  });
}
