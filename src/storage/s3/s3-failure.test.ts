import { describe, expect, it } from 'vitest';
import { s3Error } from './s3-errors.ts';
import { S3Failure, S3Timeout } from './s3-failure.ts';

const answered = (status: number, name?: string) =>
  Object.assign(new TypeError(name), {
    name: name ?? 'Unknown',
    $metadata: { httpStatusCode: status },
  });
const broken = (code: string) => Object.assign(new TypeError(code), { name: 'Error', code });

describe('a failure', () => {
  it.each([
    [answered(412, 'PreconditionFailed'), 'condition', true],
    [answered(412), 'condition', true],
    [answered(404, 'NoSuchKey'), 'no-object', true],
    [answered(404, 'NotFound'), 'no-object', true],
    [answered(404, 'NoSuchBucket'), 'no-bucket', true],
    [answered(404, 'XAdminUserNotFound'), 'credentials', true],
    [answered(409, 'ConditionalRequestConflict'), 'conflict', true],
    [answered(416, 'InvalidRange'), 'bad-range', true],
    [answered(403, 'AccessDenied'), 'denied', true],
    [answered(403), 'denied', true],
    [answered(403, 'SignatureDoesNotMatch'), 'credentials', true],
    [answered(403, 'RequestTimeTooSkewed'), 'clock', true],
    [answered(301, 'PermanentRedirect'), 'region', true],
    [answered(400, 'EntityTooSmall'), 'other', true],
    [answered(400, 'RequestTimeout'), 'passing', false],
    [answered(408), 'passing', false],
    [answered(429), 'passing', true],
    [answered(500, 'InternalError'), 'passing', false],
    [answered(503, 'SlowDown'), 'passing', false],
    [answered(502), 'passing', false],
    [answered(200, 'InternalError'), 'passing', false],
    [broken('ECONNREFUSED'), 'passing', true],
    [broken('ENOTFOUND'), 'passing', true],
    [broken('ECONNRESET'), 'passing', false],
    [broken('ETIMEDOUT'), 'passing', false],
    [broken('DEPTH_ZERO_SELF_SIGNED_CERT'), 'other', true],
    [new S3Timeout('no answer'), 'passing', false],
    [new TypeError('our own mistake'), 'other', false],
  ] as const)('%s is %s', (error, kind, isCertain) => {
    expect(new S3Failure(error)).toMatchObject({ kind, isCertain });
  });

  it('names the region that is right', () => {
    const header = { headers: { 'x-amz-bucket-region': 'eu-west-1' } };
    const moved = Object.assign(answered(301, 'PermanentRedirect'), { $response: header });
    expect(new S3Failure(moved).region).toBe('eu-west-1');
  });
});

describe('the error of an operation', () => {
  const url = 's3://b/c';

  it('says STO-006 only of a write that cannot have taken effect', () => {
    const write = (isPossible: boolean) => ({ operation: 'create', url, effect: { isPossible } });
    expect(s3Error(answered(403, 'AccessDenied'), write(false)).code).toBe('STO-006');
    expect(s3Error(answered(403, 'AccessDenied'), write(true)).code).toBe('STO-001');
    expect(s3Error(answered(403, 'AccessDenied'), { operation: 'read', url }).code).toBe('STO-001');
  });

  it('names what to change, of a write as its cause', () => {
    const unknown = answered(403, 'InvalidAccessKeyId');
    expect(s3Error(unknown, { operation: 'read', url })).toMatchObject({
      code: 'STO-020',
      kind: 'invalid',
    });
    const write = { operation: 'create', url, effect: { isPossible: false } };
    const error = s3Error(unknown, write);
    expect(error).toMatchObject({ code: 'STO-006', cause: { code: 'STO-020' } });
    expect(error.message).toContain('s3.secret-key');
  });
});
