import { statfsSync, type StatsFs } from 'node:fs';
import net from 'node:net';
import { availableParallelism, freemem, totalmem } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pc from 'picocolors';
import { systemClock } from '../common/clock.ts';
import { EngineError } from '../common/errors.ts';
import { errorText } from '../common/error-text.ts';
import { randomHex, systemRandom } from '../common/random.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { EXIT } from './exit-codes.ts';
import { absolute, checkpointUrl, storeOpenerOf } from './open-snapshot.ts';
import { readAll, type SettingOptions } from './read-settings.ts';
import { RestClient } from './rest-client.ts';
import { tableOf } from './table.ts';
import { onTerminal, type JsonOption } from './terminal.ts';
import { bytesText } from './units.ts';

/** What was looked at, what was found, and what to do about it. */
export interface Finding {
  readonly what: string;
  readonly verdict: 'good' | 'doubtful' | 'bad';
  readonly found: string;
  /** Absent if it is good. */
  readonly advice?: string;
}

/** `tidemark doctor`: whether this machine can run jobs with these settings. */
export function doctorCommand(options: JsonOption & SettingOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const { flink } = await readAll(options);
    const place = { flink, folder: process.cwd() };
    const checkpoints = checkpointUrl(place);
    const { savepointDirectory } = flink;
    const savepoints = savepointDirectory && absolute(savepointDirectory, place.folder);
    const findings = [
      nodeFinding(process.versions.node),
      memoryFinding(freemem(), totalmem()),
      coresFinding(flink.parallelism, availableParallelism()),
      ...(await storageFindings('checkpoints', checkpoints, flink)),
      ...(savepoints === undefined ? [] : await storageFindings('savepoints', savepoints, flink)),
      await serviceFinding(flink),
    ];
    terminal.answer({ findings });
    const rows = findings.map(({ what, verdict, found }) => [
      what,
      COLOURS[verdict](verdict),
      found,
    ]);
    const columns = [{ title: 'WHAT' }, { title: 'VERDICT' }, { title: 'FOUND' }];
    for (const line of tableOf(columns, rows)) terminal.say(line);
    for (const { what, verdict, advice } of findings) {
      if (advice !== undefined) terminal.say(`${COLOURS[verdict](what)}: ${advice}`);
    }
    return findings.some(({ verdict }) => verdict === 'bad') ? EXIT.failed : EXIT.done;
  });
}

const COLOURS = { good: pc.green, doubtful: pc.yellow, bad: pc.red };

export function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const found = `Node ${version}`;
  if (major > 22 || (major === 22 && minor >= 22)) return { what: 'node', verdict: 'good', found };
  const advice = 'Install Node 24, or let the tidemark command fetch it.';
  return { what: 'node', verdict: 'bad', found, advice };
}

const FREE_MEMORY_LEAST = 512 * 2 ** 20;

export function memoryFinding(freeBytes: number, totalBytes: number): Finding {
  const found = `${bytesText(freeBytes)} free of ${bytesText(totalBytes)}`;
  if (freeBytes >= FREE_MEMORY_LEAST) return { what: 'memory', verdict: 'good', found };
  const advice =
    'End what needs it, or lower the parallelism: each slot is a thread with a heap of its own.';
  return { what: 'memory', verdict: 'doubtful', found, advice };
}

export function coresFinding(parallelism: number, cores: number): Finding {
  const found = `${cores}, for a parallelism of ${parallelism}`;
  if (parallelism <= cores) return { what: 'cores', verdict: 'good', found };
  const advice = `More slots than cores do not make a job faster: -p ${cores}.`;
  return { what: 'cores', verdict: 'doubtful', found, advice };
}

/** The disk below a folder, whether it can be written so that it stays, and whose clock it goes by. */
async function storageFindings(
  what: string,
  url: string,
  flink: FlinkSettings,
): Promise<readonly Finding[]> {
  const disk = diskFinding(what, url);
  return [...(disk === undefined ? [] : [disk]), ...(await writeFindings(what, url, flink))];
}

const DISK_BAD_BYTES = 100 * 2 ** 20;
const DISK_DOUBTFUL_BYTES = 2 * 2 ** 30;

/** Undefined for a storage that is no disk of this machine, and for a folder that will be made. */
function diskFinding(what: string, url: string): Finding | undefined {
  const folder = /^file:/i.test(url)
    ? filePath(url)
    : /^[a-z][a-z0-9+.-]*:/i.test(url)
      ? undefined
      : url;
  const stat = folder === undefined ? undefined : nearestDisk(folder);
  if (stat === undefined) return undefined;
  const freeBytes = stat.bavail * stat.bsize;
  const found = `${bytesText(freeBytes)} free, below ${folder ?? ''}`;
  const name = `disk of ${what}`;
  if (freeBytes >= DISK_DOUBTFUL_BYTES) return { what: name, verdict: 'good', found };
  const advice = 'Make room: a checkpoint that finds the disk full fails, and then the job.';
  const verdict = freeBytes < DISK_BAD_BYTES ? 'bad' : 'doubtful';
  return { what: name, verdict, found, advice };
}

