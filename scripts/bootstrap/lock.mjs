import fs from 'node:fs';
import path from 'node:path';
import { SetupError } from './setup-error.mjs';

const POLL_MS = 100;
const WAIT_MAX_MS = 15 * 60_000;

/**
 * Runs `task` while no other process of this folder does. The lock is a file which holds its
 * owner's process id and which appears with its content by link(2), so it is never seen empty.
 * The lock of a dead process is taken away. `task` must check again what it came to do: another
 * process may have done it in the meantime.
 *
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} task
 * @returns {Promise<T>}
 */
export async function withLock(file, task) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const mine = `${file}.${process.pid}`;
  fs.writeFileSync(mine, String(process.pid));
  try {
    await acquire(file, mine);
    try {
      return await task();
    } finally {
      fs.rmSync(file, { force: true });
    }
  } finally {
    fs.rmSync(mine, { force: true });
  }
}

/**
 * @param {string} file
 * @param {string} mine
 */
async function acquire(file, mine) {
  const deadlineMs = Date.now() + WAIT_MAX_MS;
  let told = false;
  while (!tryLink(mine, file)) {
    const owner = readOwner(file);
    if (owner === undefined) continue;
    if (!isAlive(owner)) {
      takeAway(file, owner);
      continue;
    }
    if (Date.now() > deadlineMs) {
      throw new SetupError(
        `process ${owner} has been setting up this folder for too long`,
        `End that process, or delete ${file} if it is something else, and try again.`,
      );
    }
    if (!told) process.stderr.write(`setup: waiting for process ${owner}, which does the same\n`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * @param {string} from
 * @param {string} to
 */
function tryLink(from, to) {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * @param {string} file
 * @returns {number | undefined} undefined if the lock is gone
 */
function readOwner(file) {
  try {
    return Number(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/**
 * Only one of several waiting processes can rename the dead one's lock. Who finds that it renamed
 * a new owner's lock puts that back.
 *
 * @param {string} file
 * @param {number} dead
 */
function takeAway(file, dead) {
  const aside = `${file}.dead.${process.pid}`;
  try {
    fs.renameSync(file, aside);
  } catch {
    return;
  }
  if (readOwner(aside) !== dead) tryLink(aside, file);
  fs.rmSync(aside, { force: true });
  fs.rmSync(`${file}.${dead}`, { force: true });
}
