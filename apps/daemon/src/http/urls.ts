/**
 * The URL of a resource, as `Location` headers, `used_by` lists and collections give it.
 *
 * @param segments - below `/1.0`, not yet encoded
 * @param project - added as `?project=` unless it is `default`
 */
export const resourceUrl = (segments: readonly string[], project = 'default'): string => {
  const path = `/1.0/${segments.map(encodeURIComponent).join('/')}`;
  return project === 'default' ? path : `${path}?project=${encodeURIComponent(project)}`;
};
