import { describe, expect, it } from 'vitest';
import type { Sink } from '../contracts/sink.ts';
import type { Source } from '../contracts/source.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import { buildJobGraph } from './build-job-graph.ts';
import type { JobGraph } from './job-graph.ts';
import type { OperatorSpec, Partitioner, StreamEdge, StreamNode } from './operator-spec.ts';

const text = serializerOf({ kind: 'string' });
const source = { kind: 'test', boundedness: 'bounded', splits: text } as unknown as Source<string>;
const sink = { kind: 'test', committables: undefined } as unknown as Sink<string>;
const key = (value: string) => value;

const FORWARD: Partitioner = { kind: 'forward' };
const HASH: Partitioner = { kind: 'hash', key };
const REBALANCE: Partitioner = { kind: 'rebalance' };
const BROADCAST: Partitioner = { kind: 'broadcast' };

const SPECS = {
  source: {
    kind: 'source',
    source,
    watermarks: { timestamp: undefined, generator: { kind: 'none' }, idlenessMs: undefined },
  },
  map: { kind: 'map', map: key },
  keyed: { kind: 'keyed-process', states: {}, process: { processElement: () => undefined } },
  co: {
    kind: 'co-process',
    process: { processElement1: () => undefined, processElement2: () => undefined },
  },
  async: {
    kind: 'async-map',
    asyncMap: async (value: string) => value,
    ordered: true,
    capacity: 1,
    timeoutMs: 1,
    element: text,
  },
  sink: { kind: 'sink', sink },
} satisfies Record<string, OperatorSpec>;

type From = string | { from: string; output?: string; by?: Partitioner; input?: 0 | 1 };

function node(
  kind: keyof typeof SPECS,
  uid: string,
  from: readonly From[] = [],
  parallelism?: number,
): StreamNode {
  const edges = from.map((each): StreamEdge => {
    const edge = typeof each === 'string' ? { from: each } : each;
    const { output, by = FORWARD, input = 0 } = edge;
    return { from: edge.from, output, partitioner: by, input };
  });
  return { uid, spec: SPECS[kind], edges, parallelism, keys: kind === 'keyed' ? [key] : [] };
}

const build = (nodes: readonly StreamNode[], parallelism = 4) =>
  buildJobGraph({ jobName: 'test', nodes }, { parallelism, maxParallelism: 128 });

/** One line for each vertex, link, edge and region. */
function picture({ vertices, regions }: JobGraph): string {
  const lines = vertices.flatMap((vertex) => [
    `[${vertex.name}] x${vertex.parallelism}`,
    ...vertex.operators.flatMap(({ node: { uid }, links }) =>
      links.map(
        ({ to, output }) => `  ${uid}${output === undefined ? '' : `/${output}`} calls ${to}`,
      ),
    ),
    ...vertex.inputs.map(
      (edge) => `  ${edge.id} ${edge.partitioner.kind} from [${edge.fromVertex}]`,
    ),
  ]);
  return [...lines, `regions: ${regions.map((region) => region.join('+')).join(' | ')}`].join('\n');
}

