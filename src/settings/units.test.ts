import { describe, expect, it } from 'vitest';
import { memoryBytes } from './setting-types.ts';
import { parseDurationMs, parseMemoryBytes } from './units.ts';

describe('sizes of memory', () => {
  it.each([
    ['1', 1],
    ['64mb', 67_108_864],
    ['1 gb', 1_073_741_824],
    ['2k', 2048],
    ['1 TB', 1_099_511_627_776],
  ])('%s', (text, bytes) => {
    expect(parseMemoryBytes(text)).toBe(bytes);
  });

  it('are refused out of range, with what is accepted', () => {
    const type = memoryBytes({ least: 1024 });
    expect(type.parse('1k')).toBe(1024);
    expect(type.parse('1000')).toBeUndefined();
    expect(type.accepts).toBe('bytes of at least 1024, or a size such as 64mb or 1 gb');
  });
});

it.each([
  ['2000 µs', 2],
  ['3 micros', undefined],
  ['5000000 nanoseconds', 5],
  ['9007199254740991 ns', undefined],
])('%s is %s ms', (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

it.each(['', 'ms', '1.5h', '-1s', '1 fortnight', '9007199254740993 d', '1 constructor'])(
  '%j is no duration',
  (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  },
);
