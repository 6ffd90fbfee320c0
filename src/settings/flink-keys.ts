/*
 * Flink's keys that have no setting here, by how they begin. Who brings the configuration file of a
 * Flink cluster is told once that they have no effect. Where this engine has keys that begin alike, the
 * beginnings are longer, so that a misspelt key is not taken for one of Flink's.
 */

const WHOLE_FAMILIES = `
  $internal. akka. blob. classloader. client. cluster. compiler. containerized. dstl. env. events.
  external-resource high-availability historyserver. io. jmx. job-event. job-manager. job-result-store.
  jobstore. kubernetes. library-cache-manager. local. metrics. minicluster. network. parallelism.max
  pekko. plugin. process. python. query. queryable-state. recovery. resourcemanager. scheduler-mode
  shuffle-service-factory shuffle. slot. slow-task-detector. sql-client. sql-gateway. table.
  task. traces. user. yarn. zookeeper.
`;

const BESIDE_OURS = `
  execution.allow-client execution.async execution.attached execution.batch execution.buffer
  execution.checkpointing.approximate execution.checkpointing.checkpoints-after
  execution.checkpointing.cleaner. execution.checkpointing.create-subdir
  execution.checkpointing.data-inline execution.checkpointing.file-merging
  execution.checkpointing.interval-during-backlog execution.checkpointing.local-backup
  execution.checkpointing.recover-without execution.checkpointing.snapshot-compression
  execution.checkpointing.storage execution.checkpointing.unaligned.
  execution.checkpointing.write-buffer-size execution.job execution.persist execution.program
  execution.runtime-mode execution.savepoint execution.shutdown execution.sort execution.state-recovery
  execution.streaming execution.submit execution.target
  fs.allowed-fallback fs.output. fs.overwrite-files
  heartbeat.rpc-failure-threshold
  jobmanager.adaptive jobmanager.archive. jobmanager.bind-host jobmanager.execution.attempts
  jobmanager.failure-enrichers jobmanager.future-pool jobmanager.heap jobmanager.io-pool
  jobmanager.memory. jobmanager.partition. jobmanager.resource jobmanager.retrieve jobmanager.rpc.
  jobmanager.scheduler jobmanager.web.
  pipeline.auto-generate-uids pipeline.cached-files pipeline.classpaths pipeline.closure
  pipeline.default-kryo pipeline.force pipeline.generic-types pipeline.global-job pipeline.jars
  pipeline.jobvertex pipeline.name pipeline.object-reuse pipeline.operator-chaining pipeline.registered
  pipeline.serialization pipeline.vertex pipeline.watermark-alignment
  rest.async. rest.await rest.cache. rest.client. rest.connection rest.flamegraph. rest.idleness rest.path
  rest.profiling. rest.retry. rest.server.numThreads rest.server.thread rest.url-prefix
  s3.entropy. s3.s5cmd.
  security.context security.delegation security.kerberos. security.keytab security.module security.principal security.ssl.algorithms
  security.ssl.enabled security.ssl.handshake security.ssl.close security.ssl.internal. security.ssl.key
  security.ssl.protocol security.ssl.provider security.ssl.rest.authentication security.ssl.rest.cert
  security.ssl.rest.key-password security.ssl.rest.keystore-type security.ssl.rest.truststore
  security.ssl.session security.ssl.truststore security.ssl.verify
  slotmanager.declare slotmanager.max slotmanager.min slotmanager.number slotmanager.requirement
  slotmanager.taskmanager-timeout
  state.backend.async state.backend.changelog. state.backend.forst state.backend.fs.memory
  state.backend.fs.write state.backend.latency-track. state.backend.local-recovery
  state.backend.rocksdb. state.changelog. state.checkpoint-storage state.checkpoint.cleaner.
  state.checkpoints.create-subdir state.latency-track. state.size-track. state.storage.
  taskmanager.bind-host taskmanager.collect-sink. taskmanager.cpu. taskmanager.data. taskmanager.debug.
  taskmanager.heap taskmanager.host taskmanager.jvm taskmanager.load-balance. taskmanager.log.
  taskmanager.maxRegistration taskmanager.memory. taskmanager.net. taskmanager.network.
  taskmanager.registration. taskmanager.resource taskmanager.rpc. taskmanager.runtime. taskmanager.slot.
  taskmanager.state. taskmanager.system-out. taskmanager.tmp. taskmanager.exit taskmanager.initial
  taskmanager.max-registration taskmanager.refused
  web.access web.adaptive web.backpressure web.cancel web.checkpoints web.exception web.history web.log
  web.refresh web.rescale web.ssl web.timeout web.tmpdir web.upload
`;

const BEGINNINGS = `${WHOLE_FAMILIES} ${BESIDE_OURS}`.split(/\s+/).filter((each) => each !== '');

/** Whether Flink knows the key, as far as it is none of this engine's. */
export function isFlinksOwn(key: string): boolean {
  return BEGINNINGS.some((beginning) => key.startsWith(beginning));
}
