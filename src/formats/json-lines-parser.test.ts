import { expect, test } from 'vitest';
import { JsonLinesParser, type JsonLinesOptions } from './json-lines-parser.ts';
import { parseAll } from './parse-all.ts';

function parse(text: string | Uint8Array, options: JsonLinesOptions = {}, chunkBytes = 1_000) {
  return parseAll(new JsonLinesParser(options), Buffer.from(text as string), chunkBytes);
}

test.each([
  ['LF', '{"a":1}\n{"a":2}\n', [{ a: 1 }, { a: 2 }]],
  ['CRLF', '{"a":1}\r\n{"a":2}\r\n', [{ a: 1 }, { a: 2 }]],
  ['the last line without an end', '1\n2', [1, 2]],
  ['empty lines', '\n1\n \r\n\n2\n\n', [1, 2]],
  ['a byte order mark', '\ufeff{"é":"😀"}\n', [{ é: '😀' }]],
  ['null is a value', 'null\n', [null]],
  ['nothing', '', []],
])('%s', (_what, text, expected) => {
  for (const chunkBytes of [1, 2, 3, 1_000]) {
    expect(parse(text, {}, chunkBytes).map((step) => step.record)).toEqual(expected);
  }
});

test('a line that is not JSON is a problem, and reading goes on behind it', () => {
  const steps = parse('1\n{"a":\n3\n');
  expect(steps.map((step) => step.record)).toEqual([1, undefined, 3]);
  expect(steps[1]).toMatchObject({
    row: 2,
    problem: { reason: 'the line is not JSON', text: '{"a":' },
  });
});

test('each line can be gone on from', () => {
  const text = '"é"\n\n"b"\n"c"';
  const steps = parse(text);
  for (const { row, offset } of steps) {
    const parser = new JsonLinesParser({}, { row, offset });
    const rest = parseAll(parser, Buffer.from(text).subarray(offset));
    expect(rest).toEqual(steps.slice(row));
  }
});

test('a line cannot take more memory than the limit', () => {
  expect(() => parse('x'.repeat(1_000), { recordMaxBytes: 100 }, 50)).toThrow(
    expect.objectContaining({ code: 'FMT-001' }),
  );
});

test('bytes that are not UTF-8 are replaced, or refused', () => {
  const bytes = Buffer.from('"x\xff"\n', 'latin1');
  expect(parse(bytes)[0]?.record).toBe('x\ufffd');
  expect(parse(bytes, { invalidUtf8: 'refuse' })[0]?.problem?.reason).toBe('the line is not UTF-8');
});
