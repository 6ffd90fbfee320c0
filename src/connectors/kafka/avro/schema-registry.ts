/**
 * A client of a schema registry's REST interface, as Confluent documents it and others (Karapace, Apicurio)
 * have it too. Every request is repeated until there is an answer or time is up: all of them may arrive twice.
 */
import type { World } from '../../../contracts/source.ts';
import { Backoff } from '../client/backoff.ts';
import { TLS_CODES } from '../client/fault.ts';
import {
  registryRefuses,
  registryRefusesCredentials,
  registryTlsFailed,
  registryUnavailable,
} from './errors.ts';
import type { RegistryAccess, TlsFiles } from './registry-access.ts';
import { type RegistryAnswer, sendToRegistry } from './registry-request.ts';

export interface SchemaReference {
  readonly name: string;
  readonly subject: string;
  readonly version: number;
}

/** A schema as the registry has it. */
export interface RegisteredSchema {
  readonly id: number;
  readonly schema: string;
  /** `AVRO` unless it says otherwise. */
  readonly schemaType: string;
  readonly references: readonly SchemaReference[];
}

interface Asked {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
  readonly doing: string;
}

type Body = Readonly<Record<string, unknown>>;

const JSON_TYPE = 'application/vnd.schemaregistry.v1+json';
const FIRST_WAIT_MS = 100;
const WAIT_MS_MAX = 5_000;
const MESSAGE_CHARACTERS_MAX = 300;
/** Whoever answers so may do better next time, or its neighbour may. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);
/** The registry's own words for "there is no such …", other than an address that is wrong. */
const NOT_THERE = new Set([40401, 40402, 40403]);

export class SchemaRegistry {
  readonly #access: RegistryAccess;
  readonly #world: World;
  #tls: TlsFiles | undefined;
  /** Which address to try first. */
  #turn = 0;
  #isClosed = false;

  constructor(access: RegistryAccess, world: World) {
    this.#access = access;
    this.#world = world;
  }

  /** Undefined: the registry does not have it. @throws {EngineError} `KAF-010`, `KAF-030` to `KAF-033` */
  async byId(id: number): Promise<RegisteredSchema | undefined> {
    const doing = `read schema ${id}`;
    const body = await this.#ask({ method: 'GET', path: `/schemas/ids/${id}`, doing });
    return body === undefined ? undefined : this.#schemaOf({ ...body, id }, doing);
  }

  /** @param version A number, or `latest`. */
  async byVersion(subject: string, version: string): Promise<RegisteredSchema | undefined> {
    const doing = `read version ${version} of ${subject}`;
    const path = `/subjects/${encodeURIComponent(subject)}/versions/${version}`;
    const body = await this.#ask({ method: 'GET', path, doing });
    return body === undefined ? undefined : this.#schemaOf(body, doing);
  }

  /** The id of this very schema under the subject. Undefined: it is not there. */
  async idOf(subject: string, schema: string): Promise<number | undefined> {
    const path = `/subjects/${encodeURIComponent(subject)}`;
    const doing = `look up a schema of ${subject}`;
    const body = await this.#ask({ method: 'POST', path, body: { schema }, doing });
    return body === undefined ? undefined : this.#idIn(body, doing);
  }

  /** Registering a schema again gives the same id. */
  async register(subject: string, schema: string): Promise<number> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions`;
    const doing = `register a schema of ${subject}`;
    const body = await this.#ask({ method: 'POST', path, body: { schema }, doing });
    return this.#idIn(body ?? {}, doing);
  }

  /** Nothing is tried again from now on. */
  close(): void {
    this.#isClosed = true;
  }

  /** Undefined: there is no such thing. */
  async #ask(asked: Asked): Promise<Body | undefined> {
    const { clock, random, fs } = this.#world;
    const { urls, unavailableAfterMs } = this.#access;
    this.#tls ??= await this.#access.tlsFiles(fs);
    const backoff = new Backoff({
      clock,
      random,
      firstMs: FIRST_WAIT_MS,
      maxMs: WAIT_MS_MAX,
      giveUpAfterMs: unavailableAfterMs,
    });
    for (;;) {
      let reason = '';
      let failure: unknown;
      for (let tried = 0; tried < urls.length; tried++) {
        const url = urls[this.#turn % urls.length] ?? '';
        try {
          const answer = await this.#send(url, asked, this.#tls);
          if (!PASSING.has(answer.status)) return this.#bodyOf(answer, url, asked.doing);
          reason = `status ${answer.status}: ${messageOf(answer.text)}`;
        } catch (error) {
          const code = codeOf(error);
          if (TLS_CODES.test(code)) throw registryTlsFailed(url, code, error);
          if (!isOfConnection(error)) throw error;
          reason = error.message === '' ? code : error.message;
          failure = error;
        }
        this.#turn += 1;
      }
      if (this.#isClosed || !(await backoff.wait()) || this.isClosed) {
        throw registryUnavailable(asked.doing, urls.join(), reason, failure);
      }
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  #send(url: string, { method, path, body }: Asked, tls: TlsFiles): Promise<RegistryAnswer> {
    return sendToRegistry(
      {
        method,
        url: url + path,
        headers: {
          accept: `${JSON_TYPE}, application/json`,
          ...(body === undefined ? {} : { 'content-type': JSON_TYPE }),
          ...this.#access.headers(),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        tls,
        timeoutMs: this.#access.timeoutMs,
      },
      this.#world.clock,
    );
  }

  #bodyOf({ status, text }: RegistryAnswer, url: string, doing: string): Body | undefined {
    if (status === 401 || status === 403) throw registryRefusesCredentials(doing, url, status);
    const body = parse(text);
    if (status >= 200 && status < 300 && body !== undefined) return body;
    // A 404 of something else on the way says nothing about schemas.
    if (status === 404 && NOT_THERE.has(Number(body?.['error_code']))) return undefined;
    throw registryRefuses(doing, url, status, messageOf(text));
  }

  #idIn(body: Body, doing: string): number {
    const { id } = body;
    if (typeof id === 'number' && Number.isSafeInteger(id)) return id;
    throw registryRefuses(doing, this.#access.urls.join(), 200, 'the answer holds no id');
  }

  #schemaOf(body: Body, doing: string): RegisteredSchema {
    const { schema, schemaType = 'AVRO', references } = body;
    if (typeof schema !== 'string') {
      throw registryRefuses(doing, this.#access.urls.join(), 200, 'the answer holds no schema');
    }
    return {
      id: this.#idIn(body, doing),
      schema,
      schemaType: String(schemaType),
      references: Array.isArray(references) ? (references as SchemaReference[]) : [],
    };
  }
}

function parse(text: string): Body | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Body) : undefined;
  } catch {
    return undefined;
  }
}

function messageOf(text: string): string {
  const message = parse(text)?.['message'];
  return (typeof message === 'string' ? message : text).slice(0, MESSAGE_CHARACTERS_MAX);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function isOfConnection(error: unknown): error is Error {
  return (
    error instanceof Error &&
    (error.name === 'RegistrySilence' || /^(E[A-Z_]+|HPE_\w+)$/.test(codeOf(error)))
  );
}
