import type { StateSchema } from '../../contracts/snapshots.ts';
import type { MapStateDescriptor } from '../../contracts/state.ts';
import type { OperatorSpec, StreamNode } from '../../graph/operator-spec.ts';
import { broadcastStatesOf, keyedStatesOf } from '../../graph/operator-states.ts';
import { inFlightSerializer } from '../../operators/in-flight-state.ts';
import { splitStateSerializer } from '../../operators/split-state.ts';
import type { Serializer } from '../../serde/serializer.ts';
import { kindChanged, schemaRefused } from '../../state/errors.ts';
import { rowCodecOf, storedRowsOf, timerCodec, type DeclaredRows } from '../../state/row-codec.ts';

/** A state as an operator declares it when it runs, and what it can read. */
export interface DeclaredState {
  readonly name: string;
  readonly kind: StateSchema['kind'];
  /** The engine's own, such as timers: no user has declared it. */
  readonly isInternal: boolean;
  /** @throws {EngineError} `STA-002`, `STA-003` (`invalid`) as the restore does. */
  resolve(written: StateSchema): 'same' | 'migrate';
}

export interface DeclaredStates {
  readonly isKeyed: boolean;
  readonly keyed: ReadonlyMap<string, DeclaredState>;
  readonly operator: ReadonlyMap<string, DeclaredState>;
}

/** The names under which operators keep their timers. */
const TIMERS = ['event-time', 'processing-time'];

const WITH_TIMERS: ReadonlySet<OperatorSpec['kind']> = new Set([
  'keyed-process',
  'keyed-co-process',
  'keyed-broadcast-process',
  'window',
]);

/** All state that the operator of a node declares before it is restored. */
export function declaredStates({ uid, spec, keys }: StreamNode): DeclaredStates {
  const keyed = [
    ...keyedStatesOf(spec).map((descriptor) =>
      keyedState(uid, { descriptor, codec: rowCodecOf(descriptor) }, false),
    ),
    ...(WITH_TIMERS.has(spec.kind) ? TIMERS : []).map((name) =>
      keyedState(uid, { descriptor: 'timers', codec: timerCodec(name) }, true),
    ),
  ];
  const operator = [
    ...broadcastStatesOf(spec).map((descriptor) => broadcastState(uid, descriptor)),
    ...internalStates(uid, spec),
  ];
  return {
    isKeyed: keys.some((key) => key !== undefined),
    keyed: new Map(keyed.map((state) => [state.name, state])),
    operator: new Map(operator.map((state) => [state.name, state])),
  };
}

function keyedState(uid: string, rows: DeclaredRows, isInternal: boolean): DeclaredState {
  const { name, kind } = rows.codec.schema;
  return {
    name,
    kind,
    isInternal,
    resolve(written) {
      const { serializer, written: value, convertMapKey } = storedRowsOf(uid, written, rows);
      const isSame = serializer.resolve(value).kind === 'same' && convertMapKey === undefined;
      return isSame ? 'same' : 'migrate';
    },
  };
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the graph is untyped inside.
function broadcastState(uid: string, descriptor: MapStateDescriptor<any, any>): DeclaredState {
  const { name, key, value } = descriptor;
  return operatorState({ uid, name, kind: 'broadcast', value, key, isInternal: false });
}

/** Lists that operators keep for themselves. */
function internalStates(uid: string, spec: OperatorSpec): readonly DeclaredState[] {
  const list = { uid, kind: 'operator-list', key: undefined, isInternal: true } as const;
  switch (spec.kind) {
    case 'source': {
      const value = splitStateSerializer<unknown>(spec.source.splits);
      return [operatorState({ ...list, name: 'splits', value })];
    }
    case 'async-map':
      return [
        operatorState({ ...list, name: 'in-flight', value: inFlightSerializer(spec.element) }),
      ];
    default:
      return [];
  }
}

interface OperatorStateParts {
  readonly uid: string;
  readonly name: string;
  readonly kind: 'broadcast' | 'operator-list';
  readonly value: Serializer<unknown>;
  readonly key: Serializer<unknown> | undefined;
  readonly isInternal: boolean;
}

function operatorState(parts: OperatorStateParts): DeclaredState {
  const { uid, name, kind, value, key, isInternal } = parts;
  return {
    name,
    kind,
    isInternal,
    resolve(written) {
      if (written.kind !== kind) {
        throw kindChanged({ uid, state: name, stored: written.kind, declared: kind });
      }
      const values = value.resolve(written.value);
      if (values.kind === 'refuse') {
        throw schemaRefused({ uid, state: name, part: 'value', why: values.why });
      }
      if (key === undefined || written.key === undefined) return values.kind;
      const keys = key.resolve(written.key);
      if (keys.kind === 'refuse') {
        throw schemaRefused({ uid, state: name, part: 'map key', why: keys.why });
      }
      return keys.kind === 'migrate' ? 'migrate' : values.kind;
    },
  };
}
