import assert from 'node:assert/strict';
import {inspect} from 'node:util';
import {test, withoutKeys} from './browser.js';
import {site} from './parley.js';

const part = '0123456789abcdef0123456789abcdef01234567';
const keys = ['guest', 'api', 'unsubscribe'].map((kind) => `parley_${kind}_${part}`);

test('what is told of a test that fails has no key', async (open) => {
  const reader = await (await open()).open(`${site}/`);
  const link = `${site}/events/none#${keys[0]}`;
  const bodies = [
    () => reader.page.evaluate((text) => { throw new Error(text); }, link),
    () => assert.equal(link, 'another'),
    () => assert.deepEqual({at: [keys[1]]}, {at: [keys[2]]}),
    () => assert.match(keys[1], /^$/),
    () => { throw new Error('no', {cause: new AggregateError([new TypeError(keys[2])], keys[1])}); },
  ];
  for (const body of bodies) {
    const before = await Promise.resolve().then(body).catch((error) => error);
    const whole = (error) => inspect(error, {depth: Infinity, showHidden: true, maxStringLength: Infinity});
    assert(whole(before).includes(part), 'this is no test: there is no key in the error');
    const after = await withoutKeys(body).then(() => assert.fail('nothing was thrown'), (error) => error);
    assert.equal(whole(after).includes(part), false, 'the key is in the error');
    assert.match(whole(after), /parley_(guest|api|unsubscribe)_\.\.\./);
    // All else of it is there.
    assert.equal(after.constructor, before.constructor);
    assert.deepEqual(Object.getOwnPropertyNames(after), Object.getOwnPropertyNames(before));
    assert.equal(after.message.split('\n')[0].replace(/parley_\w+_\.\.\./, ''),
      before.message.split('\n')[0].replace(/parley_\w+/, ''));
  }
});