function filePath(url: string): string | undefined {
  try {
    return fileURLToPath(url.replace(/^file:\/*/i, 'file:///'));
  } catch {
    return undefined;
  }
}

/** Of the nearest folder that is there. */
function nearestDisk(folder: string): StatsFs | undefined {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      return statfsSync(at);
    } catch {
      if (path.dirname(at) === at) return undefined;
    }
  }
}

const SLOW_MS = 500;
const SKEW_MS_MAX = 2_000;

async function writeFindings(
  what: string,
  url: string,
  flink: FlinkSettings,
): Promise<readonly Finding[]> {
  const openStore = await storeOpenerOf(flink);
  const folder = `doctor-${randomHex(systemRandom, 16)}`;
  const name = `${folder}/created`;
  const head = `${folder}/replaceable`;
  try {
    const store = openStore(url);
    const bytes = new TextEncoder().encode(name);
    const startMs = systemClock.monotonicMs();
    await store.create(name, bytes);
    const tookMs = systemClock.monotonicMs() - startMs;
    const wallMs = systemClock.wallMs();
    try {
      const again = await store.create(name, bytes);
      const back = await store.read(name);
      const first = await store.replaceIf(head, bytes, undefined);
      const second = await store.replaceIf(head, bytes, undefined);
      const isRight =
        again === 'taken' &&
        first !== 'changed' &&
        second === 'changed' &&
        back !== undefined &&
        new TextDecoder().decode(back.bytes) === name;
      let writtenMs = wallMs;
      for await (const entry of store.list(folder)) {
        if (entry.path === name) writtenMs = entry.modifiedMs;
      }
      return [
        durableFinding(what, store.url, isRight, tookMs),
        clockFinding(what, writtenMs - wallMs),
      ];
    } finally {
      await store.delete([name, head]);
    }
  } catch (error) {
    const [found = '', hint = ''] = errorText(error).split('\n');
    const advice =
      error instanceof EngineError
        ? hint.trim()
        : 'Make the folder, and let this user write there; the page of the code says more.';
    return [{ what, verdict: 'bad', found, advice }];
  }
}

export function durableFinding(
  what: string,
  url: string,
  isRight: boolean,
  tookMs: number,
): Finding {
  const found = `${url}: a durable write took ${Math.round(tookMs)} ms`;
  if (!isRight) {
    const advice = 'What was written is not what is read: do not keep state there.';
    return { what, verdict: 'bad', found, advice };
  }
  if (tookMs < SLOW_MS) return { what, verdict: 'good', found };
  const advice =
    'Every checkpoint waits for a few of these: use a faster disk, or longer intervals.';
  return { what, verdict: 'doubtful', found, advice };
}

export function clockFinding(what: string, skewMs: number): Finding {
  const name = `clock of ${what}`;
  const found = `${Math.round(Math.abs(skewMs))} ms from this machine's`;
  if (Math.abs(skewMs) <= SKEW_MS_MAX) return { what: name, verdict: 'good', found };
  const advice = 'Let both machines keep their time by NTP: ages of files are compared.';
  return { what: name, verdict: 'doubtful', found, advice };
}

/** A service that runs, or the port that it would take. */
async function serviceFinding({ restPort, restBindAddress }: FlinkSettings): Promise<Finding> {
  const client = await RestClient.ofThisUser();
  if (client !== undefined) {
    const startMs = systemClock.monotonicMs();
    try {
      await client.get('/overview');
      const tookMs = Math.round(systemClock.monotonicMs() - startMs);
      const found = `runs at ${client.address}, answers in ${tookMs} ms`;
      return { what: 'service', verdict: 'good', found };
    } catch (error) {
      const found = errorText(error).split('\n')[0] ?? '';
      const advice = 'Look at tidemark service status and its log; stop it and start it again.';
      return { what: 'service', verdict: 'bad', found, advice };
    }
  }
  const port = Number(/^\d+/.exec(restPort)?.[0] ?? 0);
  const problem = await portProblem(port, restBindAddress);
  const at = `${restBindAddress}:${restPort}`;
  if (problem === undefined) {
    return { what: 'service', verdict: 'good', found: `does not run; ${at} is free` };
  }
  const advice = `Something else has the port: give another with -D rest.bind-port=…`;
  return {
    what: 'service',
    verdict: 'doubtful',
    found: `does not run; ${at}: ${problem}`,
    advice,
  };
}

function portProblem(port: number, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
    server.listen({ port, host, exclusive: true }, () => {
      server.close(() => {
        resolve(undefined);
      });
    });
  });
}
