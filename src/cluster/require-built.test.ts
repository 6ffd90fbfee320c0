import { expect, it } from 'vitest';
import { parseSettings } from '../settings/parse-settings.ts';
import { requireBuilt } from './require-built.ts';

const settings = (dynamic: Record<string, string>) => parseSettings({ env: {}, dynamic, cores: 1 });

it.each([
  ['state.backend.type', 'rocksdb'],
  ['execution.checkpointing.unaligned.enabled', 'true'],
])('refuses %s=%s', (key, value) => {
  expect(() => {
    requireBuilt(settings({ [key]: value }));
  }).toThrow(expect.objectContaining({ code: 'JOB-011', kind: 'invalid' }));
});

it('names all of them at once, also what a preset chose', () => {
  const asked = { 'tidemark.preset': 'production', 'execution.checkpointing.unaligned': 'true' };
  expect(() => {
    requireBuilt(settings(asked));
  }).toThrow(
    /state\.backend\.type=`rocksdb`, execution\.checkpointing\.unaligned\.enabled=`true`[^]*to hashmap, and [^]*to false/,
  );
});

it('takes what is there', () => {
  requireBuilt(settings({ 'state.backend.type': 'hashmap' }));
});
