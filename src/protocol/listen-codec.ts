// The headers of a listen, which names addresses of the owner's machine, and of its response.
import type { ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { listenAddressesMax } from '../base/limits.ts';
import type { ListeningResponse, ListenRequest } from '../model/requests.ts';
import type { Frame } from './frame.ts';
import { checkAddresses, readHeader } from './header-fields.ts';

/** The length of a text. */
const addressBytesMin = 1;

export function writeAddressesHeader(
  writer: ByteWriter,
  { addresses }: { readonly addresses: readonly string[] },
): void {
  writer.texts(addresses);
}

export function decodeListen(frame: Frame): ListenRequest {
  const addresses = readAddresses(frame);
  if (addresses.length <= listenAddressesMax) {
    return { kind: 'listen', request: frame.request, addresses };
  }
  const what = `${addresses.length} addresses at once; limit ${listenAddressesMax}`;
  throw new IpcError('bad_parameter', what);
}

export function decodeListening(frame: Frame): ListeningResponse {
  const addresses = checkAddresses([...readAddresses(frame)]);
  return { kind: 'listening', request: frame.request, addresses };
}

function readAddresses(frame: Frame): readonly string[] {
  return readHeader(frame, (reader) => reader.list(addressBytesMin, () => reader.text()));
}
