/**
 * Which class runs which kind of operator. A new kind gets its line here, and its class a file.
 */
import { EngineError } from '../common/errors.ts';
import type { KeyedProcessFunction } from '../contracts/functions.ts';
import type { StateDescriptors } from '../contracts/state.ts';
import type { OperatorSpec, StreamNode } from '../graph/operator-spec.ts';
import type { Operator } from '../runtime/operator.ts';
import { AssignTimestampsOperator } from './assign-timestamps-operator.ts';
import { AsyncMapOperator } from './async-map-operator.ts';
import { BroadcastProcessOperator } from './broadcast-process-operator.ts';
import { CoProcessOperator } from './co-process-operator.ts';
import { FilterOperator } from './filter-operator.ts';
import { FlatMapOperator } from './flat-map-operator.ts';
import { GuardedOperator } from './guarded-operator.ts';
import { KeyedBroadcastProcessOperator } from './keyed-broadcast-process-operator.ts';
import { KeyedCoProcessOperator } from './keyed-co-process-operator.ts';
import { KeyedProcessOperator } from './keyed-process-operator.ts';
import { MapOperator } from './map-operator.ts';
import { ProcessOperator } from './process-operator.ts';
import { ReduceOperator } from './reduce-operator.ts';
import { SinkOperator } from './sink-operator.ts';
import { SourceOperator } from './source-operator.ts';
import { WindowOperator } from './window-operator.ts';

type Kind = OperatorSpec['kind'];
type SpecOf<K extends Kind> = Extract<OperatorSpec, { kind: K }>;
type KeyedProcess = KeyedProcessFunction<unknown, unknown, StateDescriptors, unknown>;
type Makers = {
  readonly [K in Kind]?: (spec: SpecOf<K>, node: StreamNode) => Operator;
};

const MAKERS: Makers = {
  source: ({ source, watermarks }) => new SourceOperator(source, watermarks),
  map: ({ map }, node) =>
    isGuarded(node)
      ? new GuardedOperator((value, out) => {
          out.emit(map(value));
        })
      : new MapOperator(map),
  filter: ({ filter }, node) =>
    isGuarded(node)
      ? new GuardedOperator((value, out) => {
          if (filter(value)) out.emit(value);
        })
      : new FilterOperator(filter),
  'flat-map': ({ flatMap }, node) =>
    isGuarded(node) ? new GuardedOperator(flatMap) : new FlatMapOperator(flatMap),
  'assign-timestamps': ({ watermarks }) => new AssignTimestampsOperator(watermarks),
  process: ({ process, newProcess }, node) =>
    new ProcessOperator(newProcess?.() ?? process, isGuarded(node)),
  'keyed-process': ({ process, newProcess, states }, node) =>
    new KeyedProcessOperator((newProcess?.() ?? process) as KeyedProcess, states, isGuarded(node)),
  'co-process': ({ process, newProcess }) => new CoProcessOperator(newProcess?.() ?? process),
  /* eslint-disable @typescript-eslint/no-unsafe-argument -- the graph is untyped inside. */
  'keyed-co-process': ({ process, newProcess, states }) =>
    new KeyedCoProcessOperator(newProcess?.() ?? process, states),
  'broadcast-process': ({ process, newProcess, broadcasts }) =>
    new BroadcastProcessOperator(newProcess?.() ?? process, broadcasts),
  'keyed-broadcast-process': ({ process, newProcess, states, broadcasts }) =>
    new KeyedBroadcastProcessOperator(newProcess?.() ?? process, states, broadcasts),
  /* eslint-enable @typescript-eslint/no-unsafe-argument */
  window: (spec) => new WindowOperator(spec),
  'async-map': (spec, node) => new AsyncMapOperator(spec, isGuarded(node)),
  reduce: ({ states }) => new ReduceOperator(states),
  sink: ({ sink }) => new SinkOperator(sink),
};

function isGuarded({ onError }: StreamNode): boolean {
  return onError === 'dead-letter';
}

/** Makes the operator of a node, one for each subtask. */
export function createOperator(node: StreamNode): Operator {
  const make = MAKERS[node.spec.kind] as
    ((spec: OperatorSpec, node: StreamNode) => Operator) | undefined;
  if (make === undefined) {
    throw new EngineError('OPR-001', 'invalid', 'this version cannot run this kind of operator', {
      details: { operator: node.uid, kind: node.spec.kind },
      hint: 'Run the job with a version of tidemark that knows this kind of operator.',
    });
  }
  return make(node.spec, node);
}
