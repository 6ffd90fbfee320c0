/**
 * The command lines of documented-commands.yaml, run as they are written against a real service with real jobs, and
 * what each has to bring about. Where snapshots go is the caller's: a folder, or a store.
 */
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { sleep, systemClock } from '../../src/common/clock.ts';
import {
  configure,
  countsIn,
  expectWhole,
  KEYS,
  makeProject,
  projectPath,
} from './sales-pipeline.ts';
import { ShellProcess } from './shell-process.ts';
import type { Run } from './tidemark-process.ts';

const JobSettings = z.object({ more: z.boolean().default(false) });
const Line = z.object({
  line: z.string(),
  effect: z.enum([
    ...(['savepoint', 'stopped', 'canceled', 'canceled with a savepoint'] as const),
    ...(['fresh', 'resumed', 'restored'] as const),
    ...(['lists the job', 'lists the savepoint', 'disposed'] as const),
  ]),
  file: z.boolean().default(false),
  parallelism: z.number().optional(),
  job: JobSettings.optional(),
});
const Story = z.object({
  title: z.string(),
  given: z.enum(['nothing', 'running', 'crashed']),
  parallelism: z.number().default(1),
  job: JobSettings.prefault({}),
  lines: z.array(Line),
});
export type Story = z.infer<typeof Story>;
type Line = z.infer<typeof Line>;

export const STORIES: readonly Story[] = z
  .array(Story)
  .parse(parse(fs.readFileSync(`${import.meta.dirname}/documented-commands.yaml`, 'utf8')));

/** Where checkpoints and savepoints of a story go. */
export interface SnapshotPlace {
  /** Without a slash at its end: `file:///tmp/x`, `s3://bucket/x`. */
  readonly url: string;
  /** What the commands, the service and the jobs need to get there. */
  readonly env: Readonly<Record<string, string>>;
}

const JOB_NAME = 'sales_pipeline';
const JOB_FILES = ['job', 'your-job', 'sales-job', 'new-version-job', 'new-job'];
const LOOK_MS = 10;
/** Lines of each key that tell that a job has come into its stride. */
const LINES_MIN = 3;

/** A project with its job, and what has become of it. */
export class StoryTeller {
  readonly #folder: string;
  readonly #place: SnapshotPlace;
  readonly #env: Readonly<Record<string, string>>;
  #parallelism: number;
  #settings: z.infer<typeof JobSettings>;
  #jobId = '';
  #savepoint = '';
  /** Number of the folder into which the job writes now, and whether that was begun without state. */
  #out = 0;
  #outIsFresh = true;
  #foreground: ShellProcess | undefined;
  #lastRun: { readonly stdout: string } = { stdout: '' };

  private constructor(story: Story, folder: string, place: SnapshotPlace, home: string) {
    this.#folder = folder;
    this.#place = place;
    this.#parallelism = story.parallelism;
    this.#settings = story.job;
    this.#env = { ...place.env, PATH: projectPath(folder), TIDEMARK_HOME: home };
  }

  /** @param home The data folder of the service. */
  static async begin(
    story: Story,
    folder: string,
    place: SnapshotPlace,
    home: string,
  ): Promise<StoryTeller> {
    await makeProject(folder, Object.fromEntries(JOB_FILES.map((file) => [file, JOB_NAME])));
    const teller = new StoryTeller(story, folder, place, home);
    if (story.given === 'nothing') return teller;
    teller.#configure();
    const isCrash = story.given === 'crashed';
    await teller.#starts(isCrash ? 'tidemark run job.ts' : 'tidemark run -d job.ts');
    if (isCrash) await teller.#foregroundEnds('SIGKILL');
    return teller;
  }

