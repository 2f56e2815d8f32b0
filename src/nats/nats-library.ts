// What is used of the clients of NATS. The build puts it into a file of its own, which is loaded when a NATS address is
// given.
export { jetstream, jetstreamManager } from '@nats-io/jetstream';
export { credsAuthenticator, headers, nkeyAuthenticator } from '@nats-io/transport-node';
export { connect, Dialing } from './nats-transport.ts';
