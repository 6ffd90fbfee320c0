import { gzipSync } from 'node:zlib';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { sleep } from '../../common/clock.ts';
import type { Source, SourceReader, World } from '../../contracts/source.ts';
import type { DiskFault } from '../../testing/simulation/simulated-disk.ts';
import { Simulation } from '../../testing/simulation/simulation.ts';
import { SourceRun, type SourceSnapshot } from '../../../test/conformance/source.ts';
import { files } from './file-source.ts';
import type { FileSplit } from './file-split.ts';

const Row = z.object({ id: z.coerce.number(), text: z.string() });
const FRESH: SourceSnapshot = { enumerator: undefined, splits: [] };
const CSV = 'id,text\n1,a\n2,b\n3,c\n';
const ROWS = [
  { id: 1, text: 'a' },
  { id: 2, text: 'b' },
  { id: 3, text: 'c' },
];

async function write(world: World, path: string, bytes: Uint8Array | string): Promise<void> {
  await world.fs.makeFolder(path.slice(0, path.lastIndexOf('/')));
  const mode = (await world.fs.stat(path)) === undefined ? 'create' : 'append';
  const file = await world.fs.openWrite(path, mode);
  await file.write(Buffer.from(bytes as string));
  await file.close();
}

interface ReadOptions {
  readonly from?: SourceSnapshot;
  readonly stopAfter?: number;
  readonly parallelism?: number;
  /** Runs beside the source. */
  readonly meanwhile?: (world: World, emitted: readonly unknown[]) => Promise<void>;
}

/** A disk with a source on it. */
class Disk {
  readonly simulation = new Simulation({ seed: 7 });

  async write(path: string, bytes: Uint8Array | string): Promise<this> {
    await this.do((world) => write(world, path, bytes));
    return this;
  }

  async do<R>(work: (world: World) => Promise<R>): Promise<R> {
    return this.simulation.run(this.simulation.process('test').start(work));
  }

  async read<T>(source: Source<T>, options: ReadOptions = {}) {
    const { from = FRESH, stopAfter = Infinity, parallelism = 1, meanwhile } = options;
    return this.do(async (world) => {
      const run = new SourceRun(source, world, parallelism, this.simulation.random);
      const running = run.run(from, stopAfter);
      await meanwhile?.(world, run.emitted);
      const { emitted, taken } = await running;
      return { emitted, taken, finished: run.finished };
    });
  }

  fail(fault: DiskFault): this {
    this.simulation.disk.fail(fault);
    return this;
  }
}

const withCsv = (text = CSV) => new Disk().write('/in/a.csv', text);
const code = (expected: string) => expect.objectContaining({ code: expected }) as Error;
// The driver knows no types of splits.
const source = (...args: Parameters<typeof files<typeof Row, unknown, unknown>>) =>
  files<typeof Row, unknown, unknown>(...args) as Source<unknown>;

describe('which files', () => {
  async function found(path: string): Promise<unknown[]> {
    const disk = new Disk();
    const paths = [
      '/in/a.csv',
      '/in/b.csv',
      '/in/x/c.csv',
      '/in/x/y/d.csv',
      '/in/.h.csv',
      '/in/[1].csv',
    ];
    for (const [id, file] of paths.entries()) await disk.write(file, `id,text\n${id},${file}\n`);
    const { emitted } = await disk.read(source(path, Row));
    return emitted.map((row) => (row as { text: string }).text);
  }

  test.each([
    ['/in/a.csv', ['/in/a.csv']],
    ['file:///in/a.csv', ['/in/a.csv']],
    ['/in/.h.csv', ['/in/.h.csv']],
    ['/in/[1].csv', ['/in/[1].csv']],
    ['/in/x', ['/in/x/c.csv', '/in/x/y/d.csv']],
    ['/in/x/', ['/in/x/c.csv', '/in/x/y/d.csv']],
    ['/in/?.csv', ['/in/a.csv', '/in/b.csv']],
    ['/in/*/*.csv', ['/in/x/c.csv']],
    ['/in/**/{c,d}.csv', ['/in/x/c.csv', '/in/x/y/d.csv']],
    ['/in/**/[ab].csv', []],
    ['/*/{a,x/c}.csv', ['/in/a.csv', '/in/x/c.csv']],
  ])('%s', async (path, expected) => {
    if (expected.length === 0) await expect(found(path)).rejects.toThrow(code('FIL-001'));
    else expect(await found(path)).toEqual(expected);
  });

  test('an empty folder is an empty input', async () => {
    const disk = new Disk();
    await disk.do((world) => world.fs.makeFolder('/in'));
    expect((await disk.read(source('/in', Row))).emitted).toEqual([]);
  });

  test('one file and two subtasks: the other one ends', async () => {
    const { emitted, finished } = await (
      await withCsv()
    ).read(source('/in', Row), { parallelism: 2 });
    expect(emitted).toEqual(ROWS);
    expect(finished).toEqual(['/in/a.csv']);
  });
});

