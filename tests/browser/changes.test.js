import assert from 'node:assert/strict';
import {test} from './browser.js';
import {
  address, call, confirm, createEvent, getLog, guestLink, look, member, memberLink, slot, until, update,
} from './parley.js';

const [first, second, third, fourth] = [4, 5, 6, 7].map((day) => slot(`2033-01-0${day}T09:00:00Z`));

async function prepare(open, slots = [first, second, third], more = {}) {
  const ada = await member('ada');
  const bea = address('bea');
  const event = await createEvent(ada.key, {title: 'Changing', parties: [ada.address, bea], slots, ...more});
  const reader = await (await open()).open(await guestLink(event, ada.key, bea));
  await reader.sees('#title', 'Changing');
  return {ada, bea, event, reader};
}

const ticks = (reader) => reader.$('#rows input').evaluateAll((boxes) => boxes.map((box) => box.checked));

test('another\'s change is shown, and the reader\'s choice kept', async (open) => {
  const {ada, event, reader} = await prepare(open);
  await reader.tick('4 January', false);
  await update(event, ada.key, [first, third, fourth], {title: 'Changed'});
  await reader.sees('#changed', `${ada.address} changed this event meanwhile. Your choice is kept.`);
  assert.match(await reader.text('#changed-list'),
    /No longer proposed\s+Wed 5 January 2033, 10:00 – 11:00\s+New\s+Fri 7 January 2033, 10:00 – 11:00\s+New title\s+Changed/);
  await reader.sees('#title', 'Changed');
  await reader.seesMarks(['', 'no longer proposed, will be proposed again', '', 'new']);
  await reader.comesTo([false, true, true, false], () => ticks(reader));
  await reader.checkLook('changed meanwhile');
  await reader.tick('5 January', false);
  await reader.seesMarks(['', 'no longer proposed', '', 'new']);
  await reader.tick('5 January', true);
  await reader.press('Send my choice');
  await reader.sees('#status', 'Your choice is sent: 2 times.');
  assert.deepEqual((await look(event, ada.key)).slots, [second, third]);
  assert.equal(await reader.$('#changed').isVisible(), false);
});

test('the reader can drop the choice and take the present times', async (open) => {
  const {ada, event, reader} = await prepare(open);
  await reader.tick('4 January', false);
  await update(event, ada.key, [first, fourth]);
  await reader.press('Drop my choice, take the present times');
  await reader.comesTo([true, true], () => ticks(reader));
  await reader.seesMarks(['', '']);
  await reader.press('Confirm these 2 times');
  await reader.sees('#status', 'You have confirmed 2 times.');
});

test('who has chosen nothing sees the present times alone', async (open) => {
  const {ada, event, reader} = await prepare(open);
  await update(event, ada.key, [second, fourth]);
  await reader.sees('#status', `${ada.address} took out 2 and proposed 1, which leaves 2.`);
  await reader.comesTo([true, true], () => ticks(reader));
  assert.equal(await reader.$('#changed').isVisible(), false);
  await reader.press('Confirm these 2 times');
  await reader.sees('#parties .yes >> nth=1', 'confirmed');
});

// Holds what the server tells back, so that the reader sends what is old.
test('a choice that comes too late changes nothing, and can be sent again', async (open) => {
  const {ada, event, reader} = await prepare(open);
  await reader.page.route('**/UpdateEvent', async (route) => {
    await update(event, ada.key, [first, second, fourth]).catch(() => {});
    await route.continue();
  });
  await reader.tick('4 January', false);
  await reader.press('Send my choice');
  await reader.sees('#status', 'Somebody was faster: the event has changed, and nothing was sent.');
  await reader.sees('#changed', 'changed this event meanwhile');
  await reader.comesTo([false, true, true, false], () => ticks(reader));
  assert.deepEqual((await look(event, ada.key)).slots, [first, second, fourth]);
  await reader.page.unroute('**/UpdateEvent');
  await reader.press('Send my choice');
  await reader.sees('#status', 'Your choice is sent: 2 times.');
  assert.deepEqual((await look(event, ada.key)).slots, [second, third]);
});

test('a confirmation that comes too late confirms nothing that was not seen', async (open) => {
  const {ada, bea, event, reader} = await prepare(open);
  await reader.page.route('**/ConfirmEvent', async (route) => {
    await update(event, ada.key, [first, fourth]).catch(() => {});
    await route.continue();
  });
  await reader.press('Confirm these 3 times');
  await reader.sees('#status', 'Somebody was faster');
  await reader.sees('#rows', '7 January');
  await reader.seesMarks(['', 'no longer proposed, will be proposed again',
    'no longer proposed, will be proposed again', 'new']);
  assert.deepEqual((await look(event, ada.key)).parties.find((party) => party.address === bea), {address: bea});
});

