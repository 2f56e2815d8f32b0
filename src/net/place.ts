// Names the network that this process is in: its machine and, on Linux, its network namespace. Loopback has the
// same addresses and ports in each of them, so an address alone does not say which program answers there.
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

type Interfaces = Readonly<Record<string, NetworkInterfaceInfo[] | undefined>>;

/** Where nothing can be read, no other process has the same text: it fits nowhere but in this process. */
const unknownPlace = randomBytes(16).toString('hex');

/** The same text in all processes on this loopback network, and another one everywhere else. */
export function placeHere(): string {
  try {
    if (process.platform === 'linux') return linuxPlace();
    return hardwarePlace(hostname(), networkInterfaces()) ?? unknownPlace;
  } catch {
    // No /proc, or a sandbox that hides it.
    return unknownPlace;
  }
}

function linuxPlace(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${boot} ${readlinkSync('/proc/self/ns/net')}`;
}

/** undefined without hardware: a name alone may be that of two machines. */
export function hardwarePlace(name: string, interfaces: Interfaces): string | undefined {
  const hardware = Object.values(interfaces)
    .flatMap((each) => each ?? [])
    .filter(({ internal, mac }) => !internal && /[1-9a-f]/.test(mac))
    .map(({ mac }) => mac);
  if (hardware.length === 0) return undefined;
  return [name, ...[...new Set(hardware)].sort()].join(' ');
}
