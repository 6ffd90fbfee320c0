/** An Iceberg table on a simulated disk, with catalogs that fail as told. */
import type {
  Catalog,
  CommitOutcome,
  IcebergCatalog,
  LoadedTable,
} from '../../src/connectors/iceberg/catalog.ts';
import { hadoop } from '../../src/connectors/iceberg/hadoop-catalog.ts';
import { icebergSink } from '../../src/connectors/iceberg/index.ts';
import type { IcebergSinkOptions, PendingManifest } from '../../src/connectors/iceberg/index.ts';
import type { Stamped } from '../../src/contracts/sink.ts';
import type { World } from '../../src/contracts/source.ts';
import { printJson } from '../../src/connectors/iceberg/lossless-json.ts';
import type { TableMetadata } from '../../src/connectors/iceberg/table-metadata.ts';
import { tableName } from '../../src/connectors/iceberg/table-name.ts';
import { Simulation } from '../../src/testing/simulation/simulation.ts';
import { z } from 'zod';

export const Numbered = z.object({ n: z.int32(), text: z.string() });
export type Numbered = z.infer<typeof Numbered>;

export const WAREHOUSE = '/lake';
export const TABLE = 'db.numbers';
export const LINEAGE = 'abc';

type Options = Partial<IcebergSinkOptions<Numbered, typeof Numbered>>;

export function inSimulation<R>(
  work: (world: World, simulation: Simulation) => Promise<R>,
): Promise<R> {
  const simulation = new Simulation({ seed: 3 });
  return simulation.run(simulation.process('test').start((world) => work(world, simulation)));
}

export function numbersSink(options: Options = {}) {
  return icebergSink<Numbered, typeof Numbered>({
    catalog: hadoop({ warehouse: WAREHOUSE }),
    table: TABLE,
    schema: Numbered,
    ...options,
  });
}

/** Writes rows as one checkpoint of one writer; nothing is committed. */
export async function written(
  world: World,
  checkpointId: number,
  numbers: readonly number[],
  options: Options & { readonly uid?: string; readonly writerId?: string } = {},
): Promise<Stamped<PendingManifest>[]> {
  const { uid = 'sink', writerId = `${LINEAGE}-1-${checkpointId}-0`, ...rest } = options;
  const writer = numbersSink(rest).writer({ world, uid, subtask: 0, parallelism: 1, writerId });
  await writer.open?.();
  for (const n of numbers) await writer.write({ n, text: `value ${n}` }, undefined);
  const pending = await writer.prepareCommit(checkpointId, 'checkpoint');
  await writer.close();
  return pending.map((committable) => ({ checkpointId, subtask: 0, committable }));
}

export function committer(
  world: World,
  options: Options & {
    readonly uid?: string;
    readonly lineage?: string;
    readonly forkedFrom?: string;
  } = {},
) {
  const { uid = 'sink', lineage = LINEAGE, forkedFrom, ...rest } = options;
  const made = numbersSink(rest).committer?.({
    world,
    uid,
    lineage,
    forkedFrom,
    isLeftover: (writerId) => writerId.startsWith(`${lineage}-`),
  });
  if (made === undefined) throw new TypeError('no committer');
  return made;
}

export async function loaded(world: World): Promise<LoadedTable> {
  const table = await hadoop({ warehouse: WAREHOUSE }).connect(world).load(tableName(TABLE));
  if (table === undefined) throw new TypeError('no table');
  return table;
}

/**
 * `conflict`: another one is first. `lost-request`: it is not made, and no answer comes. `lost-answer`:
 * it is made, and no answer comes. `late`: as `lost-request`, and made just before the next one.
 */
export type CommitFault = 'none' | 'conflict' | 'lost-request' | 'lost-answer' | 'late';

/** A catalog whose commits fail in order; what it did is for tests to look at. */
export function flakyCatalog(faults: readonly CommitFault[]): IcebergCatalog & { commits: number } {
  const inner = hadoop({ warehouse: WAREHOUSE });
  const left = [...faults];
  let late: (() => Promise<CommitOutcome>) | undefined;
  const flaky = {
    url: inner.url,
    commits: 0,
    connect: (world: World): Catalog => {
      const catalog = inner.connect(world);
      return {
        url: catalog.url,
        load: (name) => catalog.load(name),
        create: (name, table) => catalog.create(name, table),
        commit: async (name, base, change) => {
          await late?.();
          late = undefined;
          flaky.commits++;
          const fault = left.shift() ?? 'none';
          const cause = new TypeError('no answer');
          switch (fault) {
            case 'none':
              return catalog.commit(name, base, change);
            case 'conflict':
              return { kind: 'conflict' };
            case 'lost-answer':
              await catalog.commit(name, base, change);
              return { kind: 'unknown', cause };
            case 'late':
              late = () => catalog.commit(name, base, change);
              return { kind: 'unknown', cause };
            case 'lost-request':
              return { kind: 'unknown', cause };
          }
        },
      };
    },
  };
  return flaky;
}

/** Another program changes the table: the next version of its metadata, whatever that says. */
export async function byOthers(
  world: World,
  change: (metadata: TableMetadata) => object,
): Promise<void> {
  const { metadata, io, version } = await loaded(world);
  const next = `${metadata.location}/metadata/v${Number(version) + 1}.metadata.json`;
  const text = printJson(change(metadata) as TableMetadata);
  if ((await io.create(next, new TextEncoder().encode(text))) === 'taken') {
    throw new TypeError(`${next} is there`);
  }
}
