import { randomBytes, randomUUID } from 'node:crypto';
import { isFinal, type OperationClass, statusCodes } from '@lxd-ts/api';
import { badRequest, forbidden, messageOf, notFound } from '@lxd-ts/driver-kit';
import type { WebSocket } from 'ws';

/** The states of an operation with their numbers. */
const codes = {
  Pending: statusCodes.pending,
  Running: statusCodes.running,
  Cancelling: statusCodes.cancelling,
  Success: statusCodes.success,
  Failure: statusCodes.failure,
  Cancelled: statusCodes.cancelled,
} as const;
export type OperationStatus = keyof typeof codes;

/** JSON values that go into an operation's metadata. */
export type Metadata = Readonly<Record<string, unknown>>;

/** What makes an operation. */
export interface OperationSpec {
  readonly class: OperationClass;
  /** In LXD's words: `Creating instance`. */
  readonly description: string;
  readonly project: string;
  /** URLs of what it works on, by kind: `{ instances: ['/1.0/instances/c1'] }`. */
  readonly resources?: Readonly<Record<string, readonly string[]>>;
  readonly metadata?: Metadata;
  /** Whether `DELETE` cancels it: `run` then sees its signal aborted. Default false. */
  readonly mayCancel?: boolean;
  /** The work. What it returns is merged into the metadata. A token operation has none: it waits to be finished. */
  readonly run?: (operation: Operation) => Promise<Metadata | undefined>;
  /** The streams of a websocket operation by secret. */
  readonly sockets?: OperationSockets;
}

/** The wire form of an operation. */
export interface RenderedOperation {
  readonly id: string;
  readonly class: OperationClass;
  readonly description: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly status: OperationStatus;
  readonly status_code: number;
  readonly resources: Readonly<Record<string, readonly string[]>> | null;
  readonly metadata: Metadata | null;
  readonly may_cancel: boolean;
  readonly err: string;
  readonly location: string;
}

/** A client has this long to connect the streams of an operation. */
const connectMs = 30_000;

/**
 * The WebSockets that an operation waits for: one secret for each named stream, handed to the client in
 * `metadata.fds`; the client connects to `…/websocket?secret=`. A connected socket is paused until somebody listens to it.
 */
export class OperationSockets {
  readonly #waiting = new Map<string, (socket: WebSocket) => void>();
  readonly #promises = new Map<string, Promise<WebSocket>>();
  readonly #connected: WebSocket[] = [];
  readonly secrets: Readonly<Record<string, string>>;

  /** @param names - the streams, such as `0`, `control` */
  constructor(names: readonly string[]) {
    const secrets: Record<string, string> = {};
    for (const name of names) {
      const secret = randomBytes(32).toString('hex');
      secrets[name] = secret;
      this.#promises.set(name, new Promise((resolve) => this.#waiting.set(secret, resolve)));
    }
    this.secrets = secrets;
  }

