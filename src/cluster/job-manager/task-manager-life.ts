/**
 * The life of a TaskManager's process, as its JobManager sees it. Pure.
 *
 *   starting ──registered──► registered ──close──► closing ──exited──► dead
 *      │ too long               │ silent, disconnected …    │ too long
 *      └────────────►  killed  ◄┴───────────────────────────┘
 *                        └──exited──► dead            (exited leads to dead from everywhere)
 *
 * Always holds: `declare-dead` comes once, and only when the operating system has said that the
 * process is over, so that whoever takes its place never runs beside it. Time in which this process
 * itself stood still (its tick came much too late) counts against nobody.
 */
import type { ExitReason } from '../../common/spawner.ts';

export interface HeartbeatSettings {
  /** Milliseconds from tick to tick; each one asks for a sign of life. */
  readonly intervalMs: number;
  /** Who says nothing for so long is killed. */
  readonly timeoutMs: number;
  /** Who has not registered by then is killed. */
  readonly startTimeoutMs: number;
  /** Who was told to end and has not by then is killed. */
  readonly closeTimeoutMs: number;
}

/** Why a process had to be killed; undefined: nothing but what the operating system says. */
export type KillReason = 'did-not-register' | 'silent' | 'disconnected' | 'broken' | 'closed';

export type TaskManagerLife =
  | { readonly kind: 'starting'; readonly sinceMs: number; readonly tickMs: number }
  | { readonly kind: 'registered'; readonly heardMs: number; readonly tickMs: number }
  | { readonly kind: 'closing'; readonly sinceMs: number; readonly tickMs: number }
  | { readonly kind: 'killed'; readonly why: KillReason; readonly hadRegistered: boolean }
  | { readonly kind: 'dead' };

export type TaskManagerLifeEvent =
  | { readonly kind: 'registered' | 'heard' | 'tick' | 'close'; readonly atMs: number }
  /** `broken`: it says itself that it must be killed. */
  | { readonly kind: 'connection-lost' | 'broken' }
  | { readonly kind: 'exited'; readonly reason: ExitReason };

/** What became of it. */
export type TaskManagerDeath =
  /** It never registered. */
  | { readonly kind: 'not-started'; readonly reason: ExitReason; readonly inTime: boolean }
  | { readonly kind: 'ended'; readonly reason: ExitReason }
  | { readonly kind: 'frozen' }
  /** As it was told. */
  | { readonly kind: 'closed' };

export type TaskManagerLifeAction =
  | { readonly kind: 'ping' | 'kill' | 'tell-to-close' }
  | { readonly kind: 'declare-dead'; readonly death: TaskManagerDeath };

export interface TaskManagerLifeStep {
  readonly life: TaskManagerLife;
  readonly actions: readonly TaskManagerLifeAction[];
}

export function startedLife(atMs: number): TaskManagerLife {
  return { kind: 'starting', sinceMs: atMs, tickMs: atMs };
}

export function stepTaskManagerLife(
  life: TaskManagerLife,
  event: TaskManagerLifeEvent,
  settings: HeartbeatSettings,
): TaskManagerLifeStep {
  if (life.kind === 'dead') return stay(life);
  switch (event.kind) {
    case 'exited': {
      const death = deathOf(life, event.reason);
      return { life: { kind: 'dead' }, actions: [{ kind: 'declare-dead', death }] };
    }
    case 'registered':
      if (life.kind !== 'starting') return stay(life);
      return stay({ kind: 'registered', heardMs: event.atMs, tickMs: life.tickMs });
    case 'heard':
      return stay(life.kind === 'registered' ? { ...life, heardMs: event.atMs } : life);
    case 'connection-lost':
      return life.kind === 'registered' ? kill(life, 'disconnected') : stay(life);
    case 'broken':
      return life.kind === 'registered' ? kill(life, 'broken') : stay(life);
    case 'close':
      if (life.kind === 'starting') return kill(life, 'closed');
      if (life.kind !== 'registered') return stay(life);
      return {
        life: { kind: 'closing', sinceMs: event.atMs, tickMs: life.tickMs },
        actions: [{ kind: 'tell-to-close' }],
      };
    case 'tick':
      return tick(life, event.atMs, settings);
  }
}

type Living = Exclude<TaskManagerLife, { kind: 'dead' }>;

function tick(life: Living, atMs: number, settings: HeartbeatSettings): TaskManagerLifeStep {
  if (life.kind === 'killed') return stay(life);
  const lateMs = Math.max(0, atMs - life.tickMs - settings.intervalMs);
  // A little late is the event loop's work; more, and nobody was there to listen.
  const asleepMs = lateMs > settings.intervalMs ? lateMs : 0;
  switch (life.kind) {
    case 'starting': {
      const sinceMs = life.sinceMs + asleepMs;
      if (atMs - sinceMs >= settings.startTimeoutMs) return kill(life, 'did-not-register');
      return stay({ kind: 'starting', sinceMs, tickMs: atMs });
    }
    case 'closing': {
      const sinceMs = life.sinceMs + asleepMs;
      if (atMs - sinceMs >= settings.closeTimeoutMs) return kill(life, 'closed');
      return stay({ kind: 'closing', sinceMs, tickMs: atMs });
    }
    case 'registered': {
      const heardMs = life.heardMs + asleepMs;
      if (atMs - heardMs >= settings.timeoutMs) return kill(life, 'silent');
      return {
        life: { kind: 'registered', heardMs, tickMs: atMs },
        actions: [{ kind: 'ping' }],
      };
    }
  }
}

function kill(life: Living, why: KillReason): TaskManagerLifeStep {
  const hadRegistered = life.kind !== 'starting';
  return { life: { kind: 'killed', why, hadRegistered }, actions: [{ kind: 'kill' }] };
}

function stay(life: TaskManagerLife): TaskManagerLifeStep {
  return { life, actions: [] };
}

function deathOf(life: Living, reason: ExitReason): TaskManagerDeath {
  switch (life.kind) {
    case 'starting':
      return { kind: 'not-started', reason, inTime: true };
    case 'registered':
      return { kind: 'ended', reason };
    case 'closing':
      return { kind: 'closed' };
    case 'killed':
      if (life.why === 'closed') return { kind: 'closed' };
      if (life.why === 'silent') return { kind: 'frozen' };
      if (!life.hadRegistered) return { kind: 'not-started', reason, inTime: false };
      return { kind: 'ended', reason };
  }
}
