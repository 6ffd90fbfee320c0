/*
 * Goal: on S3 a leader keeps its lease through lost answers, single requests without an answer, refusals and slowness, as
 * far as its time goes, and has let go of it before anybody else leads where they last longer; what it has sent by
 * then and arrives later changes nothing.
 * Method: competitors as a service has them, against a real server; one of them through a proxy that does it to its
 * requests. That one leader holds it at a time is looked at whenever another wins.
 *
 * Planted once, and found here: a lease without timeouts of its own; a lost answer taken for a lost lease; a renewal
 * without `If-Match`; the own nonce not looked for.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeBucket, startS3, type S3Service } from '../../scripts/services/s3.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { openLeaseStore } from '../../src/cluster/leadership/lease-store.ts';
import type { LeaseTimings } from '../../src/cluster/leadership/lease-machine.ts';
import { encodeLease, LEASE_PATH, readLease } from '../../src/cluster/leadership/lease.ts';
import { Leadership, type LedCluster } from '../../src/cluster/leadership/leadership.ts';
import { openStore } from '../../src/cluster/open-store.ts';
import { defaultWorld } from '../../src/cluster/run-job.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import type { S3Settings } from '../../src/storage/s3/s3-settings.ts';
import { S3Proxy, type Fault, type SeenRequest } from '../support/s3-proxy.ts';
import { s3SettingsFor } from '../support/s3-settings.ts';

const BUCKET = 'lease';
/** So long that none is lost because this process stood still. */
const TIMINGS: LeaseTimings = { durationMs: 20_000, renewDeadlineMs: 15_000, intervalMs: 200 };
/** For those that are to lose it. */
const SHORT: LeaseTimings = { durationMs: 9_000, renewDeadlineMs: 6_500, intervalMs: 200 };
const BUSY: Fault = { kind: 'answer', status: 503, code: 'SlowDown' };
const PASS: Fault = { kind: 'pass' };

let folder = '';
let server: S3Service;
let proxy: S3Proxy;
let address = '';
let url = '';
let leases = 0;
let all: Competitor[] = [];

beforeAll(async () => {
  folder = await fs.mkdtemp(path.join(os.tmpdir(), 'tidemark-s3-'));
  server = await startS3({ folder });
  await makeBucket(server, BUCKET);
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await server.stop();
  await fs.rm(folder, { recursive: true });
});

beforeEach(async () => {
  proxy = new S3Proxy(server.endpoint);
  address = await proxy.start();
  leases += 1;
  url = `s3://${BUCKET}/${leases}`;
  all = [];
});

afterEach(async () => {
  proxy.rule = () => PASS;
  proxy.before = () => Promise.resolve();
  await Promise.all(all.map((one) => one.end()));
  await proxy.stop();
});

class Competitor {
  readonly name: string;
  readonly won: LedCluster[] = [];
  readonly lost: unknown[] = [];
  readonly problems: unknown[] = [];
  /** Others that led at the moment at which this one won. */
  readonly beside: string[] = [];
  readonly #leadership: Leadership;

  constructor(
    name: string,
    endpoint: string,
    { timings = TIMINGS, changed = {} }: CompetitorOptions = {},
  ) {
    this.name = name;
    const settings = s3SettingsFor(endpoint, changed);
    this.name = name;
    this.#leadership = new Leadership({
      clock: systemClock,
      random: defaultWorld.random,
      store: openLeaseStore(url, { world: defaultWorld, settings, timings }),
      holder: holderOf(name),
      timings,
      isGone: () => false,
      onWon: (led) => {
        this.won.push(led);
        this.beside.push(...all.filter((one) => one !== this && one.leads).map((one) => one.name));
      },
      onStandBy: () => undefined,
      onLost: (error) => this.lost.push(error),
      onProblem: (error) => this.problems.push(error),
    });
    all.push(this);
    this.#leadership.start();
  }

  get leads(): boolean {
    return this.#leadership.isHeld;
  }

  end(): Promise<void> {
    return this.lost.length > 0 ? Promise.resolve() : this.#leadership.resign();
  }
}

interface CompetitorOptions {
  readonly timings?: LeaseTimings;
  readonly changed?: Partial<S3Settings>;
}

function holderOf(name: string) {
  const nobody = { pid: 1, processStart: '', pidSpace: undefined, folder: '/', version: '0' };
  return { owner: name, ...nobody };
}

const isRenewal = ({ method, url: asked }: SeenRequest): boolean =>
  method === 'PUT' && asked.includes(`/${LEASE_PATH}`);

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(systemClock, 5);
}

/** A leader that has renewed so often, through the proxy. */
async function leader(options: CompetitorOptions = {}): Promise<Competitor> {
  const one = new Competitor('old', address, options);
  await until(() => one.won.length > 0);
  await moreRenewals(2);
  return one;
}

/** Renewals that reach the server, as others see them: so many versions. */
async function moreRenewals(more: number): Promise<void> {
  const store = openStore(url, defaultWorld, s3SettingsFor(server.endpoint));
  let last: string | undefined;
  for (let seen = 0; seen <= more;) {
    const nonce = (await readLease(store))?.lease.nonce;
    if (nonce !== last) seen += 1;
    last = nonce;
    if (all.some(({ lost }) => lost.length > 0) && seen <= more && !all.some((one) => one.leads))
      expect.fail('nobody leads any more');
    await sleep(systemClock, 5);
  }
}

async function expectLease(owner: string, epoch: number): Promise<void> {
  const store = openStore(url, defaultWorld, s3SettingsFor(server.endpoint));
  const { lease } = (await readLease(store)) ?? {};
  expect(lease).toMatchObject({ epoch, holder: { owner } });
}

