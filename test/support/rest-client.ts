/** Calls a REST service, and waits for what it says, never for a time. */
import { sleep, systemClock } from '../../src/common/clock.ts';

/** What a JSON object holds, for tests that know what that is. */
export interface Json {
  readonly [key: string]: Json & string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Empty if it is not JSON. */
  readonly json: Json;
}

/** How often a condition that no event tells is looked at. */
const LOOK_MS = 5;

export async function call(address: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(address + path, init);
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  const { status, headers } = response;
  return { status, headers, text, json: isJson ? (JSON.parse(text) as Json) : {} };
}

export function post(address: string, path: string, body: unknown): Promise<Answer> {
  const headers = { 'content-type': 'application/json' };
  return call(address, path, { method: 'POST', headers, body: JSON.stringify(body) });
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(systemClock, LOOK_MS);
}

/** The operation's result, when it has one. */
export async function operationAt(address: string, path: string): Promise<Answer> {
  for (;;) {
    const answer = await call(address, path);
    if (answer.json['status']?.['id'] !== 'IN_PROGRESS') return answer;
    await sleep(systemClock, LOOK_MS);
  }
}
