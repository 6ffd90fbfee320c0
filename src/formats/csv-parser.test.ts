import { describe, expect, test } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { type CsvOptions, CsvParser, type CsvRecord } from './csv-parser.ts';
import { parseAll } from './parse-all.ts';

function parse(text: string | Uint8Array, options: CsvOptions = {}, chunkBytes = 1_000) {
  return parseAll<CsvRecord>(new CsvParser(options), Buffer.from(text as string), chunkBytes);
}

const records = (text: string | Uint8Array, options?: CsvOptions, chunkBytes?: number) =>
  parse(text, options, chunkBytes).map((step) => step.record);

describe('what RFC 4180 says', () => {
  test.each([
    [
      'plain',
      'a,b\n1,2\n3,4\n',
      [
        { a: '1', b: '2' },
        { a: '3', b: '4' },
      ],
    ],
    ['the last line without an end', 'a,b\n1,2', [{ a: '1', b: '2' }]],
    [
      'CRLF',
      'a,b\r\n1,2\r\n"3","4"\r\n',
      [
        { a: '1', b: '2' },
        { a: '3', b: '4' },
      ],
    ],
    ['a line end in quotes', 'a,b\n"x\r\ny",2\n', [{ a: 'x\r\ny', b: '2' }]],
    ['doubled quotes', 'a,b\n"say ""hi""","""x"\n', [{ a: 'say "hi"', b: '"x' }]],
    ['a delimiter in quotes', 'a,b\n"1,2",3\n', [{ a: '1,2', b: '3' }]],
    ['a quote within a field', 'a,b\n5" disk,3\n', [{ a: '5" disk', b: '3' }]],
    [
      'empty fields',
      'a,b\n,\n"",""\n',
      [
        { a: '', b: '' },
        { a: '', b: '' },
      ],
    ],
    ['an empty field at the end of the file', 'a,b\n1,', [{ a: '1', b: '' }]],
    ['an empty field in quotes at the end', 'a\n""', [{ a: '' }]],
    ['empty lines', '\n\r\na\n\n1\n\r\n2\n\n', [{ a: '1' }, { a: '2' }]],
    ['white space is kept', 'a,b\n 1 , "2"\n', [{ a: ' 1 ', b: ' "2"' }]],
    ['a byte order mark', '\ufeffa,b\n1,2\n', [{ a: '1', b: '2' }]],
    ['a byte order mark before a quote', '\ufeff"a",b\n1,2\n', [{ a: '1', b: '2' }]],
    [
      'more than ASCII',
      'é,b\nžluť,😀\n"ů,",x\n',
      [
        { é: 'žluť', b: '😀' },
        { é: 'ů,', b: 'x' },
      ],
    ],
    ['only a header', 'a,b', []],
    ['nothing', '', []],
    ['only a byte order mark', '\ufeff', []],
  ])('%s', (_what, text, expected) => {
    for (const chunkBytes of [1, 2, 3, 5, 1_000]) {
      expect(records(text, {}, chunkBytes)).toEqual(expected);
    }
  });

  test('long fields are whole, whether ASCII or not', () => {
    const long = 'x'.repeat(100);
    expect(records(`a,b\n${long},"${long}"\n`)).toEqual([{ a: long, b: long }]);
    expect(records(`a,b\n${long}é,"${long}"\n`)).toEqual([{ a: `${long}é`, b: long }]);
  });
});

describe('options', () => {
  test('another delimiter, and names in place of a header', () => {
    expect(records('1;2\n', { delimiter: ';', columns: ['a', 'b'] })).toEqual([{ a: '1', b: '2' }]);
  });

  test('names together with a header, which is then stepped over', () => {
    expect(records('x,y\n1,2\n', { header: true, columns: ['a', 'b'] })).toEqual([
      { a: '1', b: '2' },
    ]);
  });

  test.each([
    [{ delimiter: '' }, 'FMT-003'],
    [{ delimiter: 'ab' }, 'FMT-003'],
    [{ delimiter: '"' }, 'FMT-003'],
    [{ header: false }, 'FMT-003'],
    [{ columns: ['a', 'a'] }, 'FMT-002'],
    [{ columns: ['__proto__'] }, 'FMT-002'],
  ])('%o is refused', (options, code) => {
    expect(() => new CsvParser(options)).toThrow(expect.objectContaining({ code }));
  });

  test('a header that names a column twice is refused', () => {
    expect(() => parse('a,a\n1,2\n')).toThrow(expect.objectContaining({ code: 'FMT-002' }));
  });
});

describe('records that cannot be parsed', () => {
  test('are problems, and reading goes on behind them', () => {
    const steps = parse('a,b\n1\n2,3\n4,5,6\n"x"y,1\n7,8\n');
    expect(steps.map(({ row, record, problem }) => [row, record ?? problem?.reason])).toEqual([
      [1, '2 fields expected, 1 found'],
      [2, { a: '2', b: '3' }],
      [3, '2 fields expected, 3 found'],
      [4, 'there is text behind a closing quote'],
      [5, { a: '7', b: '8' }],
    ]);
    expect(steps[3]?.problem?.text).toBe('"x"y,1');
  });

  test('a quote that is never closed', () => {
    expect(parse('a,b\n1,"2\n3,4\n').map((step) => step.problem?.reason)).toEqual([
      'a quote is never closed',
    ]);
  });

  test('such a quote cannot take more memory than the limit', () => {
    const text = `a,b\n1,"${'x\n'.repeat(1_000)}`;
    expect(() => parse(text, { recordMaxBytes: 500 }, 100)).toThrow(
      expect.objectContaining({ code: 'FMT-001' }),
    );
  });

  test('bytes that are not UTF-8 are replaced, or refused', () => {
    const bytes = Buffer.from('a,b\n1,x\xff\n', 'latin1');
    expect(records(bytes)).toEqual([{ a: '1', b: 'x\ufffd' }]);
    expect(parse(bytes, { invalidUtf8: 'refuse' })[0]?.problem?.reason).toBe(
      'the record is not UTF-8',
    );
  });
});

test('every record can be gone on from, wherever the chunks end', () => {
  const field = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', '\n', '\r\n', ' ', '😀') });
  fc.assert(
    fc.property(fc.array(fc.tuple(field, field)), fc.integer({ min: 1, max: 40 }), (rows, size) => {
      const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
      const text = rows.map((row) => `${row.map(quoted).join()}\n`).join('');
      const options = { columns: ['a', 'b'] };
      const expected = rows.map(([a, b]) => ({ a, b }));
      const steps = parse(text, options, size);
      expect(steps.map((step) => step.record)).toEqual(expected);
      for (const { row, offset } of steps) {
        const parser = new CsvParser(options, { row, offset });
        const rest = parseAll(parser, Buffer.from(text).subarray(offset), size);
        expect(rest.map((step) => step.record)).toEqual(expected.slice(row));
      }
    }),
  );
});