describe('a leader keeps its lease', () => {
  it('when answers of its renewals are lost', async () => {
    const one = await leader();
    const watcher = new Competitor('watcher', server.endpoint);
    let renewals = 0;
    proxy.rule = (request) => {
      if (isRenewal(request)) renewals += 1;
      return isRenewal(request) && renewals % 2 === 0 ? { kind: 'lose-answer' } : PASS;
    };
    await until(() => renewals >= 12 || one.lost.length > 0);
    expect([one.lost, one.leads, one.won.length, watcher.won]).toEqual([[], true, 1, []]);
    await expectLease('old', 1);
  });

  it('when the store cannot tell any more whether it was renewed: by its own nonce', async () => {
    const one = await leader({ changed: { s3RetryTimeoutMs: 300 } });
    for (let round = 1; round <= 3; round += 1) {
      let isLost = false;
      const problems = one.problems.length;
      proxy.rule = (request) => {
        // The renewal is done; then nothing is answered until the store has given up.
        if (isRenewal(request) && !isLost) {
          isLost = true;
          return { kind: 'lose-answer' };
        }
        return isLost && one.problems.length === problems ? BUSY : PASS;
      };
      await until(() => one.problems.length > problems || one.lost.length > 0);
      await moreRenewals(2);
    }
    expect([one.lost, one.leads, one.won.length]).toEqual([[], true, 1]);
    await expectLease('old', 1);
  });

  it('when one request has no answer', async () => {
    const one = await leader();
    for (const isTo of [isRenewal, () => true]) {
      let isHung = false;
      proxy.rule = (request) => {
        const isNow = !isHung && isTo(request);
        isHung ||= isNow;
        return isNow ? { kind: 'hang' } : PASS;
      };
      await until(() => isHung);
      await moreRenewals(3);
    }
    expect([one.lost, one.leads]).toEqual([[], true]);
    await expectLease('old', 1);
  });

  it('when everything is refused for a moment', async () => {
    const one = await leader();
    let refused = 0;
    proxy.rule = () => {
      refused += 1;
      return refused <= 5 ? BUSY : PASS;
    };
    await until(() => refused > 5);
    await moreRenewals(3);
    expect([one.lost, one.leads]).toEqual([[], true]);
  });

  it('when the server is slow, and not too slow', async () => {
    const one = await leader();
    // Less than half of what lies between a renewal and its deadline.
    proxy.before = () => sleep(systemClock, 1_000);
    await moreRenewals(3);
    expect([one.lost, one.leads]).toEqual([[], true]);
  });
});

describe('a lease is won', () => {
  it('though the answer was lost, once', async () => {
    let isLost = false;
    proxy.rule = (request) => {
      const isNow = isRenewal(request) && !isLost;
      isLost ||= isNow;
      return isNow ? { kind: 'lose-answer' } : PASS;
    };
    const one = await leader();
    expect(one.won).toMatchObject([{ epoch: 1 }]);
  });

  it('from a dead one though the store cannot tell whether it was', async () => {
    const store = openStore(url, defaultWorld, s3SettingsFor(server.endpoint));
    const dead = {
      leaseId: 'l',
      epoch: 7,
      nonce: 'n',
      state: 'held',
      durationMs: 500,
      atMs: 0,
    } as const;
    await store.replaceIf(
      LEASE_PATH,
      encodeLease({ ...dead, holder: holderOf('dead') }),
      undefined,
    );
    let isLost = false;
    const one = new Competitor('new', address, { changed: { s3RetryTimeoutMs: 300 } });
    proxy.rule = (request) => {
      if (isRenewal(request) && !isLost) {
        isLost = true;
        return { kind: 'lose-answer' };
      }
      return isLost && one.problems.length === 0 ? BUSY : PASS;
    };
    await until(() => one.won.length > 0);
    expect([one.problems.length, one.won]).toMatchObject([1, [{ leaseId: 'l', epoch: 8 }]]);
    await moreRenewals(2);
    await expectLease('new', 8);
  });
});

describe('a leader has let go before another one leads', () => {
  const faults: readonly (readonly [string, () => void])[] = [
    ['everything is refused', () => (proxy.rule = () => BUSY)],
    ['nothing is answered', () => (proxy.rule = () => ({ kind: 'hang' }))],
    [
      'everything is done, and no answer comes',
      () => (proxy.rule = () => ({ kind: 'lose-answer' })),
    ],
    [
      'each answer takes longer than the deadline',
      () => (proxy.before = () => sleep(systemClock, SHORT.renewDeadlineMs + 100)),
    ],
  ];
  for (const [title, begin] of faults) {
    it(`when ${title}`, async () => {
      const one = await leader({ timings: SHORT });
      const other = new Competitor('new', server.endpoint);
      begin();
      await until(() => one.lost.length > 0);
      expect(one.leads).toBe(false);
      expect(one.lost).toMatchObject([{ code: 'JOB-052' }]);
      await until(() => other.won.length > 0);
      expect([other.won, other.beside]).toMatchObject([[{ epoch: 2 }], []]);
      await moreRenewals(2);
      await expectLease('new', 2);
    });
  }

  it('and a renewal that arrives after that changes nothing', async () => {
    const one = await leader({ timings: SHORT });
    const other = new Competitor('new', server.endpoint);
    let held = 0;
    proxy.rule = (request) => {
      if (isRenewal(request)) held += 1;
      return isRenewal(request) ? { kind: 'hold' } : { kind: 'hang' };
    };
    await until(() => one.lost.length > 0 && other.won.length > 0);
    expect(held).toBeGreaterThan(0);
    await proxy.release();
    await expectLease('new', 2);
    await moreRenewals(3);
    expect([other.lost, other.leads, other.beside]).toEqual([[], true, []]);
    await expectLease('new', 2);
  });
});
