// Times in zones. An instant is milliseconds since 1970, with a fraction: the server keeps microseconds.

export const minute = 60_000;
const day = 24 * 60 * minute;

// For clocks: the page is in English; whose language is another one gets 24 hours.
const language = globalThis.navigator?.language ?? '';
const locale = /^en\b/.test(language) ? language : 'en-GB';

const formats = new Map();

// Making a format is slow, using it is not.
function format(kind, zone, options, language = locale) {
  const name = kind + zone;
  if (!formats.has(name)) formats.set(name, new Intl.DateTimeFormat(language, {...options, timeZone: zone}));
  return formats.get(name);
}

// The reader's own.
export function readersZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

// UTC where this browser does not know the zone, as in mails.
export function knownZone(zone) {
  try {
    format('clock', zone, {});
    formats.delete('clock' + zone);
    return zone;
  } catch {
    return 'UTC';
  }
}

// America/New York
export const zoneName = (zone) => zone.replaceAll('_', ' ');

// `2027-03-28T00:30:00.123456Z`
export function instant(text) {
  const fraction = /\.(\d+)Z$/.exec(text)?.[1] ?? '';
  return Date.parse(text.replace(/\.\d+Z$/, 'Z')) + Number(`0.${fraction || 0}`) * 1000;
}

// `5400s`, `0.500s`
export const duration = (text) => parseFloat(text) * 1000;

// How far the zone's clocks are ahead of UTC at that instant.
export function offset(at, zone) {
  const parts = format('offset', zone, {
    calendar: 'gregory', hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric',
    hour: 'numeric', minute: 'numeric', second: 'numeric',
  }, 'en-US').formatToParts(at);
  const {year, month, day, hour, minute, second} = Object.fromEntries(parts.map((part) => [part.type, +part.value]));
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
}

// UTC+02:00. Lines break behind a hyphen, not behind a minus.
export function offsetName(at, zone) {
  const ahead = Math.round(offset(at, zone) / minute);
  const two = (number) => String(Math.floor(number)).padStart(2, '0');
  return `UTC${ahead < 0 ? '\u2212' : '+'}${two(Math.abs(ahead) / 60)}:${two(Math.abs(ahead) % 60)}`;
}

// The instants at which clocks in the zone show this date and time: none where they are put forward over it, two where
// they are put back over it.
export function instants(date, time, zone) {
  const local = Date.parse(`${date}T${time}Z`);
  const guesses = [local - offset(local - day, zone), local - offset(local + day, zone)];
  return [...new Set(guesses)].filter((at) => at + offset(at, zone) === local).sort((a, b) => a - b);
}

// `2027-03-28`, as date fields have it.
export function dateIn(at, zone) {
  return new Date(at + offset(at, zone)).toISOString().slice(0, 10);
}

function dayParts(at, zone, month) {
  const parts = format(`${month} day`, zone, {weekday: 'short', day: 'numeric', month, year: 'numeric'}, 'en-GB');
  return Object.fromEntries(parts.formatToParts(at).map((part) => [part.type, part.value]));
}

// Sun 28 March 2027, for everybody, as in mails
export function dayName(at, zone) {
  const {weekday, day, month, year} = dayParts(at, zone, 'long');
  return `${weekday} ${day} ${month} ${year}`;
}

// Sun 28 Mar, with the year where it is not the one of `since`
function shortDayName(at, since, zone) {
  const {weekday, day, month, year} = dayParts(at, zone, 'short');
  return `${weekday} ${day} ${month}${dayParts(since, zone, 'short').year === year ? '' : ` ${year}`}`;
}

// Seconds only where there are some.
export function clock(at, zone) {
  const hour = /^h1/.test(format('cycle', zone, {hour: 'numeric'}).resolvedOptions().hourCycle) ? 'numeric' : '2-digit';
  const whole = at % minute === 0;
  return format(whole ? 'clock' : 'seconds', zone, {hour, minute: '2-digit', ...(whole ? {} : {second: '2-digit'})})
    .format(at);
}

// How clocks and calendars in the zone show a slot, and by which offset: by two where clocks are changed in between.
export function describe({start, end}, zone) {
  const begins = offsetName(start, zone);
  const ends = offsetName(end, zone);
  const endDay = dateIn(start, zone) === dateIn(end, zone) ? ''
    : `${shortDayName(end, start, zone)}, `;
  return {
    day: dayName(start, zone),
    clock: `${clock(start, zone)} – ${endDay}${clock(end, zone)}`,
    offset: begins === ends ? begins : `${begins}, then ${ends}`,
    changes: begins !== ends,
  };
}

// Sun 28 March 2027, 14:00 – 15:00
export function sentence(slot, zone) {
  const {day, clock, offset, changes} = describe(slot, zone);
  return `${day}, ${clock}${changes ? ` (${offset})` : ''}`;
}

// Whether clocks in both zones show the same.
export function sameClocks({start, end}, one, other) {
  return [start, end].every((at) => offset(at, one) === offset(at, other));
}

// 1 hour 30 minutes
export function span(milliseconds) {
  const minutes = Math.max(1, Math.round(milliseconds / minute));
  const hours = Math.floor(minutes / 60);
  const units = [['day', Math.floor(hours / 24)], ['hour', hours % 24], ['minute', minutes % 60]];
  return units.filter(([, number]) => number).map(([unit, number]) => `${number} ${unit}${number === 1 ? '' : 's'}`)
    .join(' ');
}

// about: one unit is enough.
export function roughly(milliseconds) {
  const minutes = Math.ceil(milliseconds / minute);
  const [unit, number] = minutes >= 2880 ? ['day', minutes / 1440] : minutes >= 120 ? ['hour', minutes / 60]
    : ['minute', Math.max(1, minutes)];
  return `${Math.floor(number)} ${unit}${Math.floor(number) === 1 ? '' : 's'}`;
}
