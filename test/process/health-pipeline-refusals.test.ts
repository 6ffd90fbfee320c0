/*
 * Goal: whatever is wrong with a job, its settings, its input, its checkpoints or its disk, `tidemark
 * run` says so with a code and a hint and the right exit code, and nothing wrong reaches a sink.
 * Method: the real command with small jobs that are broken in one way each; every file that a
 * checkpoint needs, with one bit flipped or cut short; a small disk of its own (tmpfs) that is full at a
 * file of a checkpoint, its metadata or HEAD. Every operation of it: test/simulation/head-in-doubt.test.ts.
 * Replay: SEED=<printed> npm run test:process -- health-pipeline-refusals. The seed gives the bits.
 */
import { execFile, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { randomInt } from '../../src/common/random.ts';
import { seededRandom } from '../../src/testing/simulation/seeded-random.ts';
import { filesBelow, finishedFiles, finishedLines } from '../support/finished-lines.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { seed } from '../support/seed.ts';
import { REPOSITORY, runTidemark, settings, startTidemark } from '../support/tidemark-process.ts';

const JOBS = 'test/process/jobs';
/** Of `tidemark run`: the job failed; the job was not started. */
const FAILED = 1;
const REFUSED = 2;
/** Each key of the job has come more than once by then, though one source may be behind the other. */
const RECORDS_MIN = 20_000;
const HINT = /\n {2}[A-Z][^\n]+/;

let root: string;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-refusals-'));
});

afterEach(() => {
  removeFolder(root);
});

function quick(folder: string): string[] {
  return settings({
    'execution.checkpointing.dir': folder,
    'execution.checkpointing.interval': '50ms',
    'execution.checkpointing.min-pause': '0',
    'restart-strategy.type': 'none',
  });
}

function run(job: string, ...rest: readonly string[]) {
  return runTidemark(['run', `${JOBS}/${job}.ts`, ...quick(`${root}/checkpoints`), ...rest]);
}

describe('a job that cannot be run', () => {
  it.each([
    ['absent', REFUSED, 'CLI-001', 'Give the path of a module'],
    ['no-default-export', REFUSED, 'CLI-002', 'export default defineJob('],
    ['duplicate-uid', REFUSED, 'API-002', 'Give each operator a uid of its own'],
    ['missing-uid', REFUSED, 'API-001', "Give the operator's name as the first argument"],
    ['opaque-schema', REFUSED, 'SER-006', 'Describe that part with types that have a structure'],
    ['unserializable-state', FAILED, 'STA-005', 'Make the values given to "last" fit its schema'],
  ])('%s: exit code %i, %s', async (job, code, error, hint) => {
    const { code: exitCode, stderr } = await run(job);

    expect(exitCode, stderr).toBe(code);
    expect(stderr).toContain(`${error}: `);
    expect(stderr).toContain(hint);
    expect(stderr).toContain(`docs/errors/${error}.md`);
  });
});

describe('settings', () => {
  const lines = (...given: readonly string[]) => {
    fs.writeFileSync(`${root}/in.csv`, 'id\n1\n2\n');
    return run('lines', ...given, '--', '--input', `${root}/in.csv`, '--out', `${root}/out`);
  };

  it('warns of an unknown one, with the nearest name, and runs', async () => {
    const { code, stdout } = await lines('-D', 'execution.checkpointing.intervall=1s');

    expect(code).toBe(0);
    expect(stdout).toMatch(
      /Warning: execution\.checkpointing\.intervall is not known .*interval\n/,
    );
    expect(finishedFiles(`${root}/out`)).toHaveLength(1);
  });

  it.each([
    [['-D', 'execution.checkpointing.interval=often'], 'SET-001', 'a duration such as 60s'],
    [['-p', 'many'], 'SET-001', 'parallelism.default=`many`: accepts'],
    [['-D', 'interval'], 'SET-002', 'Write -D execution.checkpointing.interval=60s'],
  ])('refuses %j', async (given, error, hint) => {
    const { code, stderr } = await lines(...given);

    expect(code, stderr).toBe(REFUSED);
    expect(stderr).toContain(`${error}: `);
    expect(stderr).toContain(hint);
    expect(finishedFiles(`${root}/out`)).toEqual([]);
  });

  it("refuses a job's arguments that it does not have or cannot read, all at once", async () => {
    const bad = ['--inptu', 'x.csv', '--repeat', 'often', '--out', `${root}/out`];
    const { code, stderr } = await run('lines', '--', ...bad);

    expect(code, stderr).toBe(REFUSED);
    expect(stderr).toContain('SET-003: ');
    expect(stderr).toContain('the nearest is --input');
    expect(stderr).toContain('--repeat=`often`: accepts a number');
  });
});

