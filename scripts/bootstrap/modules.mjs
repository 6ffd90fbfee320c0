import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { withLock } from './lock.mjs';
import { npmCommand, runQuietly } from './run.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * Makes node_modules what package-lock.json says. The stamp lies inside node_modules and is written
 * last: an interrupted `npm ci` leaves none, and who deletes the folder deletes the stamp.
 *
 * @param {string} root
 * @param {string} node
 */
export async function ensureModules(root, node) {
  const lock = fs.readFileSync(path.join(root, 'package-lock.json'));
  const stamp = path.join(root, 'node_modules', '.tidemark-stamp');
  const major = majorOf(root, node);
  const wanted = `${crypto.createHash('sha256').update(lock).digest('hex')} ${major}\n`;
  if (readText(stamp) === wanted) return;
  await withLock(path.join(root, '.cache', 'modules.lock'), async () => {
    const former = readText(stamp);
    if (former === wanted) return;
    const otherNode = former !== undefined && !former.endsWith(` ${major}\n`);
    if (otherNode || !holdsAll(root, lock.toString())) await install(root, node);
    fs.mkdirSync(path.dirname(stamp), { recursive: true });
    linkOwnCommand(root);
    fs.writeFileSync(stamp, wanted);
  });
}

/**
 * Native packages are built for one major version of Node.
 *
 * @param {string} root
 * @param {string} node
 */
function majorOf(root, node) {
  if (node === process.execPath) return `node-${process.versions.node.split('.')[0]}`;
  const whole = JSON.parse(fs.readFileSync(path.join(root, '.node', 'whole.json'), 'utf8'));
  return `node-${String(whole.version).split('.')[0]}`;
}

/**
 * Whether the user's own `npm ci` or `npm install` has put in place just what the lock names. npm
 * writes its list `.package-lock.json` last, so that the list of a broken install is absent.
 *
 * @param {string} root
 * @param {string} lock
 */
function holdsAll(root, lock) {
  const list = readText(path.join(root, 'node_modules', '.package-lock.json'));
  if (list === undefined) return false;
  /** @type {Record<string, { version: string, optional?: boolean }>} */
  const wanted = JSON.parse(lock).packages;
  /** @type {Record<string, { version: string }>} */
  const present = JSON.parse(list).packages;
  const nothingMore = Object.keys(present).every((name) => name in wanted);
  return (
    nothingMore &&
    Object.entries(wanted).every(([name, { version, optional }]) => {
      if (!name.includes('node_modules/')) return true;
      const found = present[name];
      return found === undefined ? optional === true : found.version === version;
    })
  );
}

/**
 * @param {string} root
 * @param {string} node
 */
async function install(root, node) {
  process.stderr.write('setup: installing packages (npm ci)\n');
  const { code, output } = await runQuietly(root, node, [
    ...npmCommand(node),
    ...['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'],
  ]);
  if (code === 0) return;
  throw new SetupError(
    'npm ci failed',
    /EUSAGE|in sync/.test(output)
      ? 'Run npm install: package.json and package-lock.json do not agree.'
      : 'Check the network and the npm settings (npm config get registry, proxy), then run the command again.',
    output,
  );
}

/**
 * npm links the commands of dependencies only. With its own beside them, `npx tidemark` finds the
 * working tree's at once, whatever npm's version.
 *
 * @param {string} root
 */
function linkOwnCommand(root) {
  if (process.platform === 'win32') return;
  const link = path.join(root, 'node_modules', '.bin', 'tidemark');
  fs.mkdirSync(path.dirname(link), { recursive: true });
  fs.rmSync(link, { force: true });
  fs.symlinkSync(path.join('..', '..', 'bin', 'tidemark.mjs'), link);
}

/** @param {string} file */
function readText(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
