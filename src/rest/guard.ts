/**
 * Who may ask. With a token, who sends it. Without one the service listens on this machine only, and
 * what must be kept out is a web page in somebody's browser: it can send requests to this machine,
 * but not without saying from where, and not under a name of this machine.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { foreignPageError, tokenError } from './rest-error.ts';

export interface AskedBy {
  readonly authorization: string | undefined;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly isRead: boolean;
}

export interface GuardOptions {
  /** Undefined: who may call this machine may ask. */
  readonly token: string | undefined;
  /** Is as good: of the user whose service it is. */
  readonly ownToken: string | undefined;
  /** Names under which clients may call, beside those of the loopback. */
  readonly names: readonly string[];
}

/** @throws {RestError} `RST-004`, `RST-005` (`invalid`) */
export function requireAllowed(asked: AskedBy, { token, ownToken, names }: GuardOptions): void {
  if (token !== undefined) {
    requireToken(asked.authorization, token, ownToken ?? token);
    return;
  }
  const host = nameOf(`http://${asked.host ?? ''}`);
  if (host === undefined || !(isLoopback(host) || names.includes(host)))
    throw foreignPageError('Host', asked.host ?? '');
  const { origin, isRead } = asked;
  // What is only read stays unread by the page: no answer allows it to another origin.
  if (origin === undefined || isRead) return;
  if (nameOf(origin) === undefined || originHost(origin) !== asked.host)
    throw foreignPageError('Origin', origin);
}

/** The same time for every wrong token. */
function requireToken(header: string | undefined, token: string, other: string): void {
  const got = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '';
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const isToken = timingSafeEqual(digest(got), digest(token));
  const isOther = timingSafeEqual(digest(got), digest(other));
  if (!isToken && !isOther) throw tokenError();
}

export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (name === 'localhost' || name === '::1') return true;
  return isIP(name) === 4 && name.startsWith('127.');
}

function nameOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname.toLowerCase() : undefined;
}

function originHost(url: string): string {
  return new URL(url).host;
}