  #promise(name: string): Promise<WebSocket> {
    const promise = this.#promises.get(name);
    if (!promise) throw new Error(`No stream named ${name}`);
    return promise;
  }

  /** Resolves when the client has connected that stream, and lets its messages come once the caller has had its turn to listen. */
  async connected(name: string): Promise<WebSocket> {
    const socket = await this.#promise(name);
    setImmediate(() => socket.resume());
    return socket;
  }

  /**
   * Resolves when the client has connected all these streams. They stay paused, so that nothing is lost, until the caller
   * calls `resume`.
   *
   * @throws LxdError bad-request when that takes longer than 30 s; the signal's reason
   */
  async held(names: readonly string[], signal: AbortSignal): Promise<WebSocket[]> {
    const given = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => given.reject(badRequest('Timed out waiting for the client to connect the streams of the operation')),
      connectMs,
    );
    const abort = (): void => given.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      signal.throwIfAborted();
      return await Promise.race([Promise.all(names.map((name) => this.#promise(name))), given.promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Whether `secret` opens one of the streams. */
  knows(secret: string): boolean {
    return this.#waiting.has(secret);
  }

  /** Hands over a connected socket. Each secret works once. @throws LxdError forbidden */
  connect(secret: string, socket: WebSocket): void {
    const resolve = this.#waiting.get(secret);
    if (!resolve) throw forbidden('Unknown or used secret for this operation');
    this.#waiting.delete(secret);
    this.#connected.push(socket);
    socket.pause();
    resolve(socket);
  }

  /** The operation is over: closes what is open, and the secrets are worth nothing any more. */
  close(): void {
    this.#waiting.clear();
    for (const socket of this.#connected) {
      socket.resume();
      socket.close();
    }
  }
}

/** A piece of work that a client can watch, wait for and cancel. */
export class Operation {
  readonly id = randomUUID();
  readonly spec: OperationSpec;
  readonly createdAt = new Date();
  readonly #abort = new AbortController();
  readonly #changed: (operation: Operation) => void;
  readonly #finished = Promise.withResolvers<void>();
  #updatedAt = this.createdAt;
  #status: OperationStatus = 'Pending';
  #metadata: Metadata | undefined;
  #error = '';
  #started = false;

  /** @param changed - told about every change, to publish it */
  constructor(spec: OperationSpec, changed: (operation: Operation) => void) {
    this.spec = spec;
    this.#metadata = spec.metadata;
    this.#changed = changed;
    if (spec.run || spec.class === 'token') this.#status = 'Running';
    changed(this);
  }

  get url(): string {
    return `/1.0/operations/${this.id}`;
  }
  get status(): OperationStatus {
    return this.#status;
  }
  get metadata(): Metadata | undefined {
    return this.#metadata;
  }
  /** Aborted when a client cancels the operation. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }
  /** Resolves when the operation is final. Never rejects. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }
  get isFinal(): boolean {
    return isFinal(codes[this.#status]);
  }

  /** Begins the work. Further calls do nothing. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    const { run } = this.spec;
    if (!run) return;
    void (async () => {
      try {
        const metadata = await run(this);
        if (metadata) this.#metadata = { ...this.#metadata, ...metadata };
        this.#finish(this.signal.aborted ? 'Cancelled' : 'Success');
      } catch (error) {
        this.#error = messageOf(error);
        this.#finish(this.signal.aborted ? 'Cancelled' : 'Failure');
      }
    })();
  }

  /** Replaces parts of the metadata while the work goes on: progress, collected output. */
  update(metadata: Metadata): void {
    if (this.isFinal) return;
    this.#metadata = { ...this.#metadata, ...metadata };
    this.#touch();
  }

  /** Ends a token operation: the token was used. */
  complete(): void {
    if (!this.isFinal) this.#finish('Success');
  }

  /** Asks the work to stop. Token operations end at once. @throws LxdError bad-request when it cannot be cancelled */
  cancel(): void {
    if (this.isFinal) throw badRequest('Only running operations can be cancelled');
    if (this.spec.class === 'token') {
      this.#finish('Cancelled');
      return;
    }
    if (!this.spec.mayCancel) throw badRequest("This operation can't be cancelled");
    this.#status = 'Cancelling';
    this.#touch();
    this.#abort.abort(new Error('Cancelled'));
  }

  /** Opens a stream. @throws LxdError not-found, forbidden */
  connect(secret: string, socket: WebSocket): void {
    if (!this.spec.sockets) throw notFound('This operation has no streams');
    this.spec.sockets.connect(secret, socket);
  }

  /** The wire form. */
  render(): RenderedOperation {
    const { spec } = this;
    return {
      id: this.id,
      class: spec.class,
      description: spec.description,
      created_at: this.createdAt.toISOString(),
      updated_at: this.#updatedAt.toISOString(),
      status: this.#status,
      status_code: codes[this.#status],
      resources: spec.resources ?? null,
      metadata: this.#metadata ?? null,
      may_cancel: !this.isFinal && (spec.mayCancel === true || spec.class === 'token'),
      err: this.#error,
      location: 'none',
    };
  }

  #touch(): void {
    this.#updatedAt = new Date();
    this.#changed(this);
  }

  #finish(status: OperationStatus): void {
    this.#status = status;
    this.#touch();
    this.spec.sockets?.close();
    this.#finished.resolve();
  }
}
