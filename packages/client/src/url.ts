/** Query parameters; those that are `undefined` or empty are left out, `true` becomes `true`. */
export type Query = Record<string, string | number | boolean | undefined>;

/**
 * Builds an API path from its parts, each escaped as one path segment.
 *
 * `apiPath(['instances', 'a/b'])` gives `/1.0/instances/a%2Fb`.
 */
export const apiPath = (segments: readonly string[], query: Query = {}): string =>
  `/1.0${segments.map((segment) => `/${encodeURIComponent(segment)}`).join('')}${queryString(query)}`;

/** `?a=1&b=2`, or the empty text if nothing is left to say. */
export const queryString = (query: Query): string => {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '' && value !== false) params.append(key, String(value));
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
};