describe('chaining', () => {
  it('makes one vertex of what is only forward', () => {
    const nodes = [node('source', 's'), node('map', 'm', ['s']), node('sink', 'out', ['m'])];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[s -> m -> out] x4
        s calls m
        m calls out
      regions: s"
    `);
  });

  it('cuts at a key', () => {
    const nodes = [
      node('source', 's'),
      node('keyed', 'count', [{ from: 's', by: HASH }]),
      node('sink', 'out', ['count']),
    ];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[s] x4
      [count -> out] x4
        count calls out
        s->count#0 hash from [s]
      regions: s+count"
    `);
  });

  it('cuts at a rebalance', () => {
    const nodes = [node('source', 's'), node('map', 'm', [{ from: 's', by: REBALANCE }])];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[s] x4
      [m] x4
        s->m#0 rebalance from [s]
      regions: s+m"
    `);
  });

  it('cuts at a broadcast, also with a parallelism of one', () => {
    const nodes = [node('source', 's'), node('map', 'm', [{ from: 's', by: BROADCAST }])];
    expect(picture(build(nodes, 1))).toMatchInlineSnapshot(`
      "[s] x1
      [m] x1
        s->m#0 broadcast from [s]
      regions: s+m"
    `);
  });

  it('cuts at a key, also with a parallelism of one', () => {
    const nodes = [node('source', 's'), node('keyed', 'k', [{ from: 's', by: HASH }])];
    expect(picture(build(nodes, 1))).toMatchInlineSnapshot(`
      "[s] x1
      [k] x1
        s->k#0 hash from [s]
      regions: s+k"
    `);
  });

  it('rebalances where the parallelism changes', () => {
    const nodes = [
      node('source', 's', [], 1),
      node('map', 'wide', ['s']),
      node('sink', 'narrow', ['wide'], 1),
    ];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[s] x1
      [wide] x4
        s->wide#0 rebalance from [s]
      [narrow] x1
        wide->narrow#0 rebalance from [wide]
      regions: s+wide+narrow"
    `);
  });

  it('chains operators with one parallelism of their own', () => {
    const nodes = [node('source', 's', [], 2), node('map', 'm', ['s'], 2)];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[s -> m] x2
        s calls m
      regions: s"
    `);
  });

  it('lets one chain branch to several operators', () => {
    const nodes = [
      node('source', 's'),
      node('map', 'left', ['s']),
      node('map', 'right', ['s']),
      node('sink', 'left-out', ['left']),
      node('sink', 'right-out', ['right']),
    ];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[s -> left -> right -> left-out -> right-out] x4
        s calls left
        s calls right
        left calls left-out
        right calls right-out
      regions: s"
    `);
  });

  it('chains what reads a side output', () => {
    const nodes = [
      node('source', 's'),
      node('map', 'm', ['s']),
      node('sink', 'out', ['m']),
      node('sink', 'dlq', [{ from: 'm', output: 'rejected' }]),
    ];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[s -> m -> out -> dlq] x4
        s calls m
        m calls out
        m/rejected calls dlq
      regions: s"
    `);
  });

  it('sends a side output over a channel where it is keyed', () => {
    const nodes = [
      node('source', 's'),
      node('map', 'm', ['s']),
      node('keyed', 'k', [{ from: 'm', output: 'rejected', by: HASH }]),
    ];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[s -> m] x4
        s calls m
      [k] x4
        m/rejected->k#0 hash from [s]
      regions: s+k"
    `);
  });

  it('starts a vertex at a union, with forward channels', () => {
    const nodes = [
      node('source', 'a'),
      node('source', 'b'),
      node('map', 'both', ['a', 'b']),
      node('sink', 'out', ['both']),
    ];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[a] x4
      [b] x4
      [both -> out] x4
        both calls out
        a->both#0 forward from [a]
        b->both#0 forward from [b]
      regions: a+b+both"
    `);
  });

  it('starts a vertex at the union of two branches of one chain', () => {
    const nodes = [
      node('source', 's'),
      node('map', 'left', ['s']),
      node('map', 'both', ['left', 's']),
    ];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[s -> left] x4
        s calls left
      [both] x4
        left->both#0 forward from [s]
        s->both#0 forward from [s]
      regions: s+both"
    `);
  });

  it('starts a vertex at connected streams, and keeps the inputs apart', () => {
    const nodes = [
      node('source', 'a'),
      node('source', 'b'),
      node('co', 'join', [
        { from: 'a', input: 0 },
        { from: 'b', input: 1, by: BROADCAST },
      ]),
    ];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[a] x4
      [b] x4
      [join] x4
        a->join#0 forward from [a]
        b->join#1 broadcast from [b]
      regions: a+b+join"
    `);
  });

  it('keeps the two keys of one stream that is connected with itself', () => {
    const nodes = [
      node('source', 's'),
      node('co', 'join', [
        { from: 's', input: 0, by: HASH },
        { from: 's', input: 1, by: HASH },
      ]),
    ];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[s] x4
      [join] x4
        s->join#0 hash from [s]
        s->join#1 hash from [s]
      regions: s+join"
    `);
  });

  it('starts a vertex at an async map, which chains what follows', () => {
    const nodes = [
      node('source', 's'),
      node('map', 'm', ['s']),
      node('async', 'ask', ['m']),
      node('sink', 'out', ['ask']),
    ];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[s -> m] x4
        s calls m
      [ask -> out] x4
        ask calls out
        m->ask#0 forward from [s]
      regions: s+ask"
    `);
  });

  it('makes a region of each pipeline that shares nothing', () => {
    const nodes = [
      node('source', 'a'),
      node('source', 'b'),
      node('keyed', 'k', [{ from: 'a', by: HASH }]),
      node('sink', 'a-out', ['k']),
      node('sink', 'b-out', ['b']),
      node('source', 'c'),
      node('map', 'a-and-c', ['a', 'c']),
    ];
    expect(picture(build(nodes))).toMatchInlineSnapshot(`
      "[a] x4
      [b -> b-out] x4
        b calls b-out
      [k -> a-out] x4
        k calls a-out
        a->k#0 hash from [a]
      [c] x4
      [a-and-c] x4
        a->a-and-c#0 forward from [a]
        c->a-and-c#0 forward from [c]
      regions: a+k+c+a-and-c | b"
    `);
  });
});

describe('refusals', () => {
  const sourceOnly = [node('source', 's')];

  it.each([
    ['a uid that stands twice', 'GRA-001', [...sourceOnly, node('map', 's', ['s'])], 1],
    ['an unknown operator', 'GRA-002', [...sourceOnly, node('map', 'm', ['nobody'])], 1],
    ['an edge forwards', 'GRA-002', [node('map', 'm', ['s']), ...sourceOnly], 1],
    ['a source with an input', 'GRA-005', [...sourceOnly, node('source', 't', ['s'])], 1],
    ['an operator without an input', 'GRA-005', [node('map', 'm')], 1],
    ['one stream twice', 'GRA-006', [...sourceOnly, node('map', 'm', ['s', 's'])], 1],
    ['no parallelism', 'GRA-003', sourceOnly, 0],
    ['more subtasks than key groups', 'GRA-003', sourceOnly, 129],
    ['an operator with more', 'GRA-003', [...sourceOnly, node('map', 'm', ['s'], 129)], 1],
    [
      'keyed state without a key',
      'GRA-004',
      [...sourceOnly, { ...node('keyed', 'k', [{ from: 's', by: HASH }]), keys: [] }],
      1,
    ],
    [
      'a keyed operator behind a forward edge',
      'GRA-004',
      [...sourceOnly, node('keyed', 'k', ['s'])],
      1,
    ],
  ])('%s', (_what, code, nodes, parallelism) => {
    expect(() => build(nodes, parallelism)).toThrow(
      expect.objectContaining({ code, kind: 'invalid' }),
    );
  });

  it('a number of key groups that Flink does not have', () => {
    const graph = { jobName: 'test', nodes: sourceOnly };
    expect(() => buildJobGraph(graph, { parallelism: 1, maxParallelism: 32_769 })).toThrow(
      /GRA-007.*maxParallelism=`32769`/,
    );
  });
});
