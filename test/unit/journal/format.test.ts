// A store as the first version wrote it, byte for byte: every later version must read it.
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { openStore, storeFolder } from '../../support/disk/journal-store.ts';

/** In base64, by path. Never to be generated anew: a later format must still read these files. */
const formatOne = {
  'epochs/00000001/seg-000001.log': `
    /0oBAAAAADIAAAAAAAAAAB+ftZ0AAZGaTfiddS95FdZc8f0QqMYAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAA
    AAAAAP9KAgAAAAAMAAAAAAAAAAC7OKZQAAAAAQAAAAAAAABG/0oQAAAAAEoAAAAHNG5J7V07ykwAAAAAAAAAAQAA
    AYvP5WgAEjAxMjM0NTY3ODlhYmNkZWYuMQFBAUIABHRlc3QAAAAHBGhlcmUAAAAHNG5J7QAAAAAAAAAAAAAAAGdy
    w7zDn2X/ShAAAAAASgAAAAQQLeCrk7qzWwAAAAAAAAACAAABi8/laAASMDEyMzQ1Njc4OWFiY2RlZi4yAUEBQgAE
    dGVzdAAAAAcEaGVyZQAAAAQQLeCrAAAAAAAAAAAAAAAAZG9uZf9KEgAAAAAdAAAAAAAAAACAKMzrAAAAAAAAAAEQ
    MDEyMzQ1Njc4OWFiY2RlZgAAAAH/ShQAAAAADAAAAAAAAAAAdR6Y4wAAAAAAAAABAAAAAv9KEAAAAABSAAAAAAAA
    AABkZelXAAAAAAAAAAMAAAGLz+VoABIwMTIzNDU2Nzg5YWJjZGVmLjMBQwFCAAR0ZXN0AAAABwRoZXJlAAAAAAAA
    AAAAAAAAAAAAAAAAAAEAAAAAAAAAAv9KAgAAAAAMAAAAAAAAAACa+1XVAAAAAQAAAAAAAAHkAAAA`,
  'epochs/00000002/owner.json': `
    eyJwaWQiOjQyLCJzdGFydGVkIjoxNzAwMDAwMDAwMDAwLCJhZGRyZXNzZXMiOlsiMTI3LjAuMC4xOjEiXSwic2Vh
    bGVkIjp7InNlZ21lbnQiOjEsIm9mZnNldCI6NDc5LCJjaGVja3N1bSI6MTk2NjAyODEwN319Cg==`,
  'epochs/00000002/seg-000001.log': `
    /0oBAAAAAEIAAAAAAAAAAFdm1V8AAZGaTfiddS95FdZc8f0QqMYAAAAAAAAABAAAAAAAAABhAAAAAAAAAAAAAAAA
    AAAAAQAAAAEAAAABAAAAAAAAAeT/ShYAAAAATQAAAAAAAAAAUHL/ERAwMTIzNDU2Nzg5YWJjZGVmAAAAAAAAAAAA
    AAADAAAAAAAAAAEAAAAAAAAAAQAAAAAAAAACAAAAAAAAAAIAAAAAAAAAAwAAAAAAAAAD/0oCAAAAAAwAAAAAAAAA
    ACqV1c8AAAABAAAAAAAAALf/ShUAAAAAGQAAAAAAAAAA1wmlNQAAAAAAAAADDGRlYWQtbGV0dGVycwAAABX/ShAA
    AAAASgAAAASQwWZ9ZNYTSAAAAAAAAAAEAAABi8/laAASMDEyMzQ1Njc4OWFiY2RlZi40AUEBQgAEdGVzdAAAAAcE
    aGVyZQAAAASQwWZ9AAAAAAAAAAAAAAAAZm91cv9KGQAAAABFAAAAAAAAAAA8gTHlAAAAAAAAAAQAAAGLz+VoABIw
    MTIzNDU2Nzg5YWJjZGVmLjQBQQFCAAR0ZXN0AAAABwRoZXJlAAAABJDBZn0BQQAAAAEA/0oTAAAAAAwAAAAAAAAA
    ANzRbyMAAAABAAAAAAAAAAL/SgIAAAAADAAAAAAAAAAAcOcN5AAAAAEAAAAAAAAB3wA=`,
};

test('a store of format 1 is read as it was written', async () => {
  const epochs = `${storeFolder}/epochs`;
  const folders = [storeFolder, epochs, `${epochs}/00000001`, `${epochs}/00000002`];
  const disk = new CrashDisk('/home', ...folders);
  for (const [name, text] of Object.entries(formatOne)) {
    const path = `${storeFolder}/${name}`;
    assert(folders.includes(dirname(path)));
    disk.tamper(path, Buffer.from(text, 'base64'));
  }
  const { journal, model } = await openStore({ disk: disk.process() });
  const common = '"origin":{"program":"test","pid":7,"machine":"here"},"bodyBytes"';
  const posted = (number: number, to: string) =>
    `${number} {"id":"0123456789abcdef.${number}","number":${number},"to":"${to}","from":"B","time":1700000000000,"answers":"",${common}`;
  assert.deepEqual(model.state().split('\n'), [
    `${posted(1, 'A')}:7,"checksum":879643117,"depth":0} A 2  grüße`,
    `${posted(3, 'C')}:0,"checksum":0,"depth":0} dead-letters 21  `,
    `${posted(4, 'A')}:4,"checksum":2428593789,"depth":0} A 1  undefined`,
    '0123456789abcdef [[1,1],[2,2],[3,3],[4,4]]',
  ]);
  assert.deepEqual([journal.epoch, journal.nextNumber, journal.damagedMessages], [3, 5, 1]);
  assert.deepEqual(journal.warnings(), []);
});
