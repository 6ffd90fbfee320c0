import pc from 'picocolors';
import { allJobs, isOver, type JobOverview } from './find-job.ts';
import { RestClient, type ServiceOption } from './rest-client.ts';
import { EXIT } from './exit-codes.ts';
import { tableOf } from './table.ts';
import { onTerminal, type JsonOption, type Terminal } from './terminal.ts';
import { durationText, timeText } from './units.ts';

export interface ListOptions extends ServiceOption, JsonOption {
  readonly all?: boolean;
  readonly running?: boolean;
  readonly scheduled?: boolean;
}

const SCHEDULED = new Set(['CREATED', 'INITIALIZING']);

/** `tidemark list`: the jobs of the service. */
export function listCommand(options: ListOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const jobs = await allJobs(await RestClient.open(options));
    const newest = jobs.toSorted((a, b) => b['start-time'] - a['start-time']);
    const scheduled = newest.filter(({ state }) => SCHEDULED.has(state));
    const running = newest.filter((job) => !isOver(job) && !SCHEDULED.has(job.state));
    const over = newest.filter(isOver);
    const all = options.all === true;
    const both = all || options.running === options.scheduled;
    const shown = [
      ...(both || options.running === true ? running : []),
      ...(both || options.scheduled === true ? scheduled : []),
      ...(all ? over : []),
    ];
    terminal.answer({ jobs: shown });
    if (terminal.isTerminal) table(terminal, shown);
    else sections(terminal, { running, scheduled, over }, { ...options, all, both });
    return EXIT.done;
  });
}

function table(terminal: Terminal, jobs: readonly JobOverview[]): void {
  if (jobs.length === 0) terminal.say('No jobs. tidemark list -a shows those that are over.');
  const columns = ['NAME', 'STATUS', 'TASKS', 'STARTED', 'FOR', 'ID'].map((title) => ({ title }));
  const rows = jobs.map((job) => [
    job.name,
    statusText(job.state),
    `${job.tasks.running}/${job.tasks.total}`,
    timeText(job['start-time']),
    durationText(job.duration),
    job.jid,
  ]);
  if (jobs.length > 0) for (const line of tableOf(columns, rows)) terminal.say(line);
}

export function statusText(state: string): string {
  if (state === 'RUNNING' || state === 'FINISHED') return pc.green(state);
  return state === 'FAILED' || state === 'FAILING' ? pc.red(state) : pc.yellow(state);
}

interface Sections {
  readonly running: readonly JobOverview[];
  readonly scheduled: readonly JobOverview[];
  readonly over: readonly JobOverview[];
}

/** As Flink's client prints them, for scripts that read its lines. */
function sections(
  terminal: Terminal,
  { running, scheduled, over }: Sections,
  shown: ListOptions & { readonly both: boolean },
): void {
  terminal.say('Waiting for response...');
  if (shown.both || shown.running === true) {
    section(terminal, 'Running/Restarting Jobs', running, 'No running jobs.');
  }
  if (shown.both || shown.scheduled === true) {
    section(terminal, 'Scheduled Jobs', scheduled, 'No scheduled jobs.');
  }
  if (shown.all === true && over.length > 0) section(terminal, 'Terminated Jobs', over, '');
}

const RULE_CHARS = 62;

function section(
  terminal: Terminal,
  title: string,
  jobs: readonly JobOverview[],
  none: string,
): void {
  if (jobs.length === 0) {
    terminal.say(none);
    return;
  }
  const left = Math.floor((RULE_CHARS - title.length - 2) / 2);
  const right = RULE_CHARS - title.length - 2 - left;
  terminal.say(`${'-'.repeat(left)} ${title} ${'-'.repeat(right)}`);
  for (const { jid, name, state, 'start-time': startMs } of jobs) {
    terminal.say(`${flinkTime(startMs)} : ${jid} : ${name} (${state})`);
  }
  terminal.say('-'.repeat(RULE_CHARS));
}

/** `dd.MM.yyyy HH:mm:ss`, by the clock of this machine. */
function flinkTime(ms: number): string {
  const at = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${two(at.getDate())}.${two(at.getMonth() + 1)}.${at.getFullYear()}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
