#!/usr/bin/env node
// The `tidemark` command. It runs on any Node from 18: on one that is too old for the engine it
// starts itself again on the package's own Node 24. Nothing here may be slow to load.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const main = new URL('../dist/cli/main.js', import.meta.url);
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (!existsSync(main)) {
  process.stderr.write('tidemark is not built yet.\n  Run npm run build in its folder first.\n');
  process.exitCode = 1;
} else if (major > 22 || (major === 22 && minor >= 22)) {
  // A command's code is compiled once per machine: the first answer comes sooner.
  module.enableCompileCache?.();
  await import(main.href);
} else {
  process.exitCode = await startAgain();
}

async function startAgain() {
  const { ensureNode } = await import('../scripts/bootstrap/node.mjs');
  const { runToEnd } = await import('../scripts/bootstrap/run.mjs');
  try {
    const node = await ensureNode(root);
    const argv = ['node', fileURLToPath(import.meta.url), ...process.argv.slice(2)];
    return await runToEnd(root, node, argv, process.cwd());
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
