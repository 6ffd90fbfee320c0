import type { StateSchema } from '../contracts/snapshots.ts';
import type {
  AggregatingStateDescriptor,
  AnyStateDescriptor,
  MapStateDescriptor,
} from '../contracts/state.ts';
import type { AggregateFunction, WindowFunction } from '../contracts/windows.ts';
import type { OperatorSpec } from './operator-spec.ts';

/** The name under which a window operator keeps what is in its windows; Flink's own. */
export const WINDOW_CONTENTS = 'window-contents';

/** The keyed state an operator declares: the user's descriptors, and a window's contents. */
export function keyedStatesOf(spec: OperatorSpec): readonly AnyStateDescriptor[] {
  switch (spec.kind) {
    case 'keyed-process':
    case 'keyed-co-process':
    case 'keyed-broadcast-process':
    case 'reduce':
      return Object.values(spec.states);
    case 'window':
      return [windowContents(spec.function)];
    default:
      return [];
  }
}

/** The broadcast state an operator declares. */
export function broadcastStatesOf(
  spec: OperatorSpec,
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the graph is untyped inside.
): readonly MapStateDescriptor<any, any>[] {
  const has = spec.kind === 'broadcast-process' || spec.kind === 'keyed-broadcast-process';
  return has ? Object.values(spec.broadcasts) : [];
}

/** All declared state as it is described in plans and snapshots, sorted by name. */
export function stateSchemasOf(spec: OperatorSpec): readonly StateSchema[] {
  const schemas = [
    ...keyedStatesOf(spec).map(stateSchemaOf),
    ...broadcastStatesOf(spec).map((descriptor): StateSchema => {
      return { ...stateSchemaOf(descriptor), kind: 'broadcast' };
    }),
  ];
  return schemas.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function stateSchemaOf(descriptor: AnyStateDescriptor): StateSchema {
  const { name, kind, ttl } = descriptor;
  const rest = ttl === undefined ? {} : { ttlMs: ttl.ttlMs };
  switch (descriptor.kind) {
    case 'value':
    case 'reducing':
      return { name, kind, value: descriptor.serializer.describe(), ...rest };
    case 'list':
      return { name, kind, value: descriptor.element.describe(), ...rest };
    case 'map':
      return {
        name,
        kind,
        value: descriptor.value.describe(),
        key: descriptor.key.describe(),
        ...rest,
      };
    case 'aggregating':
      return { name, kind, value: descriptor.accumulator.describe(), ...rest };
  }
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the graph is untyped inside.
function windowContents(fn: WindowFunction<any, any, any>): AnyStateDescriptor {
  const named = { name: WINDOW_CONTENTS, ttl: undefined };
  switch (fn.kind) {
    case 'aggregate':
      return aggregating(fn.aggregate);
    case 'reduce':
      return { kind: 'reducing', ...named, serializer: fn.element, reduce: fn.reduce };
    case 'process':
      return { kind: 'list', ...named, element: fn.element };
  }
}

function aggregating<In, Acc, Out>(
  fn: AggregateFunction<In, Acc, Out>,
): AggregatingStateDescriptor<In, Acc, Out> {
  return {
    kind: 'aggregating',
    name: WINDOW_CONTENTS,
    ttl: undefined,
    accumulator: fn.accumulator,
    createAccumulator: () => fn.createAccumulator(),
    add: (accumulator, value) => fn.add(accumulator, value),
    getResult: (accumulator) => fn.getResult(accumulator),
    merge: fn.merge?.bind(fn),
  };
}
