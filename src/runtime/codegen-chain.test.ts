import { describe, expect, it } from 'vitest';
import { keyGroupOf, subtaskOfKeyGroup } from '../common/key-groups.ts';
import { keyHash } from '../common/key-hash.ts';
import type { Partitioner } from '../graph/operator-spec.ts';
import type { ChainEdge, ChainPosition } from './chain-plan.ts';
import { generateChain, type GeneratedChain } from './codegen-chain.ts';
import { Moment, type Inline } from './inline.ts';
import type { FlowControl, Operator } from './operator.ts';

interface Written {
  readonly value: unknown;
  readonly timestampMs: number;
  readonly hash: number;
}

/** An edge that keeps what each receiving subtask gets, and is full after `room` records. */
function edgeTo(
  partitioner: Partitioner,
  subtasks: number,
  { output = undefined as string | undefined, room = Infinity } = {},
) {
  const written = Array.from({ length: subtasks }, (): Written[] => []);
  const writers = written.map((list) => ({
    append: (value: unknown, timestampMs: number, hash: number) => {
      list.push({ value, timestampMs, hash });
      return list.length < room;
    },
  }));
  const edge = { id: 'a->b#0', output, partitioner, writers } as unknown as ChainEdge;
  return { edge, written };
}

interface PositionOptions {
  readonly inline?: Inline;
  readonly operator?: Partial<Operator>;
  readonly links?: ChainPosition['links'];
  readonly edges?: readonly ChainEdge[];
}

function position({ inline, operator, links = [], edges = [] }: PositionOptions): ChainPosition {
  const made = { inline, ...operator } as Operator;
  return {
    uid: 'an operator',
    operator: made,
    moment: new Moment(),
    backend: undefined,
    keys: [],
    links,
    edges,
  };
}

const IDENTITY: Inline = { kind: 'map', map: (value: unknown) => value };

function chainOf(
  positions: readonly ChainPosition[],
  { maxParallelism = 128, flow = { stop: false } } = {},
): { readonly chain: GeneratedChain; readonly text: string } {
  let text = '';
  const plan = {
    name: 'test',
    positions,
    flow,
    maxParallelism,
    hashedInputs: [false, false],
    check: undefined,
  };
  const chain = generateChain(plan, (printed) => {
    text = printed;
  });
  return { chain, text };
}

function run(chain: GeneratedChain, values: readonly unknown[], from = 0): number {
  const size = values.length;
  const timestamps = Float64Array.from(values, (_, i) => 1_000 + i);
  const batch = { size, values, timestamps, hashes: new Int32Array(size) };
  return chain.runBatch[0]?.(batch, from) ?? -1;
}

const numbers = (howMany: number) => Array.from({ length: howMany }, (_, i) => i);

describe('partitioning', () => {
  for (const maxParallelism of [128, 100]) {
    for (const parallelism of [1, 2, 3, 7]) {
      it(`sends keys as Flink does, ${parallelism} of ${maxParallelism}`, () => {
        const key = (value: unknown) => `key-${String(value)}`;
        const { edge, written } = edgeTo({ kind: 'hash', key }, parallelism);
        const { chain } = chainOf([position({ inline: IDENTITY, edges: [edge] })], {
          maxParallelism,
        });
        run(chain, numbers(500));
        written.forEach((list, subtask) => {
          for (const { value, hash } of list) {
            expect(hash).toBe(keyHash(key(value)));
            const group = keyGroupOf(hash, maxParallelism);
            expect(subtaskOfKeyGroup(group, maxParallelism, parallelism)).toBe(subtask);
          }
        });
        expect(written.flat().length).toBe(500);
      });
    }
  }

  it('rebalances in turn', () => {
    const { edge, written } = edgeTo({ kind: 'rebalance' }, 3);
    run(chainOf([position({ inline: IDENTITY, edges: [edge] })]).chain, numbers(7));
    expect(written.map((list) => list.map(({ value }) => value))).toEqual([
      [0, 3, 6],
      [1, 4],
      [2, 5],
    ]);
  });

  it('broadcasts to all', () => {
    const { edge, written } = edgeTo({ kind: 'broadcast' }, 3);
    run(chainOf([position({ inline: IDENTITY, edges: [edge] })]).chain, numbers(2));
    expect(written.map((list) => list.map(({ value }) => value))).toEqual([
      [0, 1],
      [0, 1],
      [0, 1],
    ]);
  });

  it('keeps the timestamp', () => {
    const { edge, written } = edgeTo({ kind: 'forward' }, 1);
    run(chainOf([position({ inline: IDENTITY, edges: [edge] })]).chain, ['a', 'b']);
    expect(written[0]).toEqual([
      { value: 'a', timestampMs: 1_000, hash: 0 },
      { value: 'b', timestampMs: 1_001, hash: 0 },
    ]);
  });

  it('hashes a key once that several edges go by', () => {
    let calls = 0;
    const key = (value: unknown) => (calls++, value);
    const first = edgeTo({ kind: 'hash', key }, 2);
    const second = edgeTo({ kind: 'hash', key }, 3);
    const edges = [first.edge, second.edge];
    run(chainOf([position({ inline: IDENTITY, edges })]).chain, numbers(10));
    expect(calls).toBe(10);
    expect(second.written.flat().length).toBe(10);
  });
});

