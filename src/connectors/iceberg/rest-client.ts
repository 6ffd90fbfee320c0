/** Requests to a REST catalog: with a token, a limit of time, and JSON that keeps 64-bit numbers. */
import { sleep } from '../../common/clock.ts';
import type { World } from '../../contracts/source.ts';
import { catalogRefuses, catalogUnavailable } from './errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson, printJson } from './lossless-json.ts';

export interface RestAccess {
  /** Such as `http://127.0.0.1:8181`, or with a path. */
  readonly uri: string;
  /** A bearer token. */
  readonly token?: string;
  /** `id:secret` of OAuth's client credentials, for which a token is asked when one is needed. */
  readonly credential?: string;
  /** Where tokens are asked for. Default: `<uri>/v1/oauth/tokens`. */
  readonly oauth2ServerUri?: string;
  /** Default: `catalog`. */
  readonly scope?: string;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How long an answer may take. Default: 30,000. */
  readonly timeoutMs?: number;
}

/** `lost`: nobody knows whether the request was carried out. */
export type RestAnswer =
  | { readonly kind: 'answer'; readonly status: number; readonly body: JsonObject }
  | { readonly kind: 'lost'; readonly why: string; readonly cause: unknown };

export interface RestRequest {
  readonly method: 'GET' | 'POST';
  /** Below the URI, with its query. */
  readonly path: string;
  readonly body?: Json;
  readonly headers?: Readonly<Record<string, string>>;
  /** For errors: what it is for. */
  readonly doing: string;
}

const TIMEOUT_MS = 30_000;
const READ_ATTEMPTS_MAX = 5;
const READ_WAIT_MS = 100;
/** The server, or something before it, did not get to an answer: 408, 429, and all from 500 on. */
const isUncertain = (status: number): boolean =>
  status === 408 || status === 429 || status >= SERVER_ERROR;
const SERVER_ERROR = 500;

export class RestClient {
  readonly uri: string;
  readonly #world: World;
  readonly #access: RestAccess;
  #token: string | undefined;

  constructor(world: World, access: RestAccess) {
    this.uri = access.uri.replace(/\/+$/, '');
    this.#world = world;
    this.#access = access;
    this.#token = access.token;
  }

  /**
   * Reads, again for a while if there is no answer. Undefined for what is not there.
   *
   * @throws {EngineError} `ICE-008` (`unavailable`), `ICE-009` (`invalid`).
   */
  async read(
    path: string,
    doing: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<JsonObject | undefined> {
    for (let attempts = 1; ; attempts++) {
      const answer = await this.send({ method: 'GET', path, doing, headers });
      if (answer.kind === 'answer') {
        if (answer.status === 404) return undefined;
        return this.accepted(answer, doing);
      }
      if (attempts === READ_ATTEMPTS_MAX) {
        throw catalogUnavailable(this.uri, doing, answer.why, answer.cause);
      }
      const { clock, random } = this.#world;
      await sleep(clock, (1 + random.next()) * READ_WAIT_MS * 2 ** attempts);
    }
  }

  /** The body of an answer that says yes. @throws {EngineError} `ICE-009` (`invalid`). */
  accepted(answer: Extract<RestAnswer, { kind: 'answer' }>, doing: string): JsonObject {
    if (answer.status < 300) return answer.body;
    throw catalogRefuses(this.uri, doing, answer.status, messageOf(answer.body));
  }

  async send(request: RestRequest): Promise<RestAnswer> {
    if (this.#token === undefined && this.#access.credential !== undefined) await this.#renew();
    const answer = await this.#once(request);
    const isStale = answer.kind === 'answer' && (answer.status === 401 || answer.status === 419);
    if (!isStale || this.#access.credential === undefined) return answer;
    await this.#renew();
    return this.#once(request);
  }

  async #renew(): Promise<void> {
    const { credential = '', oauth2ServerUri, scope = 'catalog' } = this.#access;
    const colon = credential.indexOf(':');
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      ...(colon < 0 ? {} : { client_id: credential.slice(0, colon) }),
      client_secret: credential.slice(colon + 1),
      scope,
    });
    const url = oauth2ServerUri ?? `${this.uri}/v1/oauth/tokens`;
    const doing = 'ask for a token';
    const answer = await this.#fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
    });
    if (answer.kind === 'lost') throw catalogUnavailable(url, doing, answer.why, answer.cause);
    const token = this.accepted(answer, doing)['access_token'];
    if (typeof token !== 'string') {
      throw catalogRefuses(url, doing, answer.status, 'the answer holds no access_token');
    }
    this.#token = token;
  }

  #once({ method, path, body, headers }: RestRequest): Promise<RestAnswer> {
    return this.#fetch(this.uri + path, {
      method,
      headers: {
        'content-type': 'application/json',
        ...headers,
        ...this.#access.headers,
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
      },
      ...(body === undefined ? {} : { body: printJson(body) }),
    });
  }

  async #fetch(url: string, init: RequestInit): Promise<RestAnswer> {
    const timeoutMs = this.#access.timeoutMs ?? TIMEOUT_MS;
    const timeout = new AbortController();
    const cancel = this.#world.clock.after(timeoutMs, () => timeout.abort());
    try {
      const response = await fetch(url, { ...init, signal: timeout.signal });
      const text = await response.text();
      if (isUncertain(response.status)) {
        return { kind: 'lost', why: `status ${response.status}`, cause: undefined };
      }
      return { kind: 'answer', status: response.status, body: bodyOf(text, response.ok) };
    } catch (cause) {
      const why = timeout.signal.aborted ? `no answer within ${timeoutMs} ms` : 'no connection';
      return { kind: 'lost', why, cause };
    } finally {
      cancel();
    }
  }
}

/** An answer that is no JSON may come from something else on the way: who said yes has said more. */
function bodyOf(text: string, isOk: boolean): JsonObject {
  if (text === '') return {};
  try {
    const json = parseJson(text);
    return isJsonObject(json) ? json : {};
  } catch (cause) {
    if (isOk) throw cause;
    return { error: { message: text.slice(0, MESSAGE_MAX) } };
  }
}

const MESSAGE_MAX = 300;

function messageOf(body: JsonObject): string {
  const { error } = body;
  const message = isJsonObject(error) ? error['message'] : error;
  return typeof message === 'string' ? message.slice(0, MESSAGE_MAX) : '';
}
