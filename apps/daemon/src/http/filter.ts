import { compileFilter } from '@lxd-ts/api';
import type { ApiRequest } from './request.ts';

/**
 * The `filter` parameter of a collection as a predicate over wire objects; undefined when there is none.
 *
 * @throws FilterError when it cannot be parsed, which is answered with 400
 */
export const filterFrom = (request: ApiRequest): ((object: object) => boolean) | undefined => {
  const text = request.query.get('filter');
  return text ? compileFilter(text) : undefined;
};
