import { expect, test } from 'vitest';
import { defaultSettings } from '../../settings/parse-settings.ts';
import { withCurrent } from '../../settings/process-settings.ts';
import { hadoop } from './hadoop-catalog.ts';
import { s3Access, type S3Access } from './s3-access.ts';

const code = (expected: string) => expect.objectContaining({ code: expected }) as Error;

const FLINK = {
  ...defaultSettings(),
  s3Endpoint: 'http://minio:9000',
  s3AccessKey: 'job',
  s3SecretKey: 'secret of the job',
  s3SessionToken: 'token of the job',
  s3PathStyleAccess: true,
};

test('what is not said is as the settings that a job is built with say', () => {
  expect(withCurrent(FLINK, () => s3Access({ region: 'eu-central-1' }))).toMatchObject({
    s3Endpoint: 'http://minio:9000',
    s3Region: 'eu-central-1',
    s3AccessKey: 'job',
    s3SessionToken: 'token of the job',
    s3PathStyleAccess: true,
  });
});

test('keys of its own do not go with the token of other keys', () => {
  const own = { accessKey: 'own', secretKey: 'own secret', pathStyleAccess: false };
  expect(withCurrent(FLINK, () => s3Access(own))).toMatchObject({
    s3AccessKey: 'own',
    s3SecretKey: 'own secret',
    s3SessionToken: undefined,
    s3CredentialsProvider: 'keys',
    s3PathStyleAccess: false,
  });
});

test.each<S3Access>([{ accessKey: 'half' }, { secretKey: 'half' }, { sessionToken: 'half' }])(
  'half of the keys is refused, and not shown: %o',
  (access) => {
    const act = () => withCurrent(FLINK, () => s3Access(access));
    expect(act).toThrow(code('ICE-001'));
    expect(act).not.toThrow(/half/);
  },
);

test.each([
  ['s3://', 'STO-026'],
  ['s3a:///lake', 'STO-026'],
  ['gs://lake/tables', 'ICE-001'],
])('the warehouse %s is refused with %s', (warehouse, expected) => {
  expect(() => withCurrent(FLINK, () => hadoop({ warehouse }))).toThrow(code(expected));
});

test('a warehouse has one address, whatever its scheme is called', () => {
  const urls = ['s3', 's3a', 's3n'].map(
    (scheme) => withCurrent(FLINK, () => hadoop({ warehouse: `${scheme}://lake/tables/` })).url,
  );
  expect(new Set(urls)).toEqual(new Set(['s3://lake/tables']));
});
