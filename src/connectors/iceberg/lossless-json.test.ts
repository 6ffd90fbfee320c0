import { expect, test } from 'vitest';
import { parseJson, printJson } from './lossless-json.ts';

test('keeps numbers of 64 bits, both ways', () => {
  const text =
    '{"snapshot-id":3051729675574597004,"list":[-9223372036854775808,9007199254740993],"n":1}';
  // What JSON alone makes of it is another snapshot.
  expect(JSON.stringify(JSON.parse(text))).not.toBe(text);
  expect(parseJson(text)).toEqual({
    'snapshot-id': 3051729675574597004n,
    list: [-(2n ** 63n), 9007199254740993n],
    n: 1,
  });
  expect(printJson(parseJson(text))).toBe(text);
});

test.each([
  '{"a":0.1,"b":-1.5e-7,"c":[true,false,null,"\\u00e9\\n"],"d":{}}',
  '"x"',
  '9007199254740991',
])('keeps the rest: %s', (text) => {
  expect(parseJson(printJson(parseJson(text)))).toEqual(parseJson(text));
});

test('refuses what is no JSON', () => {
  expect(() => parseJson('{"a":1')).toThrow(SyntaxError);
});
