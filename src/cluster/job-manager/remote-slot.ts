import {
  deploymentKey,
  type DeploymentId,
  type SlotDeploy,
  type SlotOrder,
  type SlotReport,
} from '../task-manager/slot-protocol.ts';
import type { SlotRef, ToTaskManager } from '../task-manager/task-manager-protocol.ts';

/** What a slot tells one of its deployments. */
export interface SlotListener {
  ready(): void;
  report(report: SlotReport): void;
  /** The slot is gone, and with it everything that ran there. Told once, and certain. */
  died(error: Error): void;
}

type SlotState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'ready'; readonly address: string }
  | { readonly kind: 'dead' };

interface Attached {
  readonly listener: SlotListener;
  /** For people. */
  readonly tasks: readonly string[];
}

/**
 * A slot as the JobManager sees it, from when it was opened to its death; whoever follows it in its
 * place is another one.
 *
 * Always holds: a slot is dead only when its thread, or its whole process, is over for certain.
 */
export class RemoteSlot {
  readonly ref: SlotRef;
  /** The id of its TaskManager. */
  readonly taskManager: string;
  readonly gone: Promise<void>;
  readonly #say: (message: ToTaskManager) => void;
  readonly #attached = new Map<string, Attached>();
  #state: SlotState = { kind: 'loading' };
  #isGone: () => void = () => undefined;

  constructor(taskManager: string, ref: SlotRef, say: (message: ToTaskManager) => void) {
    this.taskManager = taskManager;
    this.ref = ref;
    this.#say = say;
    this.gone = new Promise((resolve) => {
      this.#isGone = resolve;
    });
  }

  get isDead(): boolean {
    return this.#state.kind === 'dead';
  }

  /** Where slots of other processes connect; undefined as long as it is not ready. */
  get address(): string | undefined {
    return this.#state.kind === 'ready' ? this.#state.address : undefined;
  }

  /** Names of what is deployed here. */
  tasks(): readonly string[] {
    return [...this.#attached.values()].flatMap(({ tasks }) => tasks);
  }

  /** What comes of this deployment goes to `listener`, and what becomes of the slot. */
  attach(deployment: DeploymentId, listener: SlotListener, tasks: readonly string[]): void {
    this.#attached.set(deploymentKey(deployment), { listener, tasks });
  }

  detach(deployment: DeploymentId): void {
    this.#attached.delete(deploymentKey(deployment));
  }

  deploy(deploy: SlotDeploy): void {
    if (!this.isDead) this.#say({ kind: 'deploy', slot: this.ref, deploy });
  }

  order(order: SlotOrder): void {
    if (!this.isDead) this.#say({ kind: 'order', slot: this.ref, order });
  }

  kill(): void {
    if (!this.isDead) this.#say({ kind: 'kill-slot', slot: this.ref });
  }

  // --- what its TaskManager tells ---------------------------------------------------------------

  becameReady(address: string): void {
    if (this.#state.kind !== 'loading') return;
    this.#state = { kind: 'ready', address };
    for (const { listener } of [...this.#attached.values()]) listener.ready();
  }

  reported(deployment: DeploymentId, report: SlotReport): void {
    this.#attached.get(deploymentKey(deployment))?.listener.report(report);
  }

  died(error: Error): void {
    if (this.isDead) return;
    this.#state = { kind: 'dead' };
    this.#isGone();
    for (const { listener } of [...this.#attached.values()]) listener.died(error);
  }
}
