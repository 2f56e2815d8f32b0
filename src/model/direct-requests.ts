// Requests and responses from point to point, without a broker.
import type { Name, Origin } from './message.ts';
import type { RequestNumber } from './requests.ts';

/** Point to point: hands a message to the process that listens. */
export interface SendRequest {
  readonly kind: 'send';
  readonly request: RequestNumber;
  readonly from: Name | '';
  readonly origin: Origin;
  readonly checksum: number;
  readonly body: Buffer;
}

export interface PingRequest {
  readonly kind: 'ping';
  readonly request: RequestNumber;
}

/** Point to point: the receiver has the message. */
export interface ReceivedResponse {
  readonly kind: 'received';
  readonly request: RequestNumber;
}

export interface Pong {
  readonly kind: 'pong';
  readonly request: RequestNumber;
}
