// Everything CI runs, or with --quick its first half: no services, no dist/.
//
// A stage is a `check:*` script of package.json, the build, or a tier of tests. A failed stage does
// not stop the others, so that one run shows all there is to correct. Checks run two at a time; the
// tiers follow one by one, as each of them uses both cores. With names as arguments only those
// stages run: `npm test -- lint unit`.

import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

interface Figures {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Result extends Figures {
  readonly name: string;
  readonly seconds: number;
}

const ROOT = path.resolve(import.meta.dirname, '..');
const LANES = 2;
const STAGE_MAX_MS = 60 * 60_000;

/** Longest first, so that the two lanes end together. Scripts not named here come last. */
const CHECKS_FIRST = ['build', 'lint', 'types', 'docs', 'dead', 'format', 'rooms'];
const CHECKS_OF_DIST = ['package'];

/** Files that run side by side: what computes keeps both cores busy, what starts processes waits much, too. */
const COMPUTING = 2;
const WAITING = 3;

const TIERS: Readonly<Record<string, { folder: string; quick: boolean; workers: number }>> = {
  unit: { folder: 'src', quick: true, workers: COMPUTING },
  conformance: { folder: 'test/conformance', quick: true, workers: COMPUTING },
  simulation: { folder: 'test/simulation', quick: true, workers: COMPUTING },
  golden: { folder: 'test/golden', quick: false, workers: COMPUTING },
  process: { folder: 'test/process', quick: false, workers: WAITING },
  integration: { folder: 'test/integration', quick: false, workers: WAITING },
};

const running = new Set<ChildProcess>();

async function main(args: readonly string[]): Promise<number> {
  const quick = args.includes('--quick');
  const names = args.filter((arg) => !arg.startsWith('--'));
  const known = [...checkNames(false), ...Object.keys(TIERS)];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`No stage is named ${unknown.join(', ')}. There are: ${known.join(', ')}.`);
    return 2;
  }
  const wanted = (name: string): boolean => names.length === 0 || names.includes(name);
  const checks = await runChecks(checkNames(quick && names.length === 0).filter(wanted));
  const tiers: Result[] = [];
  for (const [name, { folder, quick: isQuick, workers }] of Object.entries(TIERS)) {
    if (!wanted(name) || (quick && !isQuick)) continue;
    if (fs.existsSync(path.join(ROOT, folder))) tiers.push(await runTier(name, workers));
  }
  return report([...checks, ...tiers]);
}

function checkNames(quick: boolean): string[] {
  const names = ['build', ...Object.keys(packageScripts()).flatMap(checkOf)];
  const rank = (name: string): number => {
    const at = CHECKS_FIRST.indexOf(name);
    return at === -1 ? CHECKS_FIRST.length : at;
  };
  return names
    .filter((name) => !quick || !(name === 'build' || CHECKS_OF_DIST.includes(name)))
    .sort((a, b) => rank(a) - rank(b));
}

function checkOf(script: string): string[] {
  return script.startsWith('check:') ? [script.slice('check:'.length)] : [];
}

function packageScripts(): Record<string, string> {
  const text = fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8');
  return (JSON.parse(text) as { scripts: Record<string, string> }).scripts;
}

async function runChecks(names: readonly string[]): Promise<Result[]> {
  const queue = [...names];
  const results: Result[] = [];
  let built: Promise<unknown> = Promise.resolve();
  const lane = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      if (CHECKS_OF_DIST.includes(name)) await built;
      const result = runCheck(name);
      if (name === 'build') built = result;
      results.push(await result);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return results;
}

async function runCheck(name: string): Promise<Result> {
  const script = packageScripts()[name === 'build' ? name : `check:${name}`] ?? '';
  const { code, output, seconds } = await run(script, [], true);
  const failed = Number(code !== 0);
  const result = told({ name, seconds, passed: 1 - failed, failed, skipped: 0 });
  if (failed > 0) console.log(`\n${output.trim()}\n`);
  return result;
}

async function runTier(name: string, workers: number): Promise<Result> {
  const file = path.join(ROOT, '.cache', 'test', `${name}.json`);
  fs.rmSync(file, { force: true });
  console.log(`\n${name}:`);
  const { code, seconds } = await run(
    process.execPath,
    [
      ...['node_modules/vitest/vitest.mjs', 'run', '--project', name, `--maxWorkers=${workers}`],
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${file}`],
    ],
    false,
  );
  const figures = readFigures(file);
  // What failed outside every test, an unhandled rejection or a crash, must not be lost.
  const failed = Math.max(figures.failed, Number(code !== 0));
  return told({ name, seconds, ...figures, failed });
}

interface TestReport {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

function readFigures(file: string): Figures {
  if (!fs.existsSync(file)) return { passed: 0, failed: 1, skipped: 0 };
  const { testResults } = JSON.parse(fs.readFileSync(file, 'utf8')) as TestReport;
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const passed = tests.filter(({ status }) => status === 'passed').length;
  const failed = tests.filter(({ status }) => status === 'failed').length;
  // A file that does not load has failed as a whole, without a single test.
  const broken = testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  ).length;
  return { passed, failed: failed + broken, skipped: tests.length - passed - failed };
}

interface Ended {
  readonly code: number;
  readonly output: string;
  readonly seconds: number;
}

/** `keep` holds the output back, to show it only if the stage fails. */
function run(program: string, args: readonly string[], keep: boolean): Promise<Ended> {
  const startMs = performance.now();
  const child = spawn(program, args, {
    cwd: ROOT,
    shell: keep,
    stdio: keep ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    timeout: STAGE_MAX_MS,
  });
  running.add(child);
  let output = '';
  const add = (text: Buffer): void => {
    output += text.toString();
  };
  child.stdout?.on('data', add);
  child.stderr?.on('data', add);
  return new Promise((resolve) => {
    const end = (code: number): void => {
      running.delete(child);
      resolve({ code, output, seconds: (performance.now() - startMs) / 1000 });
    };
    child.on('error', (error) => {
      output += error.message;
      end(127);
    });
    child.on('close', (code) => end(code ?? 1));
  });
}

function told(result: Result): Result {
  const mark = result.failed === 0 ? 'ok    ' : 'FAILED';
  console.log(`${mark} ${result.name.padEnd(12)} ${result.seconds.toFixed(1)} s`);
  return result;
}

function report(results: readonly Result[]): number {
  const cell = (value: number | string): string => String(value).padStart(9);
  const row = (name: string, ...cells: (number | string)[]): string =>
    name.padEnd(12) + cells.map(cell).join('');
  console.log(`\n${row('stage', 'seconds', 'passed', 'failed', 'skipped')}`);
  for (const { name, seconds, passed, failed, skipped } of results) {
    console.log(row(name, seconds.toFixed(1), passed, failed, skipped));
  }
  const sum = (pick: (result: Result) => number): number =>
    results.reduce((total, result) => total + pick(result), 0);
  const failed = sum((result) => result.failed);
  console.log(`\n${sum((result) => result.passed)} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    for (const child of running) child.kill(signal);
    process.exit(1);
  });
}

process.exitCode = await main(process.argv.slice(2));
