import pc from 'picocolors';
import { whole } from './display.ts';
import { rowsOf, type InputFile } from './inputs.ts';
import type { Ledger } from './ledger.ts';

/** The ledger as a table with its verdict, line by line. */
export function ledgerTable(ledger: Ledger, inputs: readonly InputFile[]): string[] {
  const { read, valid, dlq, windows, ok, problems } = ledger;
  const { checkpoints, restarts, recoveryMs = [], durationMs } = ledger;
  const letters = Object.values(dlq).reduce((sum, each) => sum + each, 0);
  const rows: (readonly [name: string, value: string, note?: string])[] = [
    [
      'rows in the files',
      whole(rowsOf(inputs)),
      inputs.map(({ name, rows }) => `${name} ${whole(rows)}`).join(', '),
    ],
    [
      'readings in them',
      whole(read),
      inputs.map((file) => `${whole(file.rows)} × ${file.readingsPerRow}`).join(' + '),
    ],
    ['= valid', whole(valid), 'vitals'],
    ['+ rejected', whole(letters), 'dlq'],
    ...Object.entries(dlq).map(([reason, count]) => [`    ${reason}`, whole(count)] as const),
    ['hourly windows', whole(windows), 'vitals_hourly'],
  ];
  if (checkpoints !== undefined) rows.push(['checkpoints', whole(checkpoints)]);
  if (restarts !== undefined) rows.push(['restarts', whole(restarts)]);
  for (const ms of recoveryMs) rows.push(['recovery time', `${whole(ms)} ms`]);
  if (durationMs !== undefined) rows.push(['duration', `${(durationMs / 1000).toFixed(1)} s`]);
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const valueWidth = Math.max(...rows.map(([, value]) => value.length));
  return [
    '',
    pc.bold('Ledger'),
    ...rows.map(([name, value, note = '']) =>
      `  ${name.padEnd(nameWidth)}  ${value.padStart(valueWidth)}  ${pc.dim(note)}`.trimEnd(),
    ),
    '',
    ...(ok
      ? [pc.green('Everything adds up.')]
      : [pc.red('This does not add up:'), ...problems.map((problem) => pc.red(`  ${problem}`))]),
  ];
}
