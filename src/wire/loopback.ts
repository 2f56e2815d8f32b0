// Until other machines are supported, nothing is dialled or bound beyond loopback.
import { lookup } from 'node:dns/promises';
import { BlockList, isIPv4 } from 'node:net';
import { IpcError } from '../core/errors.ts';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * The addresses of a host, IPv4 first; `not_loopback` when one of them leaves this machine.
 * `parameter`: what named it, for the error.
 */
export async function resolveLoopback(
  host: string,
  parameter = 'host',
): Promise<[string, ...string[]]> {
  const addresses = await resolveHost(host, parameter);
  for (const address of addresses) {
    if (!loopback.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')) {
      throw new IpcError(
        'not_loopback',
        `${parameter} ${host} is not a loopback address of this machine`,
      );
    }
  }
  const [first, ...others] = addresses;
  if (first === undefined) throw unknownHost(host, parameter);
  return [first, ...others];
}

async function resolveHost(host: string, parameter: string): Promise<string[]> {
  try {
    const found = await lookup(host, { all: true });
    return found.sort((a, b) => a.family - b.family).map(({ address }) => address);
  } catch (error) {
    throw unknownHost(host, parameter, error);
  }
}

function unknownHost(host: string, parameter: string, cause?: unknown): IpcError {
  return new IpcError('host_unknown', `${parameter} ${host}: no such host`, { cause });
}
