import assert from 'node:assert/strict';
import {test} from './browser.js';
import {address, createEvent, guestLink, january, look, member, update} from './parley.js';

// Goes on by Tab until the node has the focus, which must be seen.
async function tabTo(reader, what, found) {
  for (let presses = 0; presses < 60; presses++) {
    await reader.page.keyboard.press('Tab');
    const there = await reader.page.evaluate(found);
    if (!there) continue;
    const seen = await reader.page.evaluate(() => {
      const node = document.activeElement;
      const {top, bottom, left} = node.getBoundingClientRect();
      const outlined = [node, node.closest('label')].some((each) => each && getComputedStyle(each).outlineStyle === 'solid');
      const over = document.elementFromPoint(left + 4, (top + bottom) / 2);
      return {outlined, inView: top >= 0 && bottom <= innerHeight, covered: !(node.contains(over) || over?.contains(node))};
    });
    assert.deepEqual(seen, {outlined: true, inView: true, covered: false}, what);
    return;
  }
  assert.fail(`Tab does not come to ${what}`);
}

const focus = (reader) => reader.page.evaluate(() => document.activeElement.id || document.activeElement.tagName);

test('a whole answer by keyboard alone', async (open) => {
  const ada = await member('ada');
  const bea = address('bea');
  const event = await createEvent(ada.key, {title: 'Keys', parties: [ada.address, bea],
    slots: Array.from({length: 8}, (_, day) => january(10 + day))});
  const reader = await (await open({reducedMotion: 'reduce'})).open(await guestLink(event, ada.key, bea));
  await reader.sees('#title', 'Keys');
  const {page} = reader;

  // All but the last two are unticked, by the space bar.
  for (let day = 0; day < 6; day++) {
    await tabTo(reader, `time ${day}`, () => document.activeElement.closest('#rows'));
    await page.keyboard.press('Space');
  }
  // Enter on a box sends nothing.
  await page.keyboard.press('Enter');

  await tabTo(reader, 'propose', () => document.activeElement.textContent === 'Propose another time');
  await page.keyboard.press('Enter');
  await tabTo(reader, 'the time', () => document.activeElement.id === 'time');
  await page.keyboard.type('1130a');
  await tabTo(reader, 'the length', () => document.activeElement.id === 'lasts');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  await tabTo(reader, 'add', () => document.activeElement.textContent === 'Add this time');
  await page.keyboard.press('Enter');
  await reader.sees('#status', 'Added: Sun 16 January 2033, 11:30 – 12:30.');
  assert.equal((await look(event, ada.key)).etag, event.etag, 'nothing is sent yet');

  await tabTo(reader, 'send', () => document.activeElement.id === 'send');
  await page.keyboard.press('Enter');
  await reader.sees('#status', 'Your choice is sent: 3 times.');
  await reader.sees('#send', 'You have confirmed these 3 times');
  assert.equal(await focus(reader), 'send', 'the focus stays on the button that was pressed');

  await tabTo(reader, 'tell', () => document.activeElement.id === 'tell-send');
  await page.keyboard.press('Space');
  await reader.sees('#status', `A mail to ${ada.address} is on its way.`);
  await tabTo(reader, 'the history', () => document.activeElement.textContent === 'What has happened so far');
  await page.keyboard.press('Space');
  await reader.sees('#entries', 'You took out 6 and proposed 1, which leaves 3.');
});

test('the focus stays where it is while others change the event', async (open) => {
  const ada = await member('ada');
  const bea = address('bea');
  const slots = [january(10), january(11), january(12)];
  const event = await createEvent(ada.key, {title: 'Focus', parties: [ada.address, bea], slots});
  const reader = await (await open()).open(await guestLink(event, ada.key, bea));
  await reader.sees('#title', 'Focus');
  await reader.row('11 January').locator('input').focus();
  const box = await reader.page.evaluateHandle(() => document.activeElement);
  const changed = await update(event, ada.key, [slots[1], slots[2], january(9)]);
  await reader.sees('#rows', '9 January');
  assert.equal(await reader.page.evaluate((node) => node === document.activeElement, box), true);
  // Where the node itself goes, the focus goes to one near it.
  const again = await update(changed, ada.key, [slots[2]]);
  await reader.seesTimes(['Wed 12 January 2033, 10:00 – 11:00']);
  assert.equal(await reader.page.evaluate(() => document.activeElement.closest('li')?.innerText.includes('12 January')), true);
  // Where all of it goes, to the title.
  await reader.press('Confirm this time');
  await reader.sees('#state', 'Agreed');
  assert.equal(await focus(reader), 'title');
  assert.equal(again.slots.length, 1);
});

test('what it is made of can be heard', async (open) => {
  const ada = await member('ada');
  const bea = address('bea');
  const event = await createEvent(ada.key, {title: 'Heard', parties: [ada.address, bea],
    slots: [january(10), january(11)], timeZone: 'Asia/Tokyo'});
  const reader = await (await open()).open(await guestLink(event, ada.key, bea));
  await reader.sees('#title', 'Heard');
  const {page} = reader;
  await page.getByRole('main').getByRole('heading', {level: 1, name: 'Heard'}).waitFor();
  await page.getByRole('group', {name: 'Which times suit you?'})
    .getByRole('checkbox', {name: 'Mon 10 January 2033 10:00 – 11:00 18:00 – 19:00 Asia/Tokyo (UTC+09:00)', checked: true}).waitFor();
  await page.getByRole('region', {name: 'Who has confirmed'}).getByText('not yet').waitFor();
  await page.getByRole('button', {name: 'Confirm these 2 times'}).waitFor();
  assert.equal(await page.getByRole('status').count(), 2);
  assert.equal(await page.title(), 'Heard - Parley');
});
