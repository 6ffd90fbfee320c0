import path from 'node:path';
import { parseArgs } from 'node:util';
import type { VictimKind } from './run-with-kills.ts';

/** Where results go: Iceberg tables in the folder `warehouse`, or JSON lines in files. */
export type SinkKind = 'iceberg' | 'files';

/** What `npm start` is asked for. */
export interface StartArguments {
  /** How often something is killed. */
  readonly kills: number;
  readonly victim: VictimKind;
  /** Rows per second of each file; 0 is full speed. */
  readonly rate: number;
  /** Absolute. */
  readonly out: string;
  readonly isDefaultOut: boolean;
  readonly sink: SinkKind;
  readonly parallelism: number;
  readonly json: boolean;
  /** Run nothing: check what is in `out`. */
  readonly checkOnly: boolean;
  /** More `-D` settings; they win over what `npm start` itself sets. */
  readonly dynamic: readonly string[];
}

/** At this rate the longer file lasts about 20 seconds. */
const RATE = 2700;

export const USAGE = `Usage: npm start -- [options]

Runs the health pipeline in two TaskManager processes, kills one of them half way, lets the job go on
from its last checkpoint, and checks what it wrote.

  -p, --parallelism N  subtasks of each operator (default 2)
      --rate N         rows per second of each file, 0 for full speed (default ${RATE})
      --kills N        how often a process is killed with SIGKILL (default 1)
      --victim WHAT    which: task-manager, whose place the job fills by itself (default), or job,
                       all of it, which is then started again
      --no-kill        the same as --kills 0
      --out DIR        folder for the results (default out/health)
      --sink WHAT      where the results go: iceberg, tables in DIR/warehouse (default), or files,
                       JSON lines
  -D KEY=VALUE         one more of Flink's settings, as for tidemark run
      --check          run nothing, only check what is in the folder for the results
      --json           print nothing but the ledger, as one JSON line
      --help           this text

Exit code: 0 if everything adds up, 1 if not, 2 for bad arguments, 130 after Ctrl-C.`;

/** Arguments that cannot be used; the message says what can. */
export class ArgumentError extends Error {}

export function parseArguments(root: string, args: readonly string[]): StartArguments | 'help' {
  const values = read(args);
  if (values.help === true) return 'help';
  const rate = wholeNumber('--rate', values.rate ?? String(RATE), 0, 10_000_000);
  const asked = wholeNumber('--kills', values.kills ?? '1', 0, 1000);
  const kills = values['no-kill'] === true ? 0 : asked;
  if (values['no-kill'] === true && values.kills !== undefined && asked > 0) {
    throw new ArgumentError(`--no-kill and --kills ${asked} exclude each other: leave one out.`);
  }
  if (kills > 0 && rate === 0 && values.check !== true) {
    throw new ArgumentError(
      'At full speed the job is over before it can be killed: add --no-kill, or give a --rate such as 10000.',
    );
  }
  const { victim = 'task-manager' } = values;
  if (victim !== 'task-manager' && victim !== 'job') {
    throw new ArgumentError(`--victim ${victim}: use --victim task-manager or --victim job.`);
  }
  const { sink = 'iceberg' } = values;
  if (sink !== 'iceberg' && sink !== 'files') {
    throw new ArgumentError(`--sink ${sink}: use --sink iceberg or --sink files.`);
  }
  const standard = path.join(root, 'out', 'health');
  const out = path.resolve(values.out ?? standard);
  return {
    kills,
    victim,
    rate,
    out,
    isDefaultOut: out === standard,
    sink,
    parallelism: wholeNumber('--parallelism', values.parallelism ?? '2', 1, 1024),
    json: values.json === true,
    checkOnly: values.check === true,
    dynamic: values.D ?? [],
  };
}

function read(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        'no-kill': { type: 'boolean' },
        kills: { type: 'string' },
        victim: { type: 'string' },
        rate: { type: 'string' },
        out: { type: 'string' },
        parallelism: { type: 'string', short: 'p' },
        sink: { type: 'string' },
        D: { type: 'string', short: 'D', multiple: true },
        check: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new ArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new ArgumentError(`${name} ${text}: give a whole number from ${least} to ${most}.`);
}
