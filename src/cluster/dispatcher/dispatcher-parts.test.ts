import { describe, expect, it } from 'vitest';
import { parseSettings } from '../../settings/parse-settings.ts';
import { stillShown } from './ended-jobs.ts';
import { decodeSubmittedJob, encodeSubmittedJob, type SubmittedJob } from './job-record.ts';

const settingsOf = (dynamic: Record<string, string>) =>
  parseSettings({ env: {}, dynamic, cores: 1 });

const RECORD: SubmittedJob = {
  submissionId: 'a',
  submission: {
    module: 'file:///job.ts',
    arguments: ['--out', 'x'],
    flink: settingsOf({ 's3.secret-key': 'hidden', 'parallelism.default': '3' }),
    from: { kind: 'fresh' },
    allowNonRestoredState: true,
    folder: '/project',
  },
  bundle: 'b',
  atMs: 5,
};

describe('the record of a job', () => {
  it('comes back, with the secrets of whoever reads it and none of its own', () => {
    const bytes = encodeSubmittedJob(RECORD);
    expect(Buffer.from(bytes).toString()).not.toContain('hidden');
    const own = settingsOf({ 's3.secret-key': 'mine', 'parallelism.default': '1' });
    const { submission, ...rest } = decodeSubmittedJob(bytes, 'x', own);
    expect(rest).toEqual({
      submissionId: 'a',
      bundle: 'b',
      atMs: 5,
    });
    expect(submission.flink).toMatchObject({ s3SecretKey: 'mine', parallelism: 3 });
    expect(submission).toMatchObject({ arguments: ['--out', 'x'], from: { kind: 'fresh' } });
  });

  it('is refused when a byte has changed', () => {
    const bytes = encodeSubmittedJob(RECORD);
    bytes[bytes.length - 9] = 0x21;
    expect(() => decodeSubmittedJob(bytes, 'x', settingsOf({}))).toThrow('CHK-001');
  });
});

describe('jobs that have ended', () => {
  const jobs = [10, 20, 30].map((endMs) => ({ endMs }));

  it.each([
    [{ capacity: 9, expirationMs: 100 }, [10, 20, 30]],
    [{ capacity: 2, expirationMs: 100 }, [20, 30]],
    [{ capacity: 0, expirationMs: 100 }, []],
    [{ capacity: 9, expirationMs: 30 }, [20, 30]],
  ])('%j', (settings, shown) => {
    expect(stillShown(jobs, 40, settings).map(({ endMs }) => endMs)).toEqual(shown);
  });
});
