/** The commands that look after Iceberg tables, as commander knows them. They need no service. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { ExpireOptions, OrphanOptions, RollbackOptions, SnapshotsOptions } from './iceberg.ts';

export function addIcebergCommands(program: Command): void {
  const iceberg = program
    .command('iceberg')
    .description('look at Iceberg tables, roll them back, and tidy them up');
  ofTable(iceberg.command('snapshots'))
    .description('list the snapshots of a table, with the checkpoints that they are of')
    .option('--last <count>', 'only so many of the newest', count)
    .action(async (table: string, options: SnapshotsOptions) => {
      const { snapshotsCommand } = await import('./iceberg.ts');
      process.exitCode = await snapshotsCommand(table, options);
    });
  ofTable(iceberg.command('rollback'))
    .description('make an older snapshot the current one; stop the jobs that write to it first')
    .option('--to <snapshot>', 'its id', snapshotId)
    .option('--before <time>', 'the last one before, such as 2026-01-31T12:00:00Z', moment)
    .option('--dry-run', 'say what would be done, and do nothing')
    .action(async (table: string, options: RollbackOptions) => {
      const { rollbackCommand } = await import('./iceberg.ts');
      process.exitCode = await rollbackCommand(table, options);
    });
  ofTable(iceberg.command('expire'))
    .description('forget snapshots that are older than the table wants, never the newest of a job')
    .option('--dry-run', 'say what would be done, and do nothing')
    .action(async (table: string, options: ExpireOptions) => {
      const { expireCommand } = await import('./iceberg.ts');
      process.exitCode = await expireCommand(table, options);
    });
  ofTable(iceberg.command('remove-orphans'))
    .description('delete files that no snapshot of a table needs')
    .option('--older-than <hours>', 'younger ones may be of a checkpoint that goes on', hours, 72)
    .option('--dry-run', 'list them, and delete none')
    .action(async (table: string, options: OrphanOptions) => {
      const { removeOrphansCommand } = await import('./iceberg.ts');
      process.exitCode = await removeOrphansCommand(table, options);
    });
}

function ofTable(command: Command): Command {
  return ofCatalog(command.argument('<table>', 'namespace.table')).addOption(
    new Option('--json', 'print the answer as a JSON line, for programs'),
  );
}

/** The options that name a catalog. */
export function ofCatalog(command: Command): Command {
  return command
    .option(
      '--warehouse <folder>',
      'the folder (or s3:// address) that holds the tables, where that is the catalog',
    )
    .option(
      '--uri <address>',
      'the REST catalog; a token is taken from ICEBERG_TOKEN, or with ICEBERG_CREDENTIAL=id:secret',
    )
    .option('--catalog-warehouse <name>', "which of the REST catalog's warehouses");
}

function count(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new InvalidArgumentError('It is a whole number from 1 on.');
  return Number(text);
}

function snapshotId(text: string): bigint {
  if (!/^\d{1,19}$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return BigInt(text);
}

function moment(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new InvalidArgumentError('Write it as 2026-01-31T12:00:00Z.');
  return ms;
}

function hours(text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new InvalidArgumentError('It is a number of hours.');
  return value;
}