describe('branches', () => {
  it('give each consumer of an output every record, in the chain and outside', () => {
    const left: unknown[] = [];
    const right: unknown[] = [];
    const { edge, written } = edgeTo({ kind: 'forward' }, 1);
    const into = (list: unknown[]) =>
      position({ operator: { processElement: (value: unknown) => void list.push(value) } });
    const { chain } = chainOf([
      position({
        inline: { kind: 'map', map: (value: number) => value * 2 },
        links: [
          { to: 1, output: undefined },
          { to: 2, output: undefined },
        ],
        edges: [edge],
      }),
      into(left),
      into(right),
    ]);
    run(chain, numbers(3));
    expect([left, right, written[0]?.map(({ value }) => value)]).toEqual([
      [0, 2, 4],
      [0, 2, 4],
      [0, 2, 4],
    ]);
  });

  it('send side outputs where they are wanted, and drop them elsewhere', () => {
    const late = edgeTo({ kind: 'forward' }, 1, { output: 'la"te\n\u2028' });
    const main = edgeTo({ kind: 'forward' }, 1);
    const head = position({ operator: {}, edges: [main.edge, late.edge] });
    const { chain } = chainOf([head]);
    const [output] = chain.outputs;
    output?.side('la"te\n\u2028', 'x', 5);
    output?.side('unknown', 'y', 5);
    output?.emit('z', 6);
    expect(late.written[0]).toEqual([{ value: 'x', timestampMs: 5, hash: 0 }]);
    expect(main.written[0]).toEqual([{ value: 'z', timestampMs: 6, hash: 0 }]);
  });

  it('emit at the moment unless told otherwise', () => {
    const { edge, written } = edgeTo({ kind: 'forward' }, 1);
    const head = position({
      inline: {
        kind: 'flat-map',
        flatMap: (
          value: unknown,
          out: { emit(v: unknown): void; emitAt(v: unknown, t: number): void },
        ) => {
          out.emit(value);
          out.emitAt(value, 7);
          out.emit(value);
        },
      },
      edges: [edge],
    });
    run(chainOf([head]).chain, ['a']);
    expect(written[0]?.map(({ timestampMs }) => timestampMs)).toEqual([1_000, 7, 1_000]);
  });
});

describe('flow', () => {
  it('stops behind the record that filled a channel, and goes on from there', () => {
    const flow: FlowControl = { stop: false };
    const { edge, written } = edgeTo({ kind: 'forward' }, 1, { room: 3 });
    const { chain } = chainOf([position({ inline: IDENTITY, edges: [edge] })], { flow });
    expect(run(chain, numbers(10))).toBe(3);
    expect(flow.stop).toBe(true);
    flow.stop = false;
    expect(run(chain, numbers(10), 3)).toBe(4);
    expect(written[0]?.map(({ value }) => value)).toEqual([0, 1, 2, 3]);
  });
});

describe('the text', () => {
  it('is made of literals: no name of the job can become code', () => {
    const evil = '\u2028`; process.exit(1); //*/ \'"${x}\n';
    const { edge } = edgeTo({ kind: 'forward' }, 1, { output: evil });
    const head = { ...position({ operator: {}, edges: [{ ...edge, id: evil }] }), uid: evil };
    const { text } = chainOf([head]);
    expect(text).toMatch(/^[\x20-\x7e\n]*$/);
    expect(text.split('\n').every((line) => !line.startsWith('`'))).toBe(true);
  });

  it('stands in line behind maps and filters', () => {
    const { edge } = edgeTo({ kind: 'hash', key: (value: unknown) => value }, 2);
    const { text } = chainOf([
      position({ inline: IDENTITY, links: [{ to: 1, output: undefined }] }),
      position({ inline: { kind: 'filter', filter: () => true }, edges: [edge] }),
    ]);
    expect(text.slice(text.indexOf('function run_0'))).toMatchInlineSnapshot(`
      "function run_0(batch, from) {
        const values = batch.values, timestamps = batch.timestamps, hashes = batch.hashes, size = batch.size;
        for (let i = from; i < size; i++) {
          const v = values[i], t = timestamps[i];
          at = 0;
          const v0 = map_0(v);
          at = 1;
          if (filter_1(v0)) {
            at = 1;
            const hash1 = keyHash(key_1_0(v0));
            // to "a->b#0"
            if (!writers_1_0[targets_1_0[(hash1 < 0 ? -hash1 : hash1) & 127]].append(v0, t, hash1)) flow.stop = true;
          }
          if (flow.stop) return i + 1;
        }
        return size;
      }
      const run_1 = undefined;
      return { runBatch: [run_0, run_1], outputs: [output_0, output_1], position: () => at, enter(position) { at = position; } };"
    `);
  });
});
