/** A property of something that is not known: of a driver, of a caller's transaction, of parsed JSON. */
export function propertyOf(value: unknown, key: string): unknown {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return undefined
  return Reflect.get(value, key)
}
