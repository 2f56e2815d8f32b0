// What the server of the page answers to a request that it does not carry out.
import { IpcError } from '../base/errors.ts';
import type { WireFault } from './wire.ts';

/** A fault of the request as HTTP sees it. Faults of mail are `IpcError`s. */
export class HttpFault extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;

  constructor(status: number, code: string, what: string, hint = '') {
    super(what);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

/** Anything else is a fault of this program: the page learns no more than that. */
export function faultAnswer(error: unknown): { status: number; fault: WireFault } {
  if (error instanceof HttpFault || error instanceof IpcError) {
    const { code, message, hint } = error;
    return { status: statusOf(error), fault: { error: { code, message, hint } } };
  }
  const message = 'the program failed';
  const hint = 'see the terminal in which `ipc ui` runs';
  return { status: 500, fault: { error: { code: 'internal', message, hint } } };
}

function statusOf(error: HttpFault | IpcError): number {
  if (error instanceof HttpFault) return error.status;
  if (error.kind.fault === 'usage') return 400;
  return error.kind.retry ? 503 : 409;
}
