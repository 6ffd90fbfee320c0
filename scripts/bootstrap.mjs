#!/usr/bin/env node
// Everything a fresh clone needs, then the command that was asked for.
//
// Each `npm start`, `npm test`, … comes through here, on whatever Node the machine has (18 or
// newer). In this order, each only if it is missing or out of date:
//
//   Node 24 in .node/   →   npm ci   →   dist/   →   the command, with that Node first in PATH
//
// Always holds: what is prepared is taken only when it is whole (a stamp is written last, a folder
// appears by one rename), two of these at once wait for each other, and a line is printed only for
// something that is really being done.

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuild } from './bootstrap/build.mjs';
import { ensureModules } from './bootstrap/modules.mjs';
import { ensureNode } from './bootstrap/node.mjs';
import { runToEnd } from './bootstrap/run.mjs';
import { SetupError } from './bootstrap/setup-error.mjs';

/**
 * `build`: `no` if the command reads no dist/, `strict` if it must not start on a dist/ with type
 * errors, `lenient` if it may, so that work on one room goes on while another is half written.
 *
 * @typedef {object} Command
 * @property {'no' | 'lenient' | 'strict'} build
 * @property {readonly string[]} argv What to run; the user's arguments follow.
 * @property {string} use
 */

/** @type {Readonly<Record<string, Command>>} */
const COMMANDS = {
  start: { build: 'strict', argv: ['node', 'scripts/start.ts'], use: 'run the main job' },
  test: { build: 'no', argv: ['node', 'scripts/test.ts'], use: 'everything CI runs' },
  verify: { build: 'no', argv: ['node', 'scripts/test.ts', '--quick'], use: 'the quick half' },
  bench: { build: 'strict', argv: ['node', 'bench/main.ts'], use: 'run the benchmarks' },
  simulate: { build: 'no', argv: ['node', 'scripts/simulate.ts'], use: 'run the simulator' },
  services: { build: 'no', argv: ['node', 'scripts/services.ts'], use: 'start real services' },
  build: { build: 'strict', argv: [], use: 'set up and build dist/' },
  dev: { build: 'lenient', argv: [], use: 'build dist/, then run any command' },
  tool: { build: 'no', argv: [], use: 'run any command that needs no dist/' },
};

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/**
 * @param {readonly string[]} args
 * @returns {Promise<number>} the exit code
 */
async function main(args) {
  const [name = '', ...rest] = args;
  const command = COMMANDS[name];
  if (command === undefined) {
    const lines = Object.entries(COMMANDS).map(([each, { use }]) => `  ${each.padEnd(10)}${use}`);
    process.stderr.write(`Usage: node scripts/bootstrap.mjs <command>\n${lines.join('\n')}\n`);
    return 2;
  }
  const node = await ensureNode(root);
  await ensureModules(root, node);
  if (command.build !== 'no') await ensureBuild(root, node, command.build);
  const argv = [...command.argv, ...rest];
  return argv.length === 0 ? 0 : runToEnd(root, node, argv);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