describe('rows', () => {
  const BAD = 'id,text\n1,a\nx,b\n3\n4,d\n';

  test('one that does not fit fails the job, with its place', async () => {
    const reading = (await withCsv(BAD)).read(source('/in', Row));
    await expect(reading).rejects.toMatchObject({
      code: 'FIL-008',
      details: { file: '/in/a.csv', row: 2, text: '{"id":"x","text":"b"}' },
    });
  });

  test('or is skipped', async () => {
    const { emitted } = await (await withCsv(BAD)).read(source('/in', Row, { onInvalid: 'skip' }));
    expect(emitted).toEqual([
      { id: 1, text: 'a' },
      { id: 4, text: 'd' },
    ]);
  });

  test('or becomes a value', async () => {
    const { emitted } = await (
      await withCsv(BAD)
    ).read(
      source('/in', Row, {
        position: ({ id }, { row }) => [id, row],
        onInvalid: ({ file, row, text, record }) => ({ file, row, text, record }),
      }),
    );
    expect(emitted).toEqual([
      [1, 1],
      { file: '/in/a.csv', row: 2, text: undefined, record: { id: 'x', text: 'b' } },
      { file: '/in/a.csv', row: 3, text: '3', record: undefined },
      [4, 4],
    ]);
  });

  test('an asynchronous schema is refused', async () => {
    const schema = Row.refine(async () => true);
    await expect((await withCsv()).read(source('/in', schema))).rejects.toThrow(code('FIL-009'));
  });

  test('types follow from the schema and the functions', () => {
    const plain = files('/in', Row);
    expectTypeOf(plain.reader).returns.toEqualTypeOf<
      SourceReader<z.output<typeof Row>, FileSplit>
    >();
    const mapped = files('/in', Row, {
      position: (record, { row }) => ({ ...record, row }),
      onInvalid: ({ reason }) => reason,
    });
    expectTypeOf(mapped.reader).returns.toEqualTypeOf<
      SourceReader<{ row: number; id: number; text: string } | string, FileSplit>
    >();
  });
});

