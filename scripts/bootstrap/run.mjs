import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const WINDOWS = process.platform === 'win32';
const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/**
 * The environment in which `node`, `npm` and the project's own programs are the right ones.
 *
 * @param {string} root
 * @param {string} node
 * @returns {NodeJS.ProcessEnv}
 */
export function environment(root, node) {
  const { PATH, Path, ...rest } = process.env;
  const first = [path.dirname(node), path.join(root, 'node_modules', '.bin')];
  return { ...rest, PATH: [...first, PATH ?? Path ?? ''].join(path.delimiter) };
}

/**
 * Runs the command in the project's root with the terminal it was given, passes signals on, and
 * resolves to its exit code.
 *
 * @param {string} root
 * @param {string} node
 * @param {readonly string[]} argv
 * @param {string} [folder] Working directory. Default: root.
 * @returns {Promise<number>}
 */
export function runToEnd(root, node, argv, folder = root) {
  const [program = '', ...args] = argv;
  const child = spawn(program === 'node' ? node : program, args, {
    cwd: folder,
    env: environment(root, node),
    stdio: 'inherit',
    shell: WINDOWS && program !== 'node',
  });
  // A terminal sends Ctrl-C to every process of its group. Passed on once more, it would look like
  // the second one, which many programs take for "stop at once".
  const terminal = [process.stdin, process.stdout, process.stderr].some((each) => each.isTTY);
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (!(terminal && signal === 'SIGINT')) child.kill(signal);
    });
  }
  return new Promise((resolve) => {
    child.on('error', (error) => {
      process.stderr.write(`cannot run ${program}: ${error.message}\n`);
      resolve(127);
    });
    child.on('exit', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : os.constants.signals[signal]));
    });
  });
}

/**
 * Runs a program quietly and keeps what it printed. A signal ends the program first and then this
 * process, so that nothing goes on in the background whose lock looks like a dead process's.
 *
 * @param {string} root
 * @param {string} node
 * @param {readonly string[]} argv
 * @returns {Promise<{ code: number, output: string }>}
 */
export function runQuietly(root, node, argv) {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    cwd: root,
    env: environment(root, node),
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: WINDOWS && program !== node,
  });
  /** @param {NodeJS.Signals} signal */
  const stop = (signal) => {
    child.kill(signal);
    child.on('close', () => process.exit(128 + os.constants.signals[signal]));
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (output += text));
  /** @type {Promise<{ code: number, output: string }>} */
  const ended = new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: 127, output: `${program}: ${error.message}` }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
  return ended.finally(() => {
    for (const signal of SIGNALS) process.off(signal, stop);
  });
}

/**
 * How to call npm. Under `npm start` it is the very npm that runs us; it then runs on `node`.
 *
 * @param {string} node
 * @returns {string[]}
 */
export function npmCommand(node) {
  const script = process.env['npm_execpath'] ?? '';
  return path.basename(script) === 'npm-cli.js' && fs.existsSync(script) ? [node, script] : ['npm'];
}
