// Names the network that this process is in: its machine and, on Linux, its network namespace. Loopback has the
// same addresses and ports in each of them, so an address alone does not say which program answers there.
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

type Interfaces = Readonly<Record<string, NetworkInterfaceInfo[] | undefined>>;

let unknown: string | undefined;

/** Read once: a process stays in its boot, and Node cannot enter another network namespace. */
let linuxPlace: string | undefined;

/** The same text in all processes on this loopback network, and another one everywhere else. */
export function placeHere(): string {
  try {
    if (process.platform === 'linux') {
      linuxPlace ??= readLinuxPlace();
      return linuxPlace;
    }
    return hardwarePlace(networkInterfaces()) ?? unknownPlace();
  } catch {
    // No /proc, or a sandbox that hides it.
    return unknownPlace();
  }
}

/** Where nothing can be read, no other process has the same text: it fits nowhere but in this process. */
function unknownPlace(): string {
  unknown ??= randomBytes(16).toString('hex');
  return unknown;
}

function readLinuxPlace(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${boot} ${readlinkSync('/proc/self/ns/net')}`;
}

/** undefined where no address of the hardware can be read. */
export function hardwarePlace(interfaces: Interfaces): string | undefined {
  const hardware = Object.values(interfaces)
    .flatMap((each) => each ?? [])
    .filter(({ internal, mac }) => !internal && /[1-9a-f]/.test(mac))
    .map(({ mac }) => mac);
  return [...new Set(hardware)].sort().join(' ') || undefined;
}