describe('what cannot be read', () => {
  test.each<[string, DiskFault, string]>([
    ['no permission', { operations: ['openRead'], errno: 'EACCES' }, 'FIL-002'],
    ['no permission on the folder', { operations: ['list'], errno: 'EACCES' }, 'FIL-002'],
    ['a disk error at the start', { operations: ['openRead'], errno: 'EIO' }, 'FIL-004'],
    ['a disk error in the middle', { operations: ['read'], skip: 2, errno: 'EIO' }, 'FIL-004'],
    ['gone after it was found', { operations: ['openRead'], errno: 'ENOENT' }, 'FIL-001'],
  ])('%s', async (_what, fault, expected) => {
    const long = `id,text\n${'1,x\n'.repeat(100_000)}`;
    const disk = await withCsv(long);
    await expect(disk.fail(fault).read(source('/in', Row))).rejects.toThrow(code(expected));
    expect((await disk.read(source('/in', Row))).emitted.length).toBe(100_000);
  });

  test.each([
    ['/in/none.csv', 'FIL-001'],
    ['/none/*.csv', 'FIL-001'],
    ['/in/README', 'FIL-006'],
    ['/in/a.parquet', 'FIL-006'],
  ])('%s: %s', async (path, expected) => {
    const disk = await (await withCsv()).write('/in/README', 'x');
    await disk.write('/in/a.parquet', 'x');
    await expect(disk.read(source(path, Row))).rejects.toThrow(code(expected));
  });

  test('a gzip file that was cut', async () => {
    const cut = gzipSync(CSV.repeat(50)).subarray(0, -15);
    const disk = await new Disk().write('/in/a.csv.gz', cut);
    await expect(disk.read(source('/in', Row, { onInvalid: 'skip' }))).rejects.toMatchObject({
      code: 'FMT-005',
      details: { source: '/in/a.csv.gz', offset: cut.length },
    });
  });

  test('a gzip file with a damaged checksum', async () => {
    const damaged = gzipSync(CSV);
    damaged[damaged.length - 6] = 0;
    const disk = await new Disk().write('/in/a.csv.gz', damaged);
    await expect(disk.read(source('/in', Row))).rejects.toThrow(code('FMT-004'));
  });
});

describe('going on after a restore', () => {
  async function interrupted(path: string, bytes: Uint8Array | string) {
    const disk = await new Disk().write(path, bytes);
    const first = await disk.read(source('/in', Row), { stopAfter: 1 });
    return { disk, first };
  }

  test('in a plain file that has grown', async () => {
    const { disk, first } = await interrupted('/in/a.csv', CSV);
    await disk.write('/in/a.csv', '4,d\n');
    const { emitted } = await disk.read(source('/in', Row), { from: first.taken });
    expect([...first.emitted, ...emitted]).toEqual([...ROWS, { id: 4, text: 'd' }]);
  });

  test('far inside a file of many chunks', async () => {
    const rows = Array.from({ length: 60_000 }, (_, id) => ({ id, text: `é"${id}` }));
    const csv = `id,text\n${rows.map(({ id, text }) => `${id},"${text.replace('"', '""')}"`).join('\n')}`;
    for (const [path, bytes] of [
      ['/in/a.csv', csv],
      ['/in/a.csv.gz', gzipSync(csv)],
    ] as const) {
      const disk = await new Disk().write(path, bytes);
      const first = await disk.read(source('/in', Row), { stopAfter: 41_234 });
      const { emitted } = await disk.read(source('/in', Row), { from: first.taken });
      expect([...first.emitted, ...emitted]).toEqual(rows);
    }
  });

  test.each([
    ['is gone', async (world: World) => world.fs.remove('/in/a.csv')],
    [
      'has shrunk',
      async (world: World) => (await world.fs.openWrite('/in/a.csv', 'append')).truncate(9),
    ],
    [
      'has another content',
      async (world: World) => {
        await world.fs.remove('/in/a.csv');
        await write(world, '/in/a.csv', CSV.replace('a', 'X'));
      },
    ],
  ])('is refused if the file %s', async (_how, change) => {
    const { disk, first } = await interrupted('/in/a.csv', CSV);
    await disk.do(async (world) => {
      await change(world);
    });
    const again = disk.read(source('/in', Row), { from: first.taken });
    await expect(again).rejects.toThrow(code('FIL-007'));
  });

  test('is refused if a gzip file has grown', async () => {
    const bytes = gzipSync(CSV);
    const { disk, first } = await interrupted('/in/a.csv.gz', bytes);
    await disk.write('/in/a.csv.gz', bytes);
    const again = disk.read(source('/in', Row), { from: first.taken });
    await expect(again).rejects.toThrow(code('FIL-007'));
  });
});

