/* Jobs without keyed state: what counts is that each element comes out once. */
import { gzipSync } from 'node:zlib';
import { z } from 'zod';
import { defineJob, files, generate, outputTag, rateLimited } from '../../../src/index.ts';
import { every, scripted } from './scripted-source.ts';
import { items, out, type Topology } from './topology.ts';

const mapFilter: Topology = {
  name: 'map and filter',
  job: () =>
    defineJob('map-filter', (env) => {
      env
        .fromSource(
          'numbers',
          generate(120, (n) => n, { rowsPerSecond: 1000 }),
        )
        .map('square', (n) => ({ n, square: n * n }))
        .filter('odd', ({ n }) => n % 2 === 1)
        .sinkTo('out', out('/out'));
    }),
  output: {
    '/out': Array.from({ length: 60 }, (_, i) => ({ n: 2 * i + 1, square: (2 * i + 1) ** 2 })),
  },
  state: [],
};

const WORDS = items(40).map(({ n }) => 'abcdefgh'.slice(0, n % 5));

const flatMap: Topology = {
  name: 'flatMap that fans out',
  job: () =>
    defineJob('flat-map', (env) => {
      env
        .fromSource(
          'words',
          scripted(
            every(
              3,
              WORDS.map((word, line) => ({ word, line })),
            ),
          ),
        )
        .flatMap('letters', z.object({ letter: z.string(), at: z.string() }), (value, output) => {
          for (const [i, letter] of value.word.split('').entries()) {
            output.emit({ letter, at: `${value.line}:${i}` });
          }
        })
        .rebalance()
        .sinkTo('out', out('/out'));
    }),
  output: {
    '/out': WORDS.flatMap((word, line) =>
      word.split('').map((letter, i) => ({ letter, at: `${line}:${i}` })),
    ),
  },
  state: [],
};

const rejected = outputTag('rejected', z.object({ n: z.number(), why: z.string() }));

const sideOutputs: Topology = {
  name: 'side output to a sink of its own',
  job: () =>
    defineJob('side-outputs', (env) => {
      const checked = env
        .fromSource('items', scripted(every(3, items(40))))
        .process('check', (item, { out: output, side }) => {
          if (item.n % 3 === 0) side(rejected, { n: item.n, why: 'three' });
          else output.emit(item);
        });
      checked.sinkTo('good', out('/good'));
      checked.sideOutput(rejected).sinkTo('bad', out('/bad'));
    }),
  output: {
    '/good': items(40).filter(({ n }) => n % 3 !== 0),
    '/bad': items(40)
      .filter(({ n }) => n % 3 === 0)
      .map(({ n }) => ({ n, why: 'three' })),
  },
  state: [],
};

const rebalance: Topology = {
  name: 'rebalance of one busy split',
  job: () =>
    defineJob('rebalance', (env) => {
      env
        .fromSource('items', scripted(every(2, items(60))))
        .setParallelism(1)
        .rebalance()
        .map('double', ({ n }) => ({ n, twice: 2 * n }))
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': items(60).map(({ n }) => ({ n, twice: 2 * n })) },
  state: [],
};

const pipelines: Topology = {
  name: 'two pipelines side by side',
  job: () =>
    defineJob('pipelines', (env) => {
      env
        .fromSource('left', scripted(every(4, items(20)), every(5, items(16))))
        .map('left-n', ({ n }) => ({ left: n }))
        .sinkTo('left-out', out('/left'));
      env
        .fromSource('right', scripted(every(3, items(30))))
        .map('right-n', ({ n }) => ({ right: n }))
        .sinkTo('right-out', out('/right', { bucket: ({ right }) => `b${right % 2}` }));
    }),
  output: {
    '/left': [...items(20), ...items(16)].map(({ n }) => ({ left: n })),
    '/right': items(30).map(({ n }) => ({ right: n })),
  },
  state: [],
};

const Row = z.object({ id: z.string(), value: z.string() });

/** Two files of CSV, one packed. */
function csv(name: string, count: number): string {
  const rows = Array.from({ length: count }, (_, i) => `${name}${i},"v ${i}"\n`);
  return `id,value\n${rows.join('')}`;
}

const fileSource: Topology = {
  name: 'CSV files with positions',
  job: () =>
    defineJob('csv-files', (env) => {
      const rows = files('/in', Row, {
        position: (row, { file, row: number }) => ({ ...row, at: `${file}:${number}` }),
      });
      env
        .fromSource('files', rateLimited(rows, 600))
        .sinkTo('out', out('/out', { rollBytes: 300 }));
    }),
  prepare: async (machine) => {
    await machine.write('/in/a.csv.gz', gzipSync(csv('a', 40)));
    await machine.write('/in/b.csv', Buffer.from(csv('b', 30)));
  },
  output: {
    '/out': [
      ...Array.from({ length: 40 }, (_, i) => ({
        id: `a${i}`,
        value: `v ${i}`,
        at: `/in/a.csv.gz:${i + 1}`,
      })),
      ...Array.from({ length: 30 }, (_, i) => ({
        id: `b${i}`,
        value: `v ${i}`,
        at: `/in/b.csv:${i + 1}`,
      })),
    ],
  },
  state: [],
};

export const STATELESS = [mapFilter, flatMap, sideOutputs, rebalance, pipelines, fileSource];
