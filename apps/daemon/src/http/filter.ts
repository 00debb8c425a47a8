import { compileFilter } from '@lxd-ts/api';
import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import type { ApiRequest } from './request.ts';

/**
 * The `filter` parameter of a collection as a predicate over wire objects; undefined when there is none.
 *
 * @throws LxdError bad-request when it cannot be parsed
 */
export const filterFrom = (request: ApiRequest): ((object: object) => boolean) | undefined => {
  const text = request.query.get('filter');
  if (!text) return undefined;
  try {
    return compileFilter(text);
  } catch (error) {
    throw badRequest(`Invalid filter: ${messageOf(error)}`, { cause: error });
  }
};
