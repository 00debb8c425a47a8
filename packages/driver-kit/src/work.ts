/**
 * What every long-running driver call takes as its last argument: how to cancel it and whom to tell about progress.
 * Both are optional; a driver that cannot cancel midway finishes or cleans up before it throws `signal.reason`.
 */
export interface Work {
  readonly signal?: AbortSignal;
  readonly progress?: (progress: Progress) => void;
}

/** A step of a long piece of work. Reported at most a few times a second. */
export interface Progress {
  /** What is being done, in the words of the API's operation metadata: `create_instance_from_image_unpack`, `fs`, … */
  readonly stage: string;
  /** 0–100 when the total is known. */
  readonly percent?: number;
  /** Bytes done so far, when no total is known. */
  readonly bytes?: number;
  /** Bytes per second. */
  readonly speed?: number;
}

/**
 * Undo steps of a piece of work that is under way, run in reverse order unless `commit` was called.
 * Register the undo of a step *before* taking the step, so that a step that fails half way is undone too.
 *
 * @example
 * await using undo = new UndoStack();
 * undo.add('remove the volume', () => pool.deleteVolume(volume));
 * await pool.createVolume(volume);
 * undo.commit();
 */
export class UndoStack implements AsyncDisposable {
  #steps: { what: string; undo: () => Promise<unknown> | unknown }[] = [];
  readonly #onFailure: (what: string, error: unknown) => void;

  /** @param onFailure - told when an undo step itself fails; the other steps still run */
  constructor(
    onFailure: (what: string, error: unknown) => void = (what, error) =>
      process.emitWarning(`Undo failed: ${what}: ${error}`),
  ) {
    this.#onFailure = onFailure;
  }

  add(what: string, undo: () => Promise<unknown> | unknown): void {
    this.#steps.push({ what, undo });
  }

  /** The work is done: forget the undo steps. */
  commit(): void {
    this.#steps = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step.undo();
      } catch (error) {
        this.#onFailure(step.what, error);
      }
    }
  }
}