describe('watching a folder', () => {
  const watch = { everyMs: 100, lastLineAfterMs: 5_000 };
  const watching = () => source('/in', Row, { watch });
  const ids = (rows: readonly unknown[]) => rows.map((row) => (row as { id: number }).id);

  test('new files are read once, also across a restore', async () => {
    const disk = await withCsv();
    const first = await disk.read(watching(), {
      stopAfter: 4,
      meanwhile: async (world) => {
        await sleep(world.clock, 250);
        await write(world, '/in/b.csv', 'id,text\n4,d\n5,e\n');
      },
    });
    const second = await disk.read(watching(), {
      from: first.taken,
      stopAfter: 2,
      parallelism: 2,
      meanwhile: async (world) => {
        await sleep(world.clock, 250);
        await write(world, '/in/c.csv', 'id,text\n6,f\n');
      },
    });
    expect(ids([...first.emitted, ...second.emitted])).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('a folder that is empty for a moment is not read anew', async () => {
    const disk = await withCsv();
    const { emitted } = await disk.read(watching(), {
      stopAfter: 4,
      meanwhile: async (world) => {
        await sleep(world.clock, 250);
        await world.fs.rename('/in', '/away');
        await sleep(world.clock, 250);
        await world.fs.rename('/away', '/in');
        await sleep(world.clock, 250);
        await write(world, '/in/b.csv', 'id,text\n4,d\n');
      },
    });
    expect(ids(emitted)).toEqual([1, 2, 3, 4]);
  });

  test('a job may begin to watch what it has read', async () => {
    const disk = await withCsv();
    const first = await disk.read(source('/in', Row));
    await disk.write('/in/b.csv', 'id,text\n4,d\n');
    const second = await disk.read(watching(), { from: first.taken, stopAfter: 1 });
    expect(ids(second.emitted)).toEqual([4]);
  });

  test('the folder may come later', async () => {
    const { emitted } = await new Disk().read(watching(), {
      stopAfter: 3,
      meanwhile: async (world) => {
        await sleep(world.clock, 250);
        await write(world, '/in/a.csv', CSV);
      },
    });
    expect(emitted).toEqual(ROWS);
  });

  test('a line that is still being written is waited for, and other files are read meanwhile', async () => {
    const disk = await withCsv('id,text\n1,a\n2,b');
    const { emitted } = await disk.read(watching(), {
      stopAfter: 4,
      meanwhile: async (world) => {
        await sleep(world.clock, 300);
        await write(world, '/in/b.csv', 'id,text\n10,x\n');
        await sleep(world.clock, 300);
        await write(world, '/in/a.csv', 'bb\n3,c\n');
      },
    });
    expect(emitted).toEqual([
      { id: 1, text: 'a' },
      { id: 10, text: 'x' },
      { id: 2, text: 'bbb' },
      { id: 3, text: 'c' },
    ]);
  });

  test('a last line without an end counts when the file has been quiet for long', async () => {
    const disk = await withCsv('id,text\n1,a\n2,b');
    const startMs = disk.simulation.nowMs;
    const { emitted } = await disk.read(watching(), { stopAfter: 2 });
    expect(ids(emitted)).toEqual([1, 2]);
    expect(disk.simulation.nowMs - startMs).toBeGreaterThan(5_000);
  });

  test('a file that waits for its line is in the snapshot', async () => {
    const disk = await withCsv('id,text\n1,a\n2,b');
    const first = await disk.read(watching(), {
      stopAfter: 2,
      meanwhile: async (world) => {
        await sleep(world.clock, 300);
        await write(world, '/in/b.csv', 'id,text\n10,x\n');
      },
    });
    await disk.write('/in/a.csv', '\n');
    const second = await disk.read(watching(), { from: first.taken, stopAfter: 1 });
    expect(ids([...first.emitted, ...second.emitted])).toEqual([1, 10, 2]);
  });

  test.each([{ everyMs: 0 }, { everyMs: 1, lastLineAfterMs: -1 }])('%o is refused', (bad) => {
    expect(() => files('/in', Row, { watch: bad })).toThrow(code('FIL-010'));
  });
});