describe('input that cannot be read', () => {
  const rows = gzipSync(`id\n${'1\n'.repeat(100_000)}`);
  const damaged = Buffer.from(rows);
  damaged.writeUInt8(damaged.readUInt8(damaged.length >> 1) ^ 0x10, damaged.length >> 1);

  it.each([
    ['absent.csv', undefined, 'FIL-001', 'Check the path'],
    ['other.csv', Buffer.from('name\nx\n'), 'FIL-008', 'Correct the row'],
    ['rows.xyz', Buffer.from('id\n1\n'), 'FIL-006', 'Set the option format'],
    ['damaged.csv.gz', damaged, 'FMT-004', ''],
    ['short.csv.gz', rows.subarray(0, rows.length >> 1), 'FMT-005', ''],
  ])('%s', async (name, bytes, error, hint) => {
    const input = `${root}/${name}`;
    if (bytes !== undefined) fs.writeFileSync(input, bytes);

    // A wrong checksum is found at the end of the file: what a checkpoint has committed by then stays.
    const none = settings({ 'execution.checkpointing.interval': '1h' });
    const job = ['--', '--input', input, '--out', `${root}/out`];
    const { code, stderr } = await run('lines', ...none, ...job);

    expect(code, stderr).toBe(FAILED);
    expect(stderr).toContain(`${error}: `);
    expect(stderr).toContain(input);
    expect(stderr).toContain(hint);
    expect(stderr).toMatch(HINT);
    expect(finishedFiles(`${root}/out`)).toEqual([]);
  });
});

describe('a disk that is full', () => {
  const COUNT = 4_000;
  /** In a second: a job that is over at its first checkpoint needs no more room than that. */
  const RATE = 2_000;
  const KEYS = 10;
  /** Runs the command, gives the disk room, and runs it again. */
  const SCRIPT = `
    root=$1 blocks=$2; shift 2
    mount -t tmpfs -o nr_blocks=$blocks tmpfs "$root/checkpoints" || exit 99
    "$@" >"$root/first.out" 2>"$root/first.err"; echo $? >"$root/first.code"
    cp -r "$root/out" "$root/out-before" 2>/dev/null || mkdir "$root/out-before"
    mount -o remount,nr_blocks=20000 tmpfs "$root/checkpoints" || exit 98
    "$@" >"$root/second.out" 2>"$root/second.err"; echo $? >"$root/second.code"`;

  // Once a disk that was full between metadata and HEAD was asked again and again, for ever.
  it('ends the job with what to do, wherever it is met; with room the same command goes on', async (context) => {
    const { status, stderr } = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', root]);
    context.skip(status !== 0, `no disk of its own for this test: unshare -rm: ${String(stderr)}`);
    const met: string[] = [];
    // So few blocks that a small job comes to its first and second checkpoint.
    for (const blocks of [3, 4, 5, 6]) {
      const { first, second, before, after } = await runOnDisk(blocks);
      expect(first.code, `${blocks}: ${first.err}`).toBe(String(FAILED));
      expect(first.err).toMatch(/^CHK-009: .*STO-006: .*ENOSPC/);
      expect(first.err).toContain(
        'Free space on that disk, or point the checkpoint folder to a larger one.',
      );
      met.push(/url=`[^`]*\/([^/`]+)`/.exec(first.err)?.[1] ?? first.err);
      expect(before.filter((line) => !EXPECTED.includes(line))).toEqual([]);
      expect(new Set(before).size).toBe(before.length);
      expect(second.code, `${blocks}: ${second.err}`).toBe('0');
      expect(after).toEqual(EXPECTED);
    }
    expect(new Set(met)).toEqual(new Set(['_metadata', 'HEAD']));
  });

  const EXPECTED = Array.from({ length: COUNT }, (_, n) => {
    const [key, turn] = [n % KEYS, Math.floor(n / KEYS)];
    return JSON.stringify({ key, sum: (turn + 1) * key + (KEYS * turn * (turn + 1)) / 2 });
  }).sort();

  async function runOnDisk(blocks: number) {
    const place = fs.mkdtempSync(`${root}/disk-`);
    fs.mkdirSync(`${place}/checkpoints`);
    const command = [
      ...[process.execPath, `${REPOSITORY}/bin/tidemark.mjs`, 'run', `${JOBS}/totals.ts`],
      ...quick(`${place}/checkpoints`),
      ...['-p', '2', ...settings({ 'execution.checkpointing.tolerable-failed-checkpoints': '0' })],
      ...['--', '--out', `${place}/out`, '--count', String(COUNT), '--keys', String(KEYS)],
      ...['--rate', String(RATE)],
    ];
    const args = ['-rm', 'sh', '-c', SCRIPT, 'sh', place, String(blocks), ...command];
    const env = { ...process.env, NO_COLOR: '1' };
    await promisify(execFile)('unshare', args, { cwd: REPOSITORY, env });
    const read = (name: string) => ({
      code: contentOf(`${place}/${name}.code`).trim(),
      err: contentOf(`${place}/${name}.err`),
    });
    const first = read('first');
    const second = read('second');
    return {
      first,
      second,
      before: finishedLines(`${place}/out-before`),
      after: finishedLines(`${place}/out`),
    };
  }
});

describe('a damaged checkpoint', () => {
  let whole: string;
  let needed: readonly string[];

  beforeAll(async () => {
    whole = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-checkpoint-'));
    const job = startTidemark([
      ...['run', `${JOBS}/totals.ts`, '--json', '-p', '2', ...quick(`${whole}/checkpoints`)],
      ...['--', '--out', `${whole}/out`],
    ]);
    // Several, and the last of them behind so many records that state has files of its own.
    await job.until(() => job.recordsRead() > RECORDS_MIN);
    const goal = Math.max(5, job.count('checkpoint-completed') + 2);
    const isThere = await job.until(() => job.count('checkpoint-completed') >= goal);
    const { stdout, stderr } = await job.kill('SIGKILL');
    expect(isThere, stdout + stderr).toBe(true);
    needed = neededFiles(`${whole}/checkpoints`);
    return () => {
      removeFolder(whole);
    };
  });

  it('is restored as long as nothing is damaged', async () => {
    const { job, out } = restart();
    expect(await job.until(() => finishedFiles(out).length > before().length)).toBe(true);
    await job.kill('SIGKILL');
    expect(needed.some((name) => name.endsWith('/_metadata'))).toBe(true);
    expect(needed.some((name) => name.includes('/HEAD/'))).toBe(true);
    expect(needed.filter((name) => name.includes('/shared/')).length).toBeGreaterThan(1);
  });

  const damages: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
    ['with a flipped bit', flipped],
    ['cut short', (bytes) => bytes.subarray(0, randomInt(random, bytes.length))],
    ['emptied', () => Buffer.alloc(0)],
  ];
  it.each(damages)(`%s is refused, whichever file it is (SEED=${seed})`, async (_, damage) => {
    for (const name of needed) {
      const { job, out } = restart((checkpoints) => {
        const file = `${checkpoints}/${name}`;
        fs.writeFileSync(file, damage(fs.readFileSync(file)));
      });
      const wasSeen = await job.until(() => finishedFiles(out).length > before().length);
      const { code, stderr } = await job.kill('SIGKILL');

      expect(wasSeen, `SEED=${seed}, ${name}: output`).toBe(false);
      expect([FAILED, REFUSED], `SEED=${seed}, ${name}: ${stderr}`).toContain(code);
      expect(stderr, `SEED=${seed}, ${name}`).toMatch(/\b(CHK|STA|STO)-\d{3}: /);
      expect(stderr, `SEED=${seed}, ${name}`).toMatch(HINT);
      expect(finishedFiles(out).map(contentOf)).toEqual(before().map(contentOf));
      removeFolder(out);
    }
  });

  const random = seededRandom(seed);

  function flipped(bytes: Buffer): Buffer {
    const at = randomInt(random, bytes.length);
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << randomInt(random, 8)), at);
    return bytes;
  }

  function before(): string[] {
    return finishedFiles(`${whole}/out`);
  }

  /** The job once more, on a copy of its checkpoints and of its output. */
  function restart(change: (checkpoints: string) => void = () => undefined) {
    const checkpoints = `${root}/checkpoints`;
    const out = `${root}/out`;
    for (const [from, to] of [
      [`${whole}/checkpoints`, checkpoints],
      [`${whole}/out`, out],
    ] as const) {
      fs.rmSync(to, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
      fs.cpSync(from, to, { recursive: true });
    }
    change(checkpoints);
    const job = startTidemark([
      ...['run', `${JOBS}/totals.ts`, '-p', '2', ...quick(checkpoints), '--', '--out', out],
    ]);
    return { job, out };
  }
});

