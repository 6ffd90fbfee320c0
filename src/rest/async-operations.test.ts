import { describe, expect, it } from 'vitest';
import { nextTurn, systemClock } from '../common/clock.ts';
import { systemRandom } from '../common/random.ts';
import { AsyncOperations } from './async-operations.ts';

const ID = 'ab'.repeat(16);
const turn = () => nextTurn(systemClock);

describe('operations', () => {
  it('of one id are one, within a scope', () => {
    const operations = new AsyncOperations(systemRandom);
    let works = 0;
    const work = async () => ({ works: (works += 1) });
    for (let i = 0; i < 3; i += 1) expect(operations.start('a', ID, work)).toBe(ID);
    operations.start('b', ID, work);
    expect(works).toBe(2);
  });

  it('keep their results, the newest, and never forget what is under way', async () => {
    const operations = new AsyncOperations(systemRandom);
    const open = operations.start('a', undefined, () => new Promise(() => undefined));
    const ids: string[] = [];
    for (let i = 0; i < 1200; i += 1) {
      ids.push(operations.start('a', undefined, async () => ({ i })));
      await turn();
    }
    expect(operations.find('a', open)).toEqual({ kind: 'running' });
    expect(operations.find('a', ids[199] ?? '')).toBeUndefined();
    expect(operations.find('a', ids[200] ?? '')).toEqual({ kind: 'done', operation: { i: 200 } });
  });

  it('are refused when too many are under way', async () => {
    const operations = new AsyncOperations(systemRandom);
    for (let i = 0; i < 100; i += 1)
      operations.start('a', undefined, () => new Promise(() => undefined));
    expect(() => operations.start('a', undefined, async () => ({}))).toThrow('RST-007');
  });

  it('that fail, also at once, keep the error', async () => {
    const operations = new AsyncOperations(systemRandom);
    const error = new TypeError('no');
    operations.start('a', ID, () => {
      throw error;
    });
    await turn();
    expect(operations.find('a', ID)).toEqual({ kind: 'failed', error });
  });
});
