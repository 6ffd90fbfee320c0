/** Takes apart what a user gives as process function: a function, an object, or a class. */
import { EngineError } from '../common/errors.ts';
import type { StateDescriptors } from '../contracts/state.ts';
import { requireSyncFunction, requireUid, shown } from './checks.ts';

/** What a user may give where the contract has an object of type `F`. */
export type FunctionOrClass<F> = F | (new () => F);

interface Given<F> {
  readonly process: F;
  readonly newProcess: (() => F) | undefined;
}

const METHODS = ['onTimer', 'processElement1', 'processElement2', 'processBroadcastElement'];

/**
 * @param required The methods that must be there; a plain function is taken as the only one.
 * @throws {EngineError} `API-001`, `API-004`, `API-005`, `API-016`
 */
export function processGiven<F extends object>(
  uid: string,
  given: unknown,
  required: readonly (keyof F & string)[],
): Given<F> {
  requireUid(uid);
  const newProcess = isClass(given) ? () => new given() as F : undefined;
  const made = newProcess?.() ?? (given as F);
  const [method] = required;
  if (typeof made === 'function' && method !== undefined && required.length === 1) {
    requireSyncFunction(made, { uid, what: 'process function' });
    return { process: { [method]: made } as F, newProcess: undefined };
  }
  if (typeof made !== 'object' || (made as unknown) === null) {
    throw new EngineError('API-016', 'invalid', 'the process function is missing', {
      details: { uid, got: shown(given), wanted: required.join(', ') },
      hint: `Give ${required.length === 1 ? 'a function, or ' : ''}an object or a class with ${required.join(' and ')} as the last argument.`,
    });
  }
  for (const name of required) {
    requireSyncFunction(made[name], { uid, what: name });
  }
  for (const name of METHODS) {
    const optional = (made as Readonly<Record<string, unknown>>)[name];
    if (optional !== undefined) requireSyncFunction(optional, { uid, what: name });
  }
  return { process: made, newProcess };
}

/**
 * @throws {EngineError} `API-017` if there are none, not even an empty object
 * @throws {EngineError} `API-018` if something else than a descriptor is among them
 * @throws {EngineError} `API-019` if two descriptors of the operator have one name
 */
export function requireStates(uid: string, states: unknown): asserts states is StateDescriptors {
  requireUid(uid);
  if (typeof states !== 'object' || states === null) {
    throw new EngineError('API-017', 'invalid', 'the state descriptors are missing', {
      details: { uid, got: shown(states) },
      hint: 'Give them as an object after the uid, such as { seen }, or {} if there is no state.',
    });
  }
  const fieldOf = new Map<string, string>();
  for (const [field, descriptor] of Object.entries(states as Readonly<Record<string, unknown>>)) {
    const name = nameOf(descriptor);
    if (name === undefined) {
      throw new EngineError('API-018', 'invalid', 'not a state descriptor', {
        details: { uid, field, got: shown(descriptor) },
        hint: 'Make it with valueState, listState, mapState, reducingState or aggregatingState.',
      });
    }
    const other = fieldOf.get(name);
    if (other !== undefined) {
      throw new EngineError('API-019', 'invalid', 'two states of an operator have one name', {
        details: { uid, name, first: other, second: field },
        hint: 'Give each descriptor of the operator a name of its own.',
      });
    }
    fieldOf.set(name, field);
  }
}

function nameOf(descriptor: unknown): string | undefined {
  if (typeof descriptor !== 'object' || descriptor === null) return undefined;
  const { name, kind } = descriptor as { readonly name?: unknown; readonly kind?: unknown };
  return typeof name === 'string' && typeof kind === 'string' ? name : undefined;
}

function isClass(given: unknown): given is new () => object {
  return typeof given === 'function' && /^class\b/.test(Function.prototype.toString.call(given));
}