/** What restoring the latest checkpoint reads: `HEAD`, the name's record, metadata, what that names. */
function neededFiles(checkpoints: string): string[] {
  const files = filesBelow(checkpoints).map((file) => path.relative(checkpoints, file));
  const bodies = files.filter((name) => newestBody(checkpoints, name));
  const head = bodies.find((name) => name.includes('/HEAD/')) ?? '';
  const folders = [...contentOf(`${checkpoints}/${head}`).matchAll(/chk-\d+/g)].map(String);
  const metadata = files.find((name) => name.endsWith(`${folders.at(-1) ?? ''}/_metadata`)) ?? '';
  const text = contentOf(`${checkpoints}/${metadata}`);
  const named = files.filter((name) => text.includes(path.basename(name)));
  return [...bodies, metadata, ...named.filter((name) => !bodies.includes(name))];
}

/** A replaceable blob's content: the body whose number and id the head with the highest number has. */
function newestBody(checkpoints: string, name: string): boolean {
  const found = /^\.tidemark-body-(.+)$/.exec(path.basename(name));
  const head = `${checkpoints}/${path.dirname(name)}/.tidemark-head-${found?.[1] ?? ''}`;
  return found !== null && fs.existsSync(head);
}

function contentOf(file: string): string {
  return fs.readFileSync(file, 'latin1');
}
