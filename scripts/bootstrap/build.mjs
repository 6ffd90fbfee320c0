import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { withLock } from './lock.mjs';
import { runQuietly } from './run.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * What dist/ was made from and what came out. Written after the compiler has ended; `inputs` was
 * taken before it started, so that a file saved in between makes the next start build again.
 *
 * @typedef {object} BuildStamp
 * @property {string} inputs
 * @property {readonly string[]} outputs
 * @property {string} problems The compiler's messages; it writes dist/ in spite of type errors.
 */

const HINT = 'Correct the types above; npm run check:types shows all of them.';

/**
 * Makes dist/ what src/ says, and nothing else: outputs of deleted sources go.
 *
 * @param {string} root
 * @param {string} node
 * @param {'lenient' | 'strict'} mode
 */
export async function ensureBuild(root, node, mode) {
  const file = path.join(root, '.cache', 'build.json');
  let stamp = currentStamp(root, file);
  stamp ??= await withLock(
    path.join(root, '.cache', 'build.lock'),
    async () => currentStamp(root, file) ?? (await build(root, node, file)),
  );
  if (stamp.problems === '') return;
  if (mode === 'strict') throw new SetupError('src/ has type errors', HINT, stamp.problems);
  const [first = ''] = stamp.problems.split('\n');
  process.stderr.write(`setup: dist/ was built in spite of type errors, the first: ${first}\n`);
}

/**
 * @param {string} root
 * @param {string} file
 * @returns {BuildStamp | undefined} undefined if dist/ is out of date
 */
function currentStamp(root, file) {
  const stamp = readStamp(file);
  if (stamp === undefined || stamp.inputs !== inputsOf(root)) return undefined;
  return stamp.outputs.every((output) => fs.existsSync(path.join(root, output)))
    ? stamp
    : undefined;
}

/**
 * @param {string} file
 * @returns {BuildStamp | undefined}
 */
function readStamp(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * @param {string} root
 * @param {string} node
 * @param {string} file
 * @returns {Promise<BuildStamp>}
 */
async function build(root, node, file) {
  process.stderr.write('setup: building dist/\n');
  const former = readStamp(file);
  const outputs = sourcesOf(root).flatMap(outputsOf);
  const intact = former?.outputs.every((output) => fs.existsSync(path.join(root, output)));
  fs.rmSync(file, { force: true });
  if (former === undefined || intact !== true) {
    // The compiler's own list of what it has written no longer holds.
    fs.rmSync(path.join(root, '.cache', 'tsc', 'build.tsbuildinfo'), { force: true });
  }
  if (former === undefined) fs.rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  const kept = new Set(outputs);
  for (const output of former?.outputs ?? []) {
    if (!kept.has(output)) fs.rmSync(path.join(root, output), { force: true });
  }
  const inputs = inputsOf(root);
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { code, output } = await runQuietly(root, node, [
    ...[node, compiler, '-p', 'tsconfig.build.json', '--pretty', 'false'],
  ]);
  const written = outputs.filter((each) => fs.existsSync(path.join(root, each)));
  /** @type {BuildStamp} */
  const stamp = { inputs, outputs: written, problems: code === 0 ? '' : output };
  fs.writeFileSync(`${file}.new`, JSON.stringify(stamp));
  fs.renameSync(`${file}.new`, file);
  return stamp;
}

/**
 * Names, sizes and times of everything the build reads. Reading contents would cost more than the
 * compiler's own look at them saves.
 *
 * @param {string} root
 */
function inputsOf(root) {
  const hash = crypto.createHash('sha256');
  const files = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json', ...sourcesOf(root)];
  for (const name of files) {
    const { mtimeMs, size } = fs.statSync(path.join(root, name));
    hash.update(`${name} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/**
 * @param {string} root
 * @returns {string[]} paths from root, with slashes, in a fixed order
 */
function sourcesOf(root) {
  /** @type {string[]} */
  const found = [];
  /** @param {string} folder */
  const walk = (folder) => {
    for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const name = `${folder}/${entry.name}`;
      if (entry.isDirectory()) walk(name);
      else if (name.endsWith('.ts') && !name.endsWith('.test.ts')) found.push(name);
    }
  };
  walk('src');
  return found.sort();
}

/** @param {string} source */
function outputsOf(source) {
  if (source.endsWith('.d.ts')) return [];
  const base = `dist/${source.slice('src/'.length, -'.ts'.length)}`;
  return [`${base}.js`, `${base}.js.map`, `${base}.d.ts`];
}
