import { describe, expect, it } from 'vitest';
import { failureCause } from './java-throwable.ts';

const STREAM = Buffer.from('aced00057372', 'hex');

describe('an error for Flink’s clients', () => {
  it('is a stream of one object of the class that they want', () => {
    const { class: name, 'serialized-throwable': text = '' } = failureCause(new TypeError('no'));
    const bytes = Buffer.from(text, 'base64');
    expect(name).toBe('TypeError');
    expect(bytes.subarray(0, 6)).toEqual(STREAM);
    expect(bytes.toString('latin1')).toContain('org.apache.flink.util.SerializedThrowable');
    expect(bytes.toString('latin1')).toContain('TypeError: no');
  });

  it('cuts a text so long that its length has no room', () => {
    const text = '\u0000é漢'.repeat(50_000);
    const bytes = Buffer.from(
      failureCause(new TypeError(text))['serialized-throwable'] ?? '',
      'base64',
    );
    const at = bytes.indexOf(Buffer.from([0xc0, 0x80, 0xc3, 0xa9, 0xe6, 0xbc, 0xa2]));
    // Its length stands before it, and another text, or the end of the fields, behind it.
    const end = at + bytes.readUInt16BE(at - 2);
    expect(bytes[at - 3]).toBe(0x74);
    expect(bytes.subarray(end, end + 3)).toEqual(Buffer.from([0x70, 0x70, 0x78]));
  });

  it('of what was thrown and is no error is its text', () => {
    expect(failureCause('thrown')).toMatchObject({
      class: 'Error',
      'stack-trace': 'Error: thrown',
    });
  });
});