test('an event that closes while the reader chooses', async (open) => {
  const ada = await member('ada');
  const chandra = await member('chandra');
  const bea = address('bea');
  const event = await createEvent(ada.key, {title: 'Closing', parties: [ada.address, chandra.address, bea], slots: [first],
    agreementPolicy: {quorum: 'ALL_BUT_ONE'}});
  const reader = await (await open()).open(await guestLink(event, ada.key, bea));
  await reader.tick('4 January', false);
  await confirm(event, chandra.key);
  await reader.sees('#state', 'Agreed');
  await reader.sees('#status', `${chandra.address} confirmed 1 time. It is agreed.`);
  await reader.sees('#agreed', '10:00 – 11:00');
});

// ---- Connections

test('offline: what is there stays, and goes on by itself', async (open) => {
  const {ada, event, reader} = await prepare(open);
  await reader.context.setOffline(true);
  await reader.sees('#away', 'No connection. What you see may be old; your choice is kept.');
  await reader.comesTo('true', () => reader.$('#send').getAttribute('aria-disabled'));
  await reader.tick('4 January', false);
  await reader.checkLook('offline');
  await update(event, ada.key, [first, second]);
  await reader.context.setOffline(false);
  await reader.sees('#away', /^$/);
  await reader.sees('#changed', 'changed this event meanwhile');
  await reader.comesTo([false, true, true], () => ticks(reader));
  await reader.press('Send my choice');
  await reader.sees('#status', 'Your choice is sent: 2 times.');
});

test('a server that is away is waited for, also at the beginning', async (open) => {
  const ada = await member('ada');
  const event = await createEvent(ada.key, {title: 'Waiting', parties: [ada.address, address('bea')], slots: [first]});
  const reader = await open();
  const away = (route) => route.abort();
  await reader.page.route('**/parley.*/**', away);
  await reader.open(memberLink(event, ada.key));
  await reader.sees('#away', 'No connection.');
  await reader.checkLook('away at the beginning');
  await reader.page.unroute('**/parley.*/**', away);
  await reader.sees('#title', 'Waiting');
  await reader.sees('#away', /^$/);
});

test('a stream that says nothing is broken: the page goes on', async (open) => {
  const {ada, event, reader} = await prepare(open);
  // One that never answers, in place of the next connection.
  let silent = 0;
  await reader.page.route('**/WatchEvent', async (route) => {
    silent += 1;
    if (silent > 1) await route.continue();
  });
  await reader.page.clock.install();
  await reader.page.reload();
  await until('the silent stream', () => silent === 1);
  await reader.page.clock.fastForward(26_000);
  await until('another stream', async () => {
    await reader.page.clock.fastForward(2_000);
    return silent > 1;
  });
  await update(event, ada.key, [second]);
  await until('the present times', async () => {
    await reader.page.clock.fastForward(1_000);
    return await reader.$('#rows li').count() === 1;
  });
});

