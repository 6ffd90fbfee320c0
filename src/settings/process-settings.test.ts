import { afterEach, expect, it, vi } from 'vitest';
import { defaultSettings } from './parse-settings.ts';

/** The module as a fresh process has it. */
async function fresh(env: Record<string, string>) {
  vi.resetModules();
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  return import('./process-settings.ts');
}

afterEach(() => {
  vi.unstubAllEnvs();
});

it('reads the settings of the process once', async () => {
  const { settings } = await fresh({ FLINK_RESTART_ATTEMPTS: '7' });
  expect(settings.flink.restartAttempts).toBe(7);
  vi.stubEnv('FLINK_RESTART_ATTEMPTS', '8');
  expect(settings.flink.restartAttempts).toBe(7);
});

it('gives a job the settings it is built with, and then those of before', async () => {
  const { settings, withCurrent } = await fresh({ FLINK_RESTART_ATTEMPTS: '7' });
  const other = { ...defaultSettings(), restartAttempts: 1 };
  expect(withCurrent(other, () => settings.flink)).toBe(other);
  expect(settings.flink.restartAttempts).toBe(7);
  expect(() =>
    withCurrent(other, () => {
      throw new RangeError('thrown by the job');
    }),
  ).toThrow(RangeError);
  expect(settings.flink.restartAttempts).toBe(7);
});

it('hands settings down to threads and processes, whatever the variables say there', async () => {
  const leader = await fresh({
    TIDEMARK_HANDED_DOWN_SETTINGS: '',
    FROM_A_FILE: '',
    TAKEN: 'said',
  });
  const warnings = ['told already'];
  leader.handDown(
    { ...defaultSettings(), restartAttempts: 9, checkpointStorage: '/a', warnings },
    { FROM_A_FILE: 'a', TAKEN: 'b' },
  );
  expect([process.env['FROM_A_FILE'], process.env['TAKEN']]).toEqual(['a', 'said']);
  const below = await fresh({ FLINK_RESTART_ATTEMPTS: '7' });
  expect(below.settings.flink).toEqual({
    ...defaultSettings(),
    restartAttempts: 9,
    checkpointStorage: '/a',
  });
});
