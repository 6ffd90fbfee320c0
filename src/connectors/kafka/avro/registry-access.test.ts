import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { fromAvro } from './from-avro.ts';
import { RegistryAccess, type RegistryOptions } from './registry-access.ts';
import { toAvro } from './to-avro.ts';

const URL = 'http://registry:8081';

it.each<[string, Partial<RegistryOptions>, string]>([
  ['no address', { registry: [] }, 'registry'],
  ['another scheme', { registry: 'ftp://registry' }, 'registry'],
  ['no address at all', { registry: 'registry:8081' }, 'registry'],
  ['a query', { registry: `${URL}?a=1` }, 'registry'],
  ['half of the credentials', { username: 'u' }, 'password'],
  ['two kinds of credentials', { username: 'u', password: 'p', token: 't' }, 'token'],
  ['a name that cannot be sent', { username: 'a:b', password: 'p' }, 'username'],
  ['no time', { timeoutMs: 0 }, 'timeoutMs'],
  ['no time', { unavailableAfterMs: NaN }, 'unavailableAfterMs'],
])('%s: refused, by its name', (_, options, name) => {
  const make = () => fromAvro({ registry: URL, ...options });
  expect(make).toThrow(expect.objectContaining({ code: 'KAF-001' }));
  expect(make).toThrow(new RegExp(`option=\`${name}`));
});

it('takes several addresses, with paths', () => {
  const { urls } = new RegistryAccess({ registry: `${URL}/apis/, https://[::1]:1` });
  expect(urls).toEqual([`${URL}/apis`, 'https://[::1]:1']);
});

it('asks for a schema to register', () => {
  expect(() => toAvro({ registry: URL, autoRegister: true })).toThrow(/option=`schema/);
});

it('shows no secret', () => {
  const access = new RegistryAccess({ registry: URL, username: 'u', password: 'hidden' });
  expect(inspect(access, { depth: 9, showHidden: true }) + JSON.stringify(access)).not.toMatch(
    /hidden|dTpoaWRkZW4/,
  );
  const said = 'http://u:hidden@registry:8081';
  expect(() => fromAvro({ registry: said })).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('hidden') }),
  );
});
