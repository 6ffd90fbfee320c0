import { describe, expect, test } from 'vitest';
import { joinedAccess, toldAccess } from './told-access.ts';

const LOCATION = 's3://lake/db/t';
const keys = { 's3.access-key-id': 'k', 's3.secret-access-key': 's' };

describe('what a catalog says', () => {
  test('with a table goes before what it says to all', () => {
    const common = { 's3.endpoint': 'http://a', 'client.region': 'here' };
    const table = {
      config: { 's3.endpoint': 'http://b', 's3.path-style-access': 'TRUE', ...keys },
    };
    expect(toldAccess(common, table, LOCATION)).toEqual({
      access: {
        endpoint: 'http://b',
        region: 'here',
        accessKey: 'k',
        secretKey: 's',
        pathStyleAccess: true,
      },
      expiresAtMs: undefined,
      isSigner: false,
    });
  });

  test('for the longest prefix of the location goes before all', () => {
    const credential = (prefix: string, id: string) => ({
      prefix,
      config: { 's3.access-key-id': id, 's3.session-token-expires-at-ms': '77' },
    });
    const table = {
      config: keys,
      'storage-credentials': [
        credential('s3://lake', 'bucket'),
        credential('s3a://lake/db', 'namespace'),
        credential('s3://lake/db/other', 'other'),
        credential('s3', 'all'),
      ],
    };
    expect(toldAccess({}, table, LOCATION)).toMatchObject({
      access: { accessKey: 'namespace', secretKey: 's' },
      expiresAtMs: 77,
    });
    expect(
      toldAccess({}, { 'storage-credentials': [credential('s3', 'x')] }, LOCATION),
    ).toMatchObject({ access: { accessKey: 'x' } });
  });

  test('of other kinds is no harm', () => {
    const table = { config: { 's3.endpoint': 7 }, 'storage-credentials': [null, { prefix: 's3' }] };
    expect(toldAccess({}, table, LOCATION).access).toEqual({});
  });
});

test('what a user says goes first, and their keys are one thing', () => {
  const told = { endpoint: 'a', accessKey: 'k', secretKey: 's', sessionToken: 't' };
  expect(joinedAccess(told, { endpoint: 'b' })).toEqual({ ...told, endpoint: 'b' });
  expect(joinedAccess(told, { accessKey: 'x', secretKey: 'y' })).toEqual({
    endpoint: 'a',
    accessKey: 'x',
    secretKey: 'y',
  });
});
