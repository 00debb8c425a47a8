/**
 * Input that someone typed or sent and that cannot be accepted. The message is one sentence an operator can act on.
 * An HTTP server answers it with 400 (spec 09 ENV-05), never with 500.
 */
export class InvalidInputError extends Error {
  override name = 'InvalidInputError';
}
