import { count, oneOf, secret, text, type PropertyValues } from './properties.ts';

export const SECURITY_PROTOCOLS = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'] as const;
export const SASL_MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;

/** What sources and sinks have in common. Where Kafka's Java client and librdkafka differ, both work. */
export const CONNECTION_PROPERTIES = {
  'client.id': text(undefined),
  'security.protocol': oneOf(SECURITY_PROTOCOLS, 'PLAINTEXT'),
  'sasl.mechanism': oneOf(SASL_MECHANISMS, 'PLAIN'),
  'sasl.jaas.config': secret(),
  'sasl.username': text(undefined),
  'sasl.password': secret(),
  'ssl.truststore.type': oneOf(['PEM', 'PKCS12', 'JKS'], 'PEM'),
  'ssl.truststore.location': text(undefined),
  'ssl.truststore.certificates': text(undefined),
  'ssl.ca.location': text(undefined),
  'ssl.keystore.type': oneOf(['PEM', 'PKCS12', 'JKS'], 'PEM'),
  'ssl.keystore.location': text(undefined),
  'ssl.keystore.password': secret(),
  'ssl.keystore.certificate.chain': text(undefined),
  'ssl.keystore.key': secret(),
  'ssl.certificate.location': text(undefined),
  'ssl.key.location': text(undefined),
  'ssl.key.password': secret(),
  'ssl.endpoint.identification.algorithm': oneOf(['https', ''], 'https'),
  'request.timeout.ms': count(30_000, 1),
  'default.api.timeout.ms': count(60_000, 1),
  'socket.connection.setup.timeout.ms': count(10_000, 1),
  'retry.backoff.ms': count(100),
  'retry.backoff.max.ms': count(1_000),
};

export type ConnectionProperties = PropertyValues<typeof CONNECTION_PROPERTIES>;
