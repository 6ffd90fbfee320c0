import { assert } from '../common/assert.ts';

/**
 * JSON with sorted names and no spaces: one text for one content, whatever the order in which it
 * was put together. Names with the value `undefined` are left out.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((each) => canonicalJson(each)).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, each]) => `${JSON.stringify(name)}:${canonicalJson(each)}`);
    return `{${entries.join(',')}}`;
  }
  const isJson = value === null || ['string', 'boolean'].includes(typeof value);
  assert(isJson || Number.isFinite(value), `a plan holds a ${typeof value}, which JSON cannot`);
  return JSON.stringify(value);
}
