import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { jobSettingsHelp, parseJobSettings, settingsPrefix } from './job-settings.ts';

const Settings = z.object({
  cgm: z.string().describe('readings of the glucose monitor'),
  maxRows: z.int().min(1).default(10),
  rate: z.number().min(0).default(0),
  sink: z.enum(['files', 'iceberg']).default('files'),
  verbose: z.boolean().default(false),
  topics: z.array(z.string()).default([]),
  apiKey: z.string().max(3).optional(),
});

const parse = (args: string[], env: Record<string, string> = {}) =>
  parseJobSettings(Settings, 'HEALTH', { args, env });

it("names variables by the first word of the job's name", () => {
  expect(settingsPrefix('health-pipeline')).toBe('HEALTH');
  expect(settingsPrefix('MarketLag')).toBe('MARKETLAG');
});

describe('layers', () => {
  it('takes arguments over variables over defaults', () => {
    const settings = parse(['--cgm', 'a.csv', '--max-rows=7'], {
      HEALTH_CGM: 'b.csv',
      HEALTH_RATE: '2.5',
      HEALTH_SINK: '',
    });
    expectTypeOf(settings).toEqualTypeOf<z.output<typeof Settings>>();
    expect(settings).toEqual({
      cgm: 'a.csv',
      maxRows: 7,
      rate: 2.5,
      sink: 'files',
      verbose: false,
      topics: [],
    });
  });

  it('reads numbers only where a number belongs', () => {
    expect(parse(['--cgm', '42']).cgm).toBe('42');
  });

  it('reads switches and lists', () => {
    expect(parse(['--verbose', '--cgm', 'x']).verbose).toBe(true);
    expect(parse(['--no-verbose', '--cgm', 'x'], { HEALTH_VERBOSE: 'true' }).verbose).toBe(false);
    expect(parse(['--verbose', 'false', '--cgm', 'x']).verbose).toBe(false);
    expect(parse(['--cgm', 'x', '--topics', 'a,b', '--topics', 'c']).topics).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  it('takes a name as it stands in code', () => {
    expect(parse(['--cgm', 'x', '--maxRows', '3']).maxRows).toBe(3);
  });

  it('is undefined for a job without settings', () => {
    const none: typeof Settings | undefined = [Settings].at(1);
    expect(parseJobSettings(none, 'X', { args: [], env: {} })).toBeUndefined();
    expect(() => parseJobSettings(undefined, 'X', { args: ['--rate', '1'], env: {} })).toThrow(
      /SET-003[^]*--rate/,
    );
  });
});

describe('problems', () => {
  it('are reported all at once, with what is accepted', () => {
    const env = { HEALTH_MAX_ROWS: 'all', HEALTH_API_KEY: 'hunter2' };
    const read = () => parse(['--rat', '5', '--sink', 'tape', '--verbose=maybe', '--topics'], env);
    expect(read).toThrowErrorMatchingInlineSnapshot(`
      [EngineError: SET-003: the job's settings cannot be used, count=\`7\`
        Correct these:
          --rat=\`unknown\`: accepts --cgm, --max-rows, --rate, --sink, --verbose, --topics, --api-key; the nearest is --rate
          --topics=\`no value\`: accepts a list with commas
          --cgm or HEALTH_CGM=\`missing\`: accepts text
          HEALTH_MAX_ROWS=\`all\`: accepts a whole number of at least 1 (Invalid input: expected number, received string)
          --sink=\`tape\`: accepts one of files, iceberg (Invalid option: expected one of "files"|"iceberg")
          --verbose=\`maybe\`: accepts true or false (Invalid input: expected boolean, received string)
          HEALTH_API_KEY=\`***\`: accepts text (Too big: expected string to have <=3 characters)
        Give them behind --. Variables are named HEALTH_CGM.
        docs/errors/SET-003.md]
    `);
  });

  it('are a schema without a structure', () => {
    const bare = {
      '~standard': { version: 1, vendor: 'own', validate: () => ({ value: 1 }) },
    } as const;
    expect(() => parseJobSettings(bare, 'X', { args: [], env: {} })).toThrow(/SET-004/);
    expect(() => parseJobSettings(z.string(), 'X', { args: [], env: {} })).toThrow(/SET-004/);
    const date = z.object({ from: z.date() });
    expect(() => parseJobSettings(date, 'X', { args: [], env: {} })).toThrow(/SET-004/);
  });

  it('are a schema that waits', () => {
    const waiting = z.object({ from: z.string() }).refine(async () => true);
    const args = ['--from', 'a'];
    expect(() => parseJobSettings(waiting, 'X', { args, env: {} })).toThrow(/SET-005/);
  });
});

it('explains itself', () => {
  expect(jobSettingsHelp(Settings, 'HEALTH')).toMatchInlineSnapshot(`
    "Settings of this job, behind --, or as variables:
      --cgm       HEALTH_CGM       readings of the glucose monitor; text; required
      --max-rows  HEALTH_MAX_ROWS  a whole number of at least 1; default 10
      --rate      HEALTH_RATE      a number of at least 0; default 0
      --sink      HEALTH_SINK      one of files, iceberg; default "files"
      --verbose   HEALTH_VERBOSE   true or false; default false
      --topics    HEALTH_TOPICS    a list with commas; default []
      --api-key   HEALTH_API_KEY   text; optional"
  `);
  expect(jobSettingsHelp(undefined, 'HEALTH')).toBe('This job has no settings of its own.');
});
