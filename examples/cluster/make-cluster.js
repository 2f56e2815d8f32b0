// Writes what the nodes and the members of a team need: a CA, certificates, keys and configuration.
//   node make-cluster.js FOLDER --nodes nats-1,nats-2,nats-3 --users ann,bob [--also localhost]
// A second run keeps what FOLDER has and makes what is missing. --also: further names in each certificate.
import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const caDays = 3650;
const nodeDays = 825;
const clusterPort = 6222;

// An nkey is an Ed25519 key in base32: prefix, 32 bytes, CRC-16 (XMODEM) with the low byte first. The prefixes make
// a user's key begin with U and its seed with SU.
const [userPrefix, seedPrefix] = [20 << 3, 18 << 3];
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { nodes: { type: 'string' }, users: { type: 'string' }, also: { type: 'string' } },
});
const [folder] = positionals;
const nodes = names('nodes', /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i);
const users = names('users', /^[a-z0-9][a-z0-9_.-]*$/i);
const also = values.also?.split(',') ?? [];
if (folder === undefined || positionals.length > 1 || nodes.length < 3) {
  stop('make-cluster.js FOLDER --nodes A,B,C --users A,B [--also NAME,...]: at least three nodes');
}
process.umask(0o077); // only the user who runs this reads the keys

const ca = { certificate: join(folder, 'ca.pem'), key: join(folder, 'ca-key.pem') };
mkdirSync(join(folder, 'users'), { recursive: true });
if (!existsSync(ca.certificate)) makeCa();

const teamKeys = users.map((name) => publicKey(join(folder, 'users', `${name}.seed`)));
const [adminKey, operatorKey] = ['admin', 'operator'].map((name) =>
  publicKey(join(folder, `${name}.seed`)),
);
for (const node of nodes) makeNode(node);
copyFileSync(new URL('compose.yaml', import.meta.url), join(folder, 'compose.yaml'));

/** A folder that becomes /etc/nats on the node. @param {string} node */
function makeNode(node) {
  const place = join(folder, 'nodes', node);
  mkdirSync(join(place, 'tls'), { recursive: true });
  if (!existsSync(join(place, 'tls/node.pem'))) makeCertificate(node, join(place, 'tls'));
  copyFileSync(ca.certificate, join(place, 'tls/ca.pem'));
  copyFileSync(new URL('nats-server.conf', import.meta.url), join(place, 'nats-server.conf'));
  const address = (/** @type {string} */ name) => `${name}:${clusterPort}`;
  writeFileSync(
    join(place, 'node.conf'),
    `NODE: "${node}"\nADVERTISE: "${address(node)}"\n` +
      `ROUTES: [\n${nodes.map((name) => `  "nats://${address(name)}"\n`).join('')}]\n`,
  );
  const team = users.map((name, index) => `  { nkey: ${teamKeys[index]} }  # ${name}\n`);
  writeFileSync(
    join(place, 'users.conf'),
    `TEAM_KEYS: [\n${team.join('')}  { nkey: ${adminKey}, permissions: { publish: ">", subscribe: ">" } }  # admin\n]\n` +
      `OPERATOR_KEYS: [\n  { nkey: ${operatorKey} }\n]\n`,
  );
}

function makeCa() {
  makeKey(ca.key);
  const name = ['-subj', '/CN=agent-ipc cluster', '-days', `${caDays}`];
  openssl('req', '-new', '-x509', '-key', ca.key, ...name, '-out', ca.certificate);
}

/** One certificate serves both listeners; towards another node it is that of a client. */
function makeCertificate(/** @type {string} */ node, /** @type {string} */ place) {
  const [key, certificate] = [join(place, 'node-key.pem'), join(place, 'node.pem')];
  const [request, extensions] = [join(place, 'request.pem'), join(place, 'extensions')];
  const alternatives = [node, ...also].map((name) => `${isIP(name) ? 'IP' : 'DNS'}:${name}`);
  writeFileSync(
    extensions,
    `subjectAltName=${alternatives.join(',')}\nbasicConstraints=critical,CA:FALSE\n` +
      'keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n',
  );
  makeKey(key);
  openssl('req', '-new', '-key', key, '-subj', `/CN=${node}`, '-out', request);
  const signer = ['-CA', ca.certificate, '-CAkey', ca.key, '-CAcreateserial'];
  const lasting = ['-days', `${nodeDays}`, '-extfile', extensions, '-out', certificate];
  openssl('x509', '-req', '-in', request, ...signer, ...lasting);
  for (const path of [request, extensions]) rmSync(path);
}

function makeKey(/** @type {string} */ path) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  writeFileSync(path, privateKey.export({ format: 'pem', type: 'pkcs8' }));
}

/** Makes the seed if there is none. @param {string} path */
function publicKey(path) {
  if (!existsSync(path)) {
    const { d = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    writeFileSync(path, `${nkey([seedPrefix | (userPrefix >> 5), 0], d)}\n`);
  }
  const secret = fromBase32(readFileSync(path, 'utf8').trim()).subarray(2, 34);
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), secret]);
  const key = createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
  return nkey([userPrefix], key.export({ format: 'jwk' }).x ?? '');
}

function nkey(/** @type {number[]} */ prefix, /** @type {string} */ base64url) {
  const bytes = Buffer.concat([Buffer.from(prefix), Buffer.from(base64url, 'base64url')]);
  const sum = Buffer.alloc(2);
  sum.writeUInt16LE(crc16(bytes));
  const bits = [...bytes, ...sum].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return bits.replace(/.{1,5}/g, (five) => alphabet[Number.parseInt(five.padEnd(5, '0'), 2)] ?? '');
}

function fromBase32(/** @type {string} */ text) {
  const bits = [...text].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0'));
  return Buffer.from((bits.join('').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

function crc16(/** @type {Buffer} */ bytes) {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit++)
      sum = (sum & 0x8000 ? (sum << 1) ^ 0x1021 : sum << 1) & 0xffff;
  }
  return sum;
}

function names(/** @type {'nodes' | 'users'} */ option, /** @type {RegExp} */ valid) {
  const given = values[option]?.split(',') ?? [];
  const wrong = given.find((name) => !valid.test(name));
  if (given.length === 0) stop(`--${option} is missing`);
  if (wrong !== undefined) stop(`--${option}: ${JSON.stringify(wrong)} is no name`);
  return given;
}

function openssl(/** @type {string[]} */ ...args) {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** @param {string} why @returns {never} */
function stop(why) {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}
