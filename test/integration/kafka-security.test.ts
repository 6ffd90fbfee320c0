/*
 * Goal: the source reads from brokers that ask for TLS and for credentials, by Kafka's own property names; and
 * what is wrong with them is said in an error, in which no secret is.
 * Method: one broker with a listener for each way in; users of SCRAM are made over the protocol, certificates by
 * openssl.
 * Needs: Java 17 or later, Maven and openssl; Kafka is fetched once.
 * Replay: npm run test:integration -- kafka-security
 */
import { pbkdf2Sync } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { alterUserScramCredentialsV0, Connection } from '@platformatic/kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kafka, startKafka } from '../../scripts/services/kafka.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { fromString, type KafkaProperties, kafkaSource } from '../../src/connectors/kafka/kafka.ts';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
import { DrivenSource } from '../support/driven-source.ts';
import { KafkaWriter } from '../support/kafka-writer.ts';

const PASSWORD = 'a-"secret" of the tests';
const ITERATIONS = 4_096;
const PLAIN_MODULE = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
const SCRAM_MODULE = 'org.apache.kafka.common.security.scram.ScramLoginModule required';

let folder: string;
let kafka: Kafka;
let certificates: Certificates;

async function makeScramUsers(bootstrap: string): Promise<void> {
  const connection = new Connection('test');
  const [host = '', port] = bootstrap.split(':');
  await connection.connect(host, Number(port));
  // One at a time: a request must not name a user twice.
  for (const hash of ['sha256', 'sha512'] as const) {
    const salt = Buffer.from(`salt of ${hash}`);
    const length = hash === 'sha256' ? 32 : 64;
    const saltedPassword = pbkdf2Sync(PASSWORD, salt, ITERATIONS, length, hash);
    const mechanism = hash === 'sha256' ? 1 : 2;
    const user = { name: 'reader', mechanism, iterations: ITERATIONS, salt, saltedPassword };
    await alterUserScramCredentialsV0.api.async(connection, [], [user]);
  }
  await connection.close();
}

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-kafka-security-'));
  certificates = makeCertificates(`${folder}/certificates`);
  const escaped = PASSWORD.replaceAll('"', '\\"');
  const plainUsers = `${PLAIN_MODULE} user_reader="${escaped}";`.replaceAll('\\', '\\\\');
  kafka = await startKafka({
    folder: `${folder}/broker`,
    listeners: { TLS: 'SSL', MUTUAL: 'SSL', SASL: 'SASL_PLAINTEXT', BOTH: 'SASL_SSL' },
    properties: {
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': certificates.server,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': certificates.ca,
      'listener.name.mutual.ssl.client.auth': 'required',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      'listener.name.sasl.connections.max.reauth.ms': '1000',
      ...Object.fromEntries(
        ['sasl', 'both'].flatMap((listener) => [
          [`listener.name.${listener}.plain.sasl.jaas.config`, plainUsers],
          [`listener.name.${listener}.scram-sha-256.sasl.jaas.config`, `${SCRAM_MODULE};`],
          [`listener.name.${listener}.scram-sha-512.sasl.jaas.config`, `${SCRAM_MODULE};`],
        ]),
      ),
    },
  });
  await makeScramUsers(kafka.bootstrap);
  await kafka.createTopic('guarded');
  const writer = await KafkaWriter.connect(kafka.bootstrap);
  await writer.write({ topic: 'guarded', values: ['a', 'b'] });
  await writer.close();
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await kafka.stop();
  fs.rmSync(folder, { recursive: true });
});

/** Reads all through a listener. */
async function readVia(
  listener: string,
  properties: KafkaProperties,
  brokers = listener === '' ? kafka.bootstrap : (kafka.listeners[listener] ?? ''),
): Promise<string[]> {
  const source = kafkaSource({
    brokers,
    topics: 'guarded',
    bounded: 'latest',
    deserializer: fromString(),
    properties,
  });
  expect(inspect(source, { depth: 10, showHidden: true })).not.toContain('secret');
  const driven = new DrivenSource(source, 1);
  try {
    await driven.start();
    await driven.until(() => driven.hasEnded);
    return driven.values;
  } finally {
    await driven.stop();
  }
}

/** What reading fails with; nothing of it may show the password. */
async function failure(
  listener: string,
  properties: KafkaProperties,
  brokers?: string,
): Promise<unknown> {
  const error: unknown = await readVia(listener, properties, brokers).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(PASSWORD);
  return error;
}

const jaas = (module: string, password = PASSWORD): string =>
  `${module} username="reader" password="${password.replaceAll('"', '\\"')}";`;
const trust = () => ({ 'ssl.truststore.location': certificates.ca });

