/**
 * Waits for all pieces of work, also when one fails, so that nothing goes on behind an undo.
 *
 * @throws the first failure, when all have ended
 */
export const allDone = async <T extends readonly unknown[]>(
  ...work: { readonly [K in keyof T]: Promise<T[K]> }
): Promise<T> => {
  await Promise.allSettled(work);
  return Promise.all(work);
};