test('a call without an answer is sent again with the same id, and happens once', async (open) => {
  const {event, reader} = await prepare(open, [first, second]);
  const ids = [];
  await reader.page.route('**/UpdateEvent', async (route) => {
    ids.push(route.request().postDataJSON().requestId);
    if (ids.length === 2) return route.continue();
    // It arrives, but its answer does not.
    await route.fetch();
    return route.abort();
  });
  await reader.tick('4 January', false);
  await reader.press('Send my choice');
  await reader.sees('#status', 'Your choice is sent: 1 time.');
  assert.equal(ids.length, 2);
  assert.match(ids[0], /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(ids[0], ids[1]);
  assert.equal((await getLog(event)).filter((entry) => entry.data?.slotsChanged).length, 1);
});

test('who presses again after no answer came sends the same', async (open) => {
  const {event, reader} = await prepare(open, [first]);
  await reader.page.evaluate(() => { Object.defineProperty(crypto, 'randomUUID', {value: undefined}); });
  const ids = [];
  let reachable = false;
  await reader.page.route('**/ConfirmEvent', async (route) => {
    ids.push(route.request().postDataJSON().requestId);
    return reachable ? route.continue() : route.abort();
  });
  await reader.press('Confirm this time');
  await reader.sees('#status', 'No answer came. Press again when the connection is back: nothing happens twice.');
  await reader.checkLook('no answer');
  reachable = true;
  await reader.press('Confirm this time');
  await reader.sees('#state', 'Agreed');
  assert.equal(ids.length, 4);
  assert.equal(new Set(ids).size, 1);
  assert.match(ids[0], /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal((await getLog(event)).filter((entry) => entry.data?.closed).length, 1);
});

test('too many mails are told', async (open) => {
  const {ada, event, reader} = await prepare(open);
  for (let mail = 0; mail < 10; mail++) {
    await call('notification.v1.NotificationService/NotifyParties', {
      event: event.name, recipients: [ada.address], etag: event.etag,
    }, ada.key);
  }
  await reader.sees('#parties', '(you)');
  await reader.unfold('Tell the others by mail');
  await reader.press('Mail 1 person');
  await reader.sees('#status', /Too much for now\. Try again in .*\. Nothing was sent\./);
  await reader.checkLook('too many');
});

test('too many calls: the page waits for as long as it is told', async (open) => {
  const {reader} = await prepare(open);
  const answers = [];
  await reader.page.route('**/WatchEvent', async (route) => {
    answers.push(Date.now());
    if (answers.length > 1) return route.continue();
    return route.fulfill({status: 429, contentType: 'application/json', body: JSON.stringify({
      code: 'resource_exhausted', message: 'too many watches', details: [
        {type: 'google.rpc.ErrorInfo', value: '', debug: {reason: 'RATE_LIMITED', domain: 'parley', metadata: {}}},
        {type: 'google.rpc.RetryInfo', value: '', debug: {retryDelay: '2.500s'}},
      ],
    })});
  });
  await reader.page.reload();
  await reader.sees('#away', 'This page asks too often for now. It goes on by itself.');
  await reader.sees('#title', 'Changing');
  await reader.sees('#away', /^$/);
  assert(answers[1] - answers[0] >= 2400, `${answers[1] - answers[0]} ms`);
});

// Others have changed the times while a press was under way.
const overtaken = 'The times have just changed. Look again.';

test('a press that began before the times changed confirms nothing', async (open) => {
  const {ada, event, reader} = await prepare(open, [first]);
  const button = reader.page.getByRole('button', {name: 'Confirm this time', exact: true});
  await button.hover();
  await reader.page.mouse.down();
  await update(event, ada.key, [slot('2033-01-06T09:00:00Z')]);
  await reader.sees('#rows', '6 January');
  // Not before what has changed may have been seen: the press began on another time all the same.
  await reader.$('#send[aria-disabled=false]').waitFor();
  await reader.page.mouse.up();
  await reader.sees('#status', overtaken);
  assert.equal(reader.calls.includes('ConfirmEvent'), false);
  await reader.press('Confirm this time');
  await reader.sees('#state', 'Agreed');
});

test('whoever was about to say that no time suits does not confirm the time that comes', async (open) => {
  const {ada, event, reader} = await prepare(open, []);
  await reader.press('Confirm that no time suits');
  await reader.$('#yes:focus').waitFor();
  await update(event, ada.key, [slot('2033-01-06T09:00:00Z')]);
  await reader.sees('#rows', '6 January');
  assert.equal(await reader.page.evaluate(() => document.activeElement.id), 'title');
  await reader.page.keyboard.press('Enter');
  await reader.$('#send[aria-disabled=false]').waitFor();
  assert.equal(reader.calls.includes('ConfirmEvent'), false);
});

test('what has been seen is confirmed, and not what came meanwhile', async (open) => {
  const {ada, event, reader} = await prepare(open, [first], {agreementPolicy: {confirmedBy: 'VIEW'}});
  await reader.page.route('**/ConfirmEvent', async (route) => {
    await update(event, ada.key, [slot('2033-01-06T09:00:00Z')]);
    await route.continue();
  }, {times: 1});
  await reader.press('I have seen these times');
  await reader.sees('#status', 'Somebody was faster: the event has changed, and nothing was sent.');
  await reader.sees('#rows', '6 January');
  await reader.sees('#state', 'Open');
  assert.equal(reader.calls.includes('GetEvent'), false, 'it would confirm');
});

test('a tick that is made while the choice is sent stays', async (open) => {
  const {reader} = await prepare(open);
  let go;
  const held = new Promise((resolve) => { go = resolve; });
  await reader.page.route('**/UpdateEvent', async (route) => {
    await held;
    await route.continue();
  });
  const boxes = reader.$('#rows input');
  await boxes.nth(0).uncheck();
  await reader.press('Send my choice');
  await reader.sees('#send', 'Sending …');
  await boxes.nth(1).uncheck();
  go();
  await reader.sees('#status', 'Your choice is sent: 2 times.');
  await reader.sees('#send', 'Send my choice');
  assert.deepEqual(await reader.page.$$eval('#rows input', (all) => all.map((box) => box.checked)), [false, true]);
});

test('a log that is told anew is taken, with the choice', async (open) => {
  const {reader} = await prepare(open, [first, second]);
  await reader.$('#rows input').nth(0).uncheck();
  let told = 0;
  await reader.page.route('**/WatchEvent', async (route) => {
    told += 1;
    if (told > 1) return route.continue();
    return route.fulfill({status: 400, contentType: 'application/json', body: JSON.stringify({
      code: 'out_of_range', message: 'the log has not been there', details: [
        {type: 'google.rpc.ErrorInfo', value: '', debug: {reason: 'CURSOR_INVALID', domain: 'parley', metadata: {}}}],
    })});
  });
  await reader.page.evaluate(() => dispatchEvent(new Event('online')));
  await until('the log is asked for anew', async () => told > 1);
  await reader.sees('#send', 'Send my choice');
  assert.equal(await reader.$('#rows input').nth(0).isChecked(), false);
  await reader.press('Send my choice');
  await reader.sees('#status', 'Your choice is sent: 1 time.');
});
