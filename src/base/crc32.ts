// In the form that an older Node can load: it lacks crc32, and a named import of what is missing fails before the
// library can say which Node it needs.
import zlib from 'node:zlib';

export const { crc32 } = zlib;
