// The build refuses chunks that would not work as the files of CommonJS that it makes of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neededBy, requireConstants, withPlainNamespaces } from '../../../scripts/build/program.js';

test('a chunk that changes what it exports is refused', () => {
  const constants = [
    'var one=1,two=one;function f(){return one==2||one<=two}module.exports={one:one,second:two,f:f};',
    'class A{one=1}var three=3;module.exports={A:A,three:three};',
  ];
  for (const code of constants) requireConstants('chunk-A', code);
  const changes = [
    'var one=1;function f(){one=2}module.exports={f:f,two:two,first:one};',
    'var one;function f(){one=2}module.exports={first:one};',
    'var one=1;function f(){one++}module.exports={first:one};',
    'var one=1;function f(){--one}module.exports={first:one};',
    'var one=1;function f(){one??=2}module.exports={first:one};',
    'var all={};var one=1;function f(){one=2}Object.assign(all,{first:one});module.exports={all:all};',
  ];
  for (const code of changes) {
    assert.throws(() => requireConstants('chunk-A', code), {
      message: 'chunk-A changes what it exports: one',
    });
  }
});

test('a chunk comes behind those that it needs, and a cycle of chunks is refused', () => {
  const chunks = new Map([
    [
      'program',
      'const{a:a}=require("./chunk-A.cjs");Promise.resolve().then(()=>require("./chunk-D.cjs"));',
    ],
    ['chunk-A', 'require("./chunk-B.cjs");const{c:c}=require("./chunk-C.cjs");'],
    ['chunk-B', 'const{c:c}=require("./chunk-C.cjs");'],
    ['chunk-C', ''],
    ['chunk-D', ''],
  ]);
  const names = [...neededBy(['program'], chunks)];
  assert.deepEqual(names, ['chunk-C', 'chunk-B', 'chunk-A', 'program']);
  chunks.set('chunk-C', 'const{a:a}=require("./chunk-A.cjs");');
  assert.throws(() => neededBy(['program'], chunks), {
    message: 'a cycle of chunks: program, chunk-A, chunk-B, chunk-C, chunk-A',
  });
});

test('the object of a whole module has plain values, unless its own chunk uses it', () => {
  const code = (use: string) =>
    `var all={};__export(all,{one:()=>one,two:()=>two2});var one=1,two2=2;${use}module.exports={all,one};`;
  assert.equal(
    withPlainNamespaces(code('')),
    'var all={};var one=1,two2=2;Object.assign(all,{one:one,two:two2});module.exports={all,one};',
  );
  assert.equal(withPlainNamespaces(code('f(all);')), code('f(all);'));
  const ofNobody = 'var all={};__export(all,{one:()=>one});module.exports=__toCommonJS(all);';
  assert.equal(withPlainNamespaces(ofNobody), ofNobody);
});
