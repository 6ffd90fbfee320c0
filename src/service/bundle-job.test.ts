import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bundleJob } from './bundle-job.ts';

let root: string;

beforeEach(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-bundle-')));
});

afterEach(() => {
  fs.rmSync(root, { recursive: true });
});

function write(name: string, text: string): string {
  const file = path.join(root, 'project', name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
  return pathToFileURL(file).href;
}

/** Imports the bundle, from another folder, when the sources are gone. */
async function imported(url: string): Promise<Record<string, unknown>> {
  const code = await bundleJob(url);
  fs.rmSync(path.join(root, 'project'), { recursive: true });
  const file = path.join(root, 'job.mjs');
  fs.writeFileSync(file, code);
  return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
}

it('keeps what was imported, and tells each file where it was', async () => {
  write('lib/deep.ts', 'export const deep: string = import.meta.dirname;');
  write('lib/old.cjs', '"use strict"; module.exports = [__dirname, require("node:path").sep];');
  const url = write(
    'job.ts',
    `#!/usr/bin/env node
     import { deep } from './lib/deep.ts';
     import old from './lib/old.cjs';
     export const places: unknown = [import.meta.url, import.meta.filename, deep, old];
     export class Named {}`,
  );
  const lib = path.join(root, 'project', 'lib');
  const { places, Named } = await imported(url);
  const file = path.join(root, 'project', 'job.ts');
  expect(places).toEqual([url, file, lib, [lib, path.sep]]);
  expect((Named as { readonly name: string }).name).toBe('Named');
});

it('leaves tidemark to the engine that runs the job', async () => {
  const url = write('job.ts', "export { defineJob } from 'tidemark'; export * from 'tidemark/x';");
  const text = Buffer.from(await bundleJob(url)).toString();
  expect(text).toContain('from "tidemark"');
  expect(text).toContain('from "tidemark/x"');
});

it.each([
  ['an import that is not there', "import './nothing.ts';", 'nothing.ts'],
  ['an error of syntax', 'export const = 1;', 'job.ts:1:13'],
])('refuses %s', async (_, text, said) => {
  const url = write('job.ts', text);
  await expect(bundleJob(url)).rejects.toMatchObject({ code: 'JOB-034', kind: 'invalid' });
  await expect(bundleJob(url)).rejects.toThrow(said);
});
