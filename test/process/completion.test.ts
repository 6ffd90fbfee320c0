/*
 * Goal: bash completes commands, their subcommands and options.
 * Method: a real bash sources the script and completes.
 * Replay: npm run test:process -- completion
 */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { runTidemark } from '../support/tidemark-process.ts';

it.each([
  [['sav'], ['savepoint', 'savepoints']],
  [['upgrade', 'ch'], ['check']],
  [['inspect', '--dif'], ['--diff']],
  [['savepoints', 'list', '--js'], ['--json']],
  [['stop', 'my-job', '--savepointP'], ['--savepointPath']],
])('completes %j', async (words, expected) => {
  const { code, stdout } = await runTidemark(['completion', 'bash']);
  expect(code).toBe(0);
  const line = `${stdout}
COMP_WORDS=(tidemark ${words.join(' ')}); COMP_CWORD=${words.length}; _tidemark; echo "\${COMPREPLY[@]}"`;
  const bash = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
  expect(bash.stderr).toBe('');
  expect(bash.stdout.trim().split(' ')).toEqual(expected);
});

it('knows no other shell', async () => {
  expect(await runTidemark(['completion', 'tcsh'])).toMatchObject({ code: 2 });
});
