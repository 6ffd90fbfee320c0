/** `tidemark iceberg …`: what operators do with tables. */
import pc from 'picocolors';
import type {
  Rollback,
  RollbackTarget,
  SnapshotInfo,
  TableReference,
} from '../connectors/iceberg/table-operations.ts';
import { missingArgument } from './cli-errors.ts';
import { EXIT } from './exit-codes.ts';
import { catalogOf, type CatalogOptions } from './iceberg-catalog.ts';
import { tableOf } from './table.ts';
import { onTerminal, type JsonOption } from './terminal.ts';
import { bytesText, countText, timeText } from './units.ts';

export type IcebergOptions = JsonOption & CatalogOptions;

export interface SnapshotsOptions extends IcebergOptions {
  /** Only so many of the newest. */
  readonly last?: number;
}

export interface RollbackOptions extends IcebergOptions {
  readonly to?: bigint;
  readonly before?: number;
  readonly dryRun?: boolean;
}

export interface ExpireOptions extends IcebergOptions {
  readonly dryRun?: boolean;
}

export interface OrphanOptions extends IcebergOptions {
  readonly olderThan: number;
  readonly dryRun?: boolean;
}

const HOUR_MS = 3_600_000;

export function snapshotsCommand(table: string, options: SnapshotsOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const reference = await referenceTo(table, options);
    const { listSnapshots } = await import('../connectors/iceberg/table-operations.ts');
    const all = await listSnapshots(reference, await world());
    const snapshots = options.last === undefined ? all : all.slice(-options.last);
    terminal.answer({ table, snapshots: snapshots.map(plain) });
    for (const line of snapshotLines(table, all, snapshots)) terminal.say(line);
    return EXIT.done;
  });
}

function snapshotLines(
  table: string,
  all: readonly SnapshotInfo[],
  shown: readonly SnapshotInfo[],
): readonly string[] {
  if (all.length === 0) return [`${table} has no snapshots.`];
  const rows = shown.map((snapshot) => [
    snapshot.isCurrent ? '*' : snapshot.isAncestor ? '' : pc.dim('aside'),
    String(snapshot.id),
    timeText(snapshot.timestampMs),
    text(snapshot.job?.checkpointId),
    snapshot.job?.uid ?? '',
    snapshot.job?.lineage ?? '',
    snapshot.operation,
    signed(snapshot.addedRows, countText),
    signed(snapshot.addedFiles, countText),
    signed(snapshot.addedBytes, bytesText),
    snapshot.totalRows === undefined ? '' : countText(Number(snapshot.totalRows)),
  ]);
  const lines = [...tableOf(COLUMNS, rows)];
  const left = all.length - shown.length;
  if (left > 0) lines.push(`${left} older ones are not shown.`);
  if (shown.some(({ isCurrent }) => isCurrent)) lines.push('* is what readers see.');
  if (shown.some(({ isAncestor }) => !isAncestor)) {
    lines.push('aside: taken back, or of another branch; no part of what readers see.');
  }
  return lines;
}

function signed(value: bigint | undefined, show: (value: number) => string): string {
  return value === undefined ? '' : `+${show(Number(value))}`;
}

export function rollbackCommand(table: string, options: RollbackOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const target = targetOf(options);
    const reference = await referenceTo(table, options);
    const { rollBackTable } = await import('../connectors/iceberg/table-operations.ts');
    const dryRun = options.dryRun === true;
    const rollback = await rollBackTable(reference, await world(), target, { dryRun });
    const { from, to, jobs } = rollback;
    terminal.answer({
      table,
      dryRun,
      from: plain(from),
      to: plain(to),
      rows: rollback.rows === undefined ? undefined : Number(rollback.rows),
      jobs,
    });
    for (const line of rollbackLines(table, rollback, dryRun)) terminal.say(line);
    return EXIT.done;
  });
}

