// The agreed time as a calendar file (RFC 5545). Its UID and SEQUENCE are those of the calendars in mails, so that both
// make one entry. It has neither a link nor a key: calendars are shared.

const escaped = (text) => text.replace(/[\\;,]/g, '\\$&').replace(/\r?\n/g, '\\n');

// Whole seconds in UTC, which is what iCalendar has.
const stamp = (at) => new Date(at).toISOString().replace(/[-:]|\.\d+/g, '');

// Lines of at most 75 octets; characters stay whole.
function folded(line) {
  const encoder = new TextEncoder();
  let text = '';
  let octets = 0;
  for (const character of line) {
    const size = encoder.encode(character).length;
    if (octets + size > 75) {
      text += '\r\n ';
      octets = 1;
    }
    text += character;
    octets += size;
  }
  return text;
}

export function calendar(event, now) {
  const [{start, end}] = event.slots;
  return [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:-//Parley//Parley//EN',
    'BEGIN:VEVENT',
    `UID:${event.name.replace('events/', '')}`,
    `DTSTAMP:${stamp(now)}`,
    `SEQUENCE:${2 * event.revision}`,
    'STATUS:CONFIRMED',
    `SUMMARY:${escaped(event.title)}`,
    `DTSTART:${stamp(Math.floor(start / 1000) * 1000)}`,
    `DTEND:${stamp(Math.ceil(end / 1000) * 1000)}`,
    'END:VEVENT',
    'END:VCALENDAR',
  ].map((line) => `${folded(line)}\r\n`).join('');
}
