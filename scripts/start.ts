// The main job, to look at: runs the health pipeline in two TaskManager processes, kills one of them
// half way, lets the job go on from its last checkpoint, and checks what it wrote. `--help` tells the
// options.

import path from 'node:path';
import pc from 'picocolors';
import { ArgumentError, parseArguments, USAGE, type StartArguments } from './start/arguments.ts';
import { Display, whole } from './start/display.ts';
import { countInputs, rowsOf, type InputFile } from './start/inputs.ts';
import { ledgerTable } from './start/ledger-table.ts';
import { makeLedger } from './start/ledger.ts';
import { prepareOutFolder } from './start/out-folder.ts';
import { RunWithKills, type RunFigures, type RunListener } from './start/run-with-kills.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const JOB = 'examples/health-pipeline.ts';
const EXIT = { ok: 0, failed: 1, badArguments: 2, stopped: 130 } as const;
const QUIET: RunListener = {
  event: () => undefined,
  rows: () => undefined,
  killed: () => undefined,
  recovered: () => undefined,
};

async function main(args: readonly string[]): Promise<number> {
  const given = parseArguments(ROOT, args);
  if (given === 'help') {
    console.log(USAGE);
    return EXIT.ok;
  }
  const inputs = countInputs(ROOT);
  if (given.checkOnly) return tell(given, inputs, undefined);
  prepareOutFolder(given.out, given.isDefaultOut);
  const display = new Display(process.stdout, rowsOf(inputs));
  const listener = given.json ? QUIET : display;
  const command = commandOf(given);
  if (!given.json) for (const line of introduction(given, inputs, command)) display.line(line);
  const { kills, victim } = given;
  const plan = { root: ROOT, args: command, kills, victim, rows: rowsOf(inputs) };
  const run = new RunWithKills(plan, listener);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      run.stop();
    });
  }
  const outcome = await run.run();
  display.end();
  switch (outcome.kind) {
    case 'failed':
      console.error(pc.red(outcome.error));
      return EXIT.failed;
    case 'stopped':
      console.error(`Stopped. What is finished so far is in ${given.out}.`);
      return EXIT.stopped;
    case 'finished':
      return tell(given, inputs, outcome.figures);
  }
}

/** What is given to `tidemark`. */
function commandOf({ parallelism, out, rate, sink, dynamic }: StartArguments): string[] {
  const settings = [
    'execution.checkpointing.interval=1s',
    'execution.checkpointing.min-pause=0',
    `execution.checkpointing.dir=${path.join(out, '.checkpoints')}`,
    'taskmanager.numberOfTaskSlots=1',
    ...dynamic,
  ];
  return [
    ...['run', JOB, '-p', String(parallelism), '--json'],
    ...settings.flatMap((setting) => ['-D', setting]),
    ...['--', '--rate', String(rate), '--sink', sink, '--out', out],
  ];
}

function introduction(
  { kills, victim, rate, out, sink }: StartArguments,
  inputs: readonly InputFile[],
  command: readonly string[],
): string[] {
  const speed = rate === 0 ? 'at full speed' : `at ${whole(rate)} rows a second of each`;
  const files = inputs.map(({ name, rows }) => `${name} (${whole(rows)} rows)`).join(' and ');
  const times = kills === 1 ? 'once, half way' : `${kills} times`;
  const who = victim === 'job' ? 'The whole job' : 'One of its TaskManagers';
  const fate = kills === 0 ? 'Nothing is killed.' : `${who} is killed with SIGKILL ${times}.`;
  return [
    `${pc.bold('Health pipeline')}: reads ${files} ${speed}.`,
    `${fate} Results go to ${sink === 'files' ? `files in ${out}` : `Iceberg tables in ${out}/warehouse`}.`,
    pc.dim(`$ tidemark ${command.join(' ')}`),
    '',
  ];
}

async function tell(
  { out, sink, json, kills, checkOnly }: StartArguments,
  inputs: readonly InputFile[],
  figures: RunFigures | undefined,
): Promise<number> {
  const ledger = await makeLedger({ out, sink }, inputs, figures, checkOnly ? 0 : kills);
  if (json) console.log(JSON.stringify(ledger));
  else for (const line of ledgerTable(ledger, inputs)) console.log(line);
  return ledger.ok ? EXIT.ok : EXIT.failed;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof ArgumentError)) throw error;
  console.error(`${error.message}\nnpm start -- --help tells all options.`);
  process.exitCode = EXIT.badArguments;
}