  async tell(told: Line): Promise<void> {
    const line = this.#filledIn(told.line);
    switch (told.effect) {
      case 'fresh':
      case 'resumed':
      case 'restored':
        return this.#starting(line, told);
      case 'lists the job':
        expect(await this.#ok(line)).toContain(`${this.#jobId} : ${JOB_NAME} (`);
        return;
      case 'lists the savepoint':
        expect(await this.#ok(line)).toContain(path.basename(this.#savepoint));
        return;
      case 'disposed':
        expect(await this.#ok(line)).toContain(`Savepoint '${this.#savepoint}' disposed.`);
        expect(await this.#run(`tidemark inspect ${this.#savepoint}`)).toMatchObject({ code: 2 });
        return;
      case 'canceled':
        await this.#ok(line);
        // As in Flink the command does not wait for the end.
        await this.#untilEnded();
        return this.#expectState('CANCELED');
      case 'savepoint':
        await this.#expectSavepoint(await this.#ok(line));
        return this.#expectState('RUNNING');
      case 'stopped':
      case 'canceled with a savepoint':
        await this.#expectSavepoint(await this.#ok(line));
        await this.#expectState(told.effect === 'stopped' ? 'FINISHED' : 'CANCELED');
        // Whoever goes on from there may add to the same output.
        this.#checkOutput();
    }
  }

  /** Ends what still runs. */
  async end(): Promise<void> {
    await this.#foregroundEnds('SIGKILL');
    await this.#run(`tidemark cancel ${JOB_NAME}`);
    // The next story may have a job of this name.
    await this.#untilEnded();
  }

  async #starting(line: string, told: Line): Promise<void> {
    this.#settings = told.job ?? this.#settings;
    this.#parallelism = told.parallelism ?? this.#parallelism;
    const ended = await this.#stateOf(this.#jobId);
    const goesOn = told.effect === 'resumed' || ended === 'FINISHED';
    if (!goesOn) {
      this.#out += 1;
      this.#outIsFresh = told.effect === 'fresh';
    }
    this.#configure();
    await this.#starts(line);
    const { stdout } = this.#lastRun;
    if (told.effect === 'resumed')
      expect(stdout).toMatch(/^Restoring job from latest checkpoint$/m);
    if (told.effect === 'restored') {
      expect(stdout).toContain(`Restoring job from ${this.#savepoint}`);
    }
    if (told.effect === 'fresh') expect(stdout).toContain('tarting fresh');
    expect(await this.#foregroundEnds('SIGINT')).toBe(isInForeground(line) ? 130 : undefined);
    this.#checkOutput();
  }

  /** Runs a `run`, and waits until what it runs has written and completed something. */
  async #starts(line: string): Promise<void> {
    const before = this.#linesByKey();
    const isDetached = !isInForeground(line);
    // In the foreground the command takes the place of its shell, so that its exit code is that of the process.
    const typed = isDetached ? line : `exec ${line}`;
    const started = new ShellProcess(typed, { cwd: this.#folder, env: this.#env });
    if (isDetached) {
      const stdout = await okOf(started.ended, line);
      this.#jobId = /Job has been submitted with JobID ([0-9a-f]{32})\n/.exec(stdout)?.[1] ?? '';
      expect(this.#jobId).not.toBe('');
      this.#lastRun = { stdout };
    } else {
      this.#foreground = started;
      this.#lastRun = started;
    }
    // Of each key: what is restored later must have counted all of them.
    const isInStride = (): boolean => {
      const now = this.#linesByKey();
      return now.every((lines, key) => lines >= (before[key] ?? 0) + LINES_MIN);
    };
    while (!isInStride()) {
      if (!isDetached && started.isOver) await okOf(started.ended, line);
      await sleep(systemClock, LOOK_MS);
    }
    if (isDetached) await this.#expectState('RUNNING');
  }

  async #foregroundEnds(signal: NodeJS.Signals): Promise<number | null | undefined> {
    const ended = await this.#foreground?.kill(signal);
    this.#foreground = undefined;
    return ended?.code;
  }

  #checkOutput(): void {
    // Of several source subtasks records of a key come in any order.
    const isInOrder = this.#parallelism === 1;
    expectWhole(countsIn(this.#outFolder()), { isFresh: this.#outIsFresh, isInOrder });
  }

  #linesByKey(): number[] {
    const lines = Array.from({ length: KEYS }, () => 0);
    for (const { key } of countsIn(this.#outFolder())) lines[key] = (lines[key] ?? 0) + 1;
    return lines;
  }

  #outFolder(): string {
    return `${this.#folder}/out/${this.#out}`;
  }

  async #expectSavepoint(stdout: string): Promise<void> {
    const found = /Savepoint (?:completed\. Path: |stored in )(\S+?)\.?\n/.exec(stdout);
    const savepoint = found?.[1] ?? '';
    expect(path.basename(savepoint)).toMatch(/^savepoint-[0-9a-f]{6}-[0-9a-f]{12}$/);
    expect(savepoint).not.toBe(this.#savepoint);
    this.#savepoint = savepoint;
    const inspected = await this.#ok(`tidemark inspect --verify ${savepoint}`);
    expect(inspected).toContain('Sound');
  }

  async #untilEnded(): Promise<void> {
    for (;;) {
      const { code, stdout } = await this.#run('tidemark list --json');
      if (code !== 0 || !stdout.includes(`"${JOB_NAME}"`)) return;
      await sleep(systemClock, LOOK_MS);
    }
  }

  async #expectState(state: string): Promise<void> {
    expect(await this.#stateOf(this.#jobId)).toBe(state);
  }

  async #stateOf(jobId: string): Promise<string | undefined> {
    const stdout = await this.#ok('tidemark list -a --json');
    interface Jobs {
      readonly jobs: readonly { readonly jid: string; readonly state: string }[];
    }
    return (JSON.parse(stdout) as Jobs).jobs.find(({ jid }) => jid === jobId)?.state;
  }

  /** What stands for something of the reader's own is put in. */
  #filledIn(line: string): string {
    const { url } = this.#place;
    return line
      .replace(/^flink\b/, 'tidemark')
      .replaceAll('.jar', '.ts')
      .replace(/ \.\.\.$/, ' -d job.ts')
      .replace('<jar-file>', 'job.ts')
      .replace(/savepoint-(?:123456|123|a1b2c3-12345678)\b|<savepoint-id>/, () =>
        path.basename(this.#savepoint),
      )
      .replace(/<savepoint[-_]path>| savepoint-path(?= )/, () => ` ${this.#savepoint}`)
      .replace('<savepoint-directory>', `${url}/savepoints`)
      .replace(/<(?:old-)?job[-_]id>/, this.#jobId)
      .replace('a1b2c3d4e5f6', this.#jobId.slice(0, 12))
      .replace(/(?:hdfs:\/\/|s3a:\/)\//, `${url}/`)
      .replace(/^\/opt\/scripts/, './scripts')
      .replace('/tmp/flink', `${url.replace(/^file:\/\//, '')}/flink`);
  }

  #configure(): void {
    configure(this.#folder, {
      FLINK_CHECKPOINT_STORAGE: `${this.#place.url}/flink/checkpoints/my_job`,
      FLINK_PARALLELISM: this.#parallelism,
      SALES_OUT: `out/${this.#out}`,
      SALES_MORE: this.#settings.more,
      SALES_KEYS: KEYS,
    });
  }

  #run(line: string): Promise<Run> {
    return new ShellProcess(line, { cwd: this.#folder, env: this.#env }).ended;
  }

  #ok(line: string): Promise<string> {
    return okOf(this.#run(line), line);
  }
}

function isInForeground(line: string): boolean {
  return line.startsWith('tidemark run') && !/ -d\b/.test(line);
}

async function okOf(ended: Promise<Run>, line: string): Promise<string> {
  const { code, stdout, stderr } = await ended;
  expect(code, `${line}\n${stderr}${stdout}`).toBe(0);
  return stdout;
}