describe('credentials', () => {
  it.each([
    ['PLAIN', PLAIN_MODULE],
    ['SCRAM-SHA-256', SCRAM_MODULE],
    ['SCRAM-SHA-512', SCRAM_MODULE],
  ])('of %s let the source in, with and without TLS', async (mechanism, module) => {
    const sasl = { 'sasl.mechanism': mechanism, 'sasl.jaas.config': jaas(module) };
    const plain = { 'security.protocol': 'SASL_PLAINTEXT', ...sasl };
    expect(await readVia('SASL', plain)).toEqual(['a', 'b']);
    const secure = { 'security.protocol': 'SASL_SSL', ...sasl, ...trust() };
    expect(await readVia('BOTH', secure)).toEqual(['a', 'b']);
    const named = { 'sasl.username': 'reader', 'sasl.password': PASSWORD };
    const byName = { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': mechanism, ...named };
    expect(await readVia('SASL', byName)).toEqual(['a', 'b']);
  });

  it.each([
    ['PLAIN', PLAIN_MODULE],
    ['SCRAM-SHA-256', SCRAM_MODULE],
  ])('of %s that are wrong are told at once', async (mechanism, module) => {
    const properties = {
      'security.protocol': 'SASL_PLAINTEXT',
      'sasl.mechanism': mechanism,
      'sasl.jaas.config': jaas(module, `${PASSWORD}!`),
      'default.api.timeout.ms': 600_000,
    };
    expect(await failure('SASL', properties)).toMatchObject({ code: 'KAF-004', kind: 'invalid' });
  });

  it('are shown again and again where the broker wants it, and nothing is lost', async () => {
    await kafka.createTopic('renewed');
    const writer = await KafkaWriter.connect(kafka.bootstrap);
    const source = kafkaSource({
      brokers: kafka.listeners['SASL'] ?? '',
      topics: 'renewed',
      deserializer: fromString(),
      properties: {
        'security.protocol': 'SASL_PLAINTEXT',
        'sasl.mechanism': 'SCRAM-SHA-256',
        'sasl.jaas.config': jaas(SCRAM_MODULE),
      },
    });
    const driven = await new DrivenSource(source, 1).start();
    const values: string[] = [];
    // Some sessions long.
    const endMs = systemClock.monotonicMs() + 3_500;
    while (systemClock.monotonicMs() < endMs) {
      values.push(`value ${values.length}`);
      await writer.write({ topic: 'renewed', values: values.slice(-1) });
      await sleep(systemClock, 20);
    }
    await driven.until(() => driven.values.length >= values.length);
    expect(driven.values).toEqual(values);
    await driven.stop();
    await writer.close();
  });

  it('that are missing end in an error that says where to look', async () => {
    const error = await failure('SASL', { 'default.api.timeout.ms': 5_000 });
    expect(error).toMatchObject({ code: 'KAF-003', kind: 'unavailable' });
    expect(String(error)).toContain('security.protocol');
  });
});

describe('TLS', () => {
  const ssl = { 'security.protocol': 'SSL' };

  it('takes an authority by any of the names for it', async () => {
    expect(await readVia('TLS', { ...ssl, ...trust() })).toEqual(['a', 'b']);
    expect(await readVia('TLS', { ...ssl, 'ssl.ca.location': certificates.ca })).toHaveLength(2);
    const text = fs.readFileSync(certificates.ca, 'utf8');
    expect(await readVia('TLS', { ...ssl, 'ssl.truststore.certificates': text })).toHaveLength(2);
  });

  it('shows a certificate of its own where the broker wants one', async () => {
    const pem = { 'ssl.keystore.location': certificates.client };
    expect(await readVia('MUTUAL', { ...ssl, ...trust(), ...pem })).toEqual(['a', 'b']);
    const pkcs12 = {
      'ssl.keystore.type': 'PKCS12',
      'ssl.keystore.location': certificates.clientPkcs12,
      'ssl.keystore.password': 'secret',
    };
    expect(await readVia('MUTUAL', { ...ssl, ...trust(), ...pkcs12 })).toEqual(['a', 'b']);
  });

  it('with a broker that cannot be trusted is refused at once', async () => {
    const properties = { ...ssl, 'default.api.timeout.ms': 600_000 };
    const untrusted = { ...properties, 'ssl.truststore.location': certificates.otherCa };
    expect(await failure('TLS', untrusted)).toMatchObject({ code: 'KAF-005' });
    expect(await failure('TLS', properties)).toMatchObject({ code: 'KAF-005' });
  });

  it('with a broker that has none, or without it where it is wanted, is told at once', async () => {
    const long = { 'default.api.timeout.ms': 600_000 };
    expect(await failure('', { ...ssl, ...long })).toMatchObject({ code: 'KAF-005' });
    expect(await failure('TLS', long)).toMatchObject({ code: 'KAF-005' });
  });

  it('checks the name in the certificate, unless that is switched off', async () => {
    const port = kafka.listeners['TLS']?.split(':')[1] ?? '';
    const properties = { ...ssl, ...trust() };
    // It is made out to 127.0.0.1.
    const wrong = await failure('TLS', properties, `localhost:${port}`);
    expect(wrong).toMatchObject({ code: 'KAF-005' });
    const off = { ...properties, 'ssl.endpoint.identification.algorithm': '' };
    expect(await readVia('TLS', off, `localhost:${port}`)).toEqual(['a', 'b']);
  });

  it('says which file is missing', async () => {
    const missing = { ...ssl, 'ssl.truststore.location': '/nowhere/ca.pem' };
    expect(await failure('TLS', missing)).toMatchObject({
      code: 'KAF-010',
      details: { property: 'ssl.truststore.location', path: '/nowhere/ca.pem' },
    });
  });
});