export function expireCommand(table: string, options: ExpireOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const reference = await referenceTo(table, options);
    const { expireSnapshots } = await import('../connectors/iceberg/table-operations.ts');
    const dryRun = options.dryRun === true;
    const { snapshots, files } = await expireSnapshots(reference, await world(), { dryRun });
    terminal.answer({ table, dryRun, snapshots, files });
    terminal.say(
      dryRun
        ? `${snapshots} snapshots of ${table} would be forgotten.`
        : `${snapshots} snapshots of ${table} are forgotten, ${files} files deleted.`,
    );
    return EXIT.done;
  });
}

export function removeOrphansCommand(table: string, options: OrphanOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const reference = await referenceTo(table, options);
    const { removeOrphans } = await import('../connectors/iceberg/table-operations.ts');
    const dryRun = options.dryRun === true;
    const orphans = await removeOrphans(reference, await world(), {
      olderThanMs: options.olderThan * HOUR_MS,
      dryRun,
    });
    terminal.answer({ table, dryRun, files: orphans });
    for (const location of orphans) terminal.say(location);
    terminal.say(`${orphans.length} files ${dryRun ? 'would be' : 'are'} deleted.`);
    return EXIT.done;
  });
}

async function world() {
  const { defaultWorld } = await import('../cluster/run-job.ts');
  return defaultWorld;
}

async function referenceTo(table: string, options: IcebergOptions): Promise<TableReference> {
  const catalog = await catalogOf(options);
  if (catalog === undefined) {
    throw missingArgument('the catalog', 'tidemark iceberg snapshots db.table --warehouse lake');
  }
  return { catalog, table };
}

function targetOf({ to, before }: RollbackOptions): RollbackTarget {
  if (to !== undefined) return { kind: 'snapshot', id: to };
  if (before !== undefined) return { kind: 'before', timeMs: before };
  throw missingArgument('the snapshot', 'tidemark iceberg rollback db.table --to 4512…');
}

function rollbackLines(
  table: string,
  { from, to, rows, jobs }: Rollback,
  dryRun: boolean,
): string[] {
  if (from.id === to.id) return [`${table} is at ${to.id} already.`];
  const verb = dryRun ? 'would go' : 'went';
  return [
    `${table} ${verb} from ${from.id} to ${to.id} of ${timeText(to.timestampMs)}${rowsText(rows)}.`,
    ...jobs.map((job) => {
      const what = `The sink ${job.uid} of job ${job.lineage} had written checkpoint ${job.from}`;
      return job.to === undefined
        ? `${what}; the table has none of its output: start it without state.`
        : `${what}; the table has its output up to ${job.to}: start it from checkpoint ${job.to}.`;
    }),
    `To undo it before anything else is committed: --to ${from.id}`,
  ];
}

function rowsText(rows: bigint | undefined): string {
  if (rows === undefined) return '';
  return rows < 0n ? `; ${-rows} rows are visible again` : `; ${rows} rows are hidden`;
}

/** JSON has no 64-bit integers that all programs read: ids are text. */
function plain(snapshot: SnapshotInfo): Record<string, unknown> {
  return {
    id: String(snapshot.id),
    parentId: snapshot.parentId === undefined ? undefined : String(snapshot.parentId),
    sequenceNumber: Number(snapshot.sequenceNumber),
    timestampMs: snapshot.timestampMs,
    operation: snapshot.operation,
    addedRows: numberOf(snapshot.addedRows),
    totalRows: numberOf(snapshot.totalRows),
    addedFiles: numberOf(snapshot.addedFiles),
    totalFiles: numberOf(snapshot.totalFiles),
    addedBytes: numberOf(snapshot.addedBytes),
    isCurrent: snapshot.isCurrent,
    isAncestor: snapshot.isAncestor,
    job: snapshot.job,
  };
}

function numberOf(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

function text(value: bigint | number | undefined): string {
  return value === undefined ? '' : String(value);
}

const COLUMNS = [
  { title: '' },
  { title: 'SNAPSHOT', right: true },
  { title: 'TIME' },
  { title: 'CHECKPOINT', right: true },
  { title: 'SINK' },
  { title: 'JOB' },
  { title: 'OPERATION' },
  { title: 'ROWS', right: true },
  { title: 'FILES', right: true },
  { title: 'SIZE', right: true },
  { title: 'ROWS IN ALL', right: true },
];
