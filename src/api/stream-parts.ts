/** What is inside streams, and what their calls share. */
import { EngineError } from '../common/errors.ts';
import type { KeySelector, Partitioner, StreamEdge } from '../graph/operator-spec.ts';
import type { Serializer } from '../serde/serializer.ts';
import { toSerializer, type SchemaOf } from '../serde/to-serializer.ts';
import { requireSyncFunction, requireUid } from './checks.ts';
import type { GraphBuilder } from './graph-builder.ts';

/** Where elements come from: an output of an operator, and the way they take. */
export interface Upstream {
  readonly from: string;
  readonly output: string | undefined;
  readonly partitioner: Partitioner;
}

/** What is inside a stream. */
export interface StreamParts<T> {
  readonly builder: GraphBuilder;
  /** More than one: a union. */
  readonly upstreams: readonly Upstream[];
  readonly element: Serializer<T> | undefined;
  /** The operator whose main output this is; it can be given a parallelism, and has side outputs. */
  readonly operator: string | undefined;
}

export type KeyedParts<T> = StreamParts<T> & { readonly key: KeySelector };

export function edgesOf(parts: StreamParts<unknown>, input: 0 | 1): readonly StreamEdge[] {
  return parts.upstreams.map((upstream) => ({ ...upstream, input }));
}

export function keyedEdgesOf(parts: KeyedParts<unknown>, input: 0 | 1): readonly StreamEdge[] {
  const partitioner = { kind: 'hash', key: parts.key } as const;
  return parts.upstreams.map(({ from, output }) => ({ from, output, partitioner, input }));
}

/** The arguments after the uid: `(fn)` or `(schema, fn)`. */
export function schemaAnd<U>(rest: readonly unknown[]): {
  readonly element: Serializer<U> | undefined;
  readonly fn: unknown;
} {
  const [first, second] = rest;
  if (rest.length < 2) return { element: undefined, fn: first };
  return { element: toSerializer(first as SchemaOf<U>), fn: second };
}

export function schemaAndFunction<U>(uid: string, rest: readonly unknown[], what: string) {
  requireUid(uid);
  const given = schemaAnd<U>(rest);
  requireSyncFunction(given.fn, { uid, what });
  return given;
}

/** A call with states on a stream without a key: the mistake that everybody makes once. */
export function requireNoStates(uid: string, rest: readonly unknown[]): void {
  const [first, second] = rest;
  const isStates = (value: unknown) =>
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).length > 0 &&
    Object.values(value).every(
      (field: unknown) =>
        typeof field === 'object' && field !== null && 'kind' in field && 'name' in field,
    );
  if (second === undefined || !isStates(first)) return;
  throw new EngineError('API-007', 'invalid', 'keyed state on a stream without a key', {
    details: { uid },
    hint: 'Call keyBy(…) before process(…): state belongs to a key.',
  });
}

export function requireSameJob(one: GraphBuilder, other: GraphBuilder): void {
  if (one === other) return;
  throw new EngineError('API-003', 'invalid', 'the streams belong to two environments', {
    hint: 'Build all streams of a job from the env of its own defineJob function.',
  });
}

export function describeParts(parts: StreamParts<unknown>): string {
  return parts.upstreams
    .map(({ from, output }) => (output === undefined ? from : `${from}/${output}`))
    .join(' + ');
}

/**
 * The operator that a stream comes from, for a call that is about it.
 *
 * @throws {EngineError} `API-020` (`invalid`) for a union, a side output and the like.
 */
export function ownOperator(
  parts: StreamParts<unknown>,
  call: string,
  given: Readonly<Record<string, string | number>>,
): string {
  if (parts.operator !== undefined) return parts.operator;
  throw new EngineError('API-020', 'invalid', 'this stream has no operator of its own', {
    details: { stream: describeParts(parts), ...given },
    hint: `Call ${call} on the stream that the operator returned.`,
  });
}
