import assert from 'node:assert/strict';
import {test} from './browser.js';
import {address, createEvent, guestLink, look, member, memberLink, slot} from './parley.js';

// In Europe clocks are put forward on 27 March 2033, at 2:00 in Berlin, and back on 30 October 2033, at 3:00.
async function openEvent(open, slots, zone = 'Europe/Berlin', timeZone = 'Europe/Berlin') {
  const ada = await member('ada');
  const event = await createEvent(ada.key, {title: 'Clocks', parties: [ada.address, address('bea')], slots, timeZone});
  const reader = await (await open({zone})).open(memberLink(event, ada.key));
  await reader.sees('#title', 'Clocks');
  return {ada, event, reader};
}

async function propose(reader, date, time, minutes = '60') {
  if (await reader.$('#date').isHidden()) await reader.unfold('Propose another time');
  await reader.$('#date').fill(date);
  await reader.$('#time').fill(time);
  await reader.$('#lasts').selectOption(minutes);
  await reader.press('Add this time');
}

test('the hours around the change of clocks in March are shown right', async (open) => {
  const {reader} = await openEvent(open, [slot('2033-03-26T22:30:00Z', 7200), slot('2033-03-27T00:30:00Z'),
    slot('2033-03-27T01:00:00Z'), slot('2033-03-27T06:00:00Z', 86400)]);
  await reader.seesTimes([
    'Sat 26 March 2033, 23:30 – Sun 27 Mar, 01:30',
    'Sun 27 March 2033, 01:30 – 03:30',
    'Sun 27 March 2033, 03:00 – 04:00',
    'Sun 27 March 2033, 08:00 – Mon 28 Mar, 08:00',
  ]);
  assert.deepEqual(await reader.$('#rows .offset').allInnerTexts(),
    ['UTC+01:00', 'UTC+01:00, then UTC+02:00', 'UTC+02:00', 'UTC+02:00']);
  assert.deepEqual((await reader.$('#rows .zone').allInnerTexts()).filter(Boolean), [], 'one zone, told once');
  assert.equal(await reader.text('#zone'), 'In your time zone, Europe/Berlin.');
  await reader.checkLook('clocks change');
});

test('the hours around the change of clocks in October are shown right', async (open) => {
  const {reader} = await openEvent(open, [slot('2033-10-30T00:30:00Z', 1800), slot('2033-10-30T01:30:00Z', 1800),
    slot('2033-10-30T00:30:00Z', 3600)]);
  await reader.seesTimes(['Sun 30 October 2033, 02:30 – 02:00', 'Sun 30 October 2033, 02:30 – 02:30',
    'Sun 30 October 2033, 02:30 – 03:00']);
  assert.deepEqual(await reader.$('#rows .offset').allInnerTexts(),
    ['UTC+02:00, then UTC+01:00', 'UTC+02:00, then UTC+01:00', 'UTC+01:00']);
});

test('a time that clocks leave out is refused, and one that comes twice is told', async (open) => {
  const {ada, event, reader} = await openEvent(open, [slot('2033-03-25T13:00:00Z')]);
  await propose(reader, '2033-03-27', '02:30');
  await reader.sees('#propose-error', '02:30 does not exist on that day in Europe/Berlin: clocks are put forward over it.');
  assert.equal(await reader.page.evaluate(() => document.activeElement.id), 'time');
  assert.equal(await reader.$('#time').getAttribute('aria-invalid'), 'true');
  await reader.checkLook('a time that does not exist');
  assert.equal(await reader.$('#rows li').count(), 1);

  await propose(reader, '2033-03-27', '03:00');
  await reader.sees('#status', 'Added: Sun 27 March 2033, 03:00 – 04:00.');
  await reader.sees('#propose-error', /^$/);
  await propose(reader, '2033-10-30', '02:30');
  await reader.sees('#status', '02:30 comes twice that day, since clocks are put back. This is the first one, UTC+02:00.');
  await reader.seesMarks(['', 'your proposal', 'your proposal']);
  await reader.press('Send my choice');
  await reader.sees('#status', 'Your choice is sent: 3 times.');
  assert.deepEqual((await look(event, ada.key)).slots, [slot('2033-03-25T13:00:00Z'), slot('2033-03-27T01:00:00Z'),
    slot('2033-10-30T00:30:00Z')]);
});

test('what cannot be proposed is told', async (open) => {
  const {reader} = await openEvent(open, [slot('2033-03-25T13:00:00Z')]);
  await propose(reader, '', '');
  await reader.sees('#propose-error', 'Give the day.');
  await propose(reader, '2033-03-25', '');
  await reader.sees('#propose-error', 'Give the time at which it begins.');
  await propose(reader, '2020-03-26', '10:00');
  await reader.sees('#propose-error', 'This time is over already.');
  await propose(reader, '2033-03-25', '14:00');
  await reader.sees('#propose-error', 'This time is in the list already.');
  for (let day = 1; day <= 29; day++) await propose(reader, `2033-05-${String(day).padStart(2, '0')}`, '10:00');
  await reader.sees('#status', '29 May');
  await propose(reader, '2033-06-01', '10:00');
  await reader.sees('#propose-error', 'At most 30 times can be proposed. Untick some first.');
  await reader.press('Send my choice');
  await reader.sees('#status', 'Your choice is sent: 30 times.');
  await reader.sees('#send', 'You have confirmed these 30 times');
});

test('the event\'s zone is told where its clocks differ, its day too', async (open) => {
  const {reader} = await openEvent(open, [slot('2033-01-04T20:00:00Z'), slot('2033-03-19T08:00:00Z', 5400.5)], 'Asia/Kolkata',
    'America/St_Johns');
  await reader.seesTimes(['Wed 5 January 2033, 01:30 – 02:30', 'Sat 19 March 2033, 13:30 – 15:00:00']);
  assert.deepEqual(await reader.$('#rows .zone').allInnerTexts(), [
    'Tue 4 January 2033, 16:30 – 17:30 America/St Johns (UTC−03:30)',
    '05:30 – 07:00:00 America/St Johns (UTC−02:30)',
  ]);
});

test('times that are over are told so', async (open) => {
  const ada = await member('ada');
  const bea = address('bea');
  const soon = Date.now() + 30_000;
  const event = await createEvent(ada.key, {title: 'Late', parties: [ada.address, bea],
    slots: [{startTime: new Date(soon).toISOString(), duration: '0.001s'}, slot('2033-03-25T13:00:00Z')]});
  const link = await guestLink(event, ada.key, bea);
  const reader = await (await open()).open(link);
  await reader.sees('#title', 'Late');
  // To the page alone it is later, by less than what it takes for a clock that is wrong: a minute.
  await reader.page.clock.install({time: soon + 5_000});
  await reader.page.reload();
  await reader.page.clock.runFor(1000);
  await reader.sees('#rows', 'over');
  await reader.seesMarks(['over', '']);
});
