/**
 * A value that is made at its first use. For regular expressions with properties of characters, which take up to
 * milliseconds to make and which most processes do not need.
 */
export function once<Value extends object>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
