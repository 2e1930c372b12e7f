// What clients do with Parley, by each transport.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { Event_State } from "./gen/parley/event/v1/event_pb.js";
import { EventService } from "./gen/parley/event/v1/event_service_pb.js";
import { LogService } from "./gen/parley/event/v1/log_service_pb.js";
import { NotificationService } from "./gen/parley/notification/v1/notification_service_pb.js";
import { WebhookService } from "./gen/parley/notification/v1/webhook_service_pb.js";
import { TokenService } from "./gen/parley/token/v1/token_service_pb.js";
import { as, asMember, asStaff, logged, member, newGuest } from "./system.js";
import { fetched, transports } from "./transports.js";

const services = [EventService, LogService, TokenService, NotificationService, WebhookService];
const slot = (day) =>
  ({ startTime: timestampFromDate(new Date(Date.UTC(2033, 0, day, 9))), duration: { seconds: 3600n } });

/** The error of a call that must fail, with this code. */
async function refused(call, code) {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof ConnectError, error);
    assert.equal(Code[error.code], Code[code], error.message);
    return error;
  }
  assert.fail(`the call should be refused: ${Code[code]}`);
}

/** The one google.rpc.ErrorInfo of an error. */
function errorInfo(error) {
  const [info, ...others] = error.findDetails(ErrorInfoSchema);
  assert.equal(info?.domain, "parley");
  assert.deepEqual(others, []);
  return info;
}

/** The next message of a watch that has an entry; others only tell how far it is. */
async function nextEntry(watch) {
  for (;;) {
    const { done, value } = await watch.next();
    assert.ok(!done, "the stream has ended");
    if (value.logEntry) return value;
  }
}

for (const [name, transport] of Object.entries(transports)) {
  const check = (what, body) => test(`${name}: ${what}`, { timeout: 30_000 }, body);
  const events = createClient(EventService, transport);
  const guest = newGuest();
  const asGuest = as(guest);
  const propose = () => events.createEvent(
    { event: { title: "Größe & 会議", parties: [{ address: guest }], slots: [slot(1), slot(2)] } },
    { headers: asMember });
  const watch = (event, options) =>
    events.watchEvent({ name: event.name }, { headers: asMember, ...options })[Symbol.asyncIterator]();
  const end = async (watching) => { while (!(await watching.next()).done); };
  const confirmed = (event) => event.parties.filter((party) => party.confirmed).map((party) => party.address);

  check("an event is proposed, read, narrowed and agreed", async () => {
    const made = await propose();
    assert.equal(made.state, Event_State.OPEN);
    assert.equal(made.title, "Größe & 会議");
    assert.equal(made.revision, 1n);
    assert.deepEqual(confirmed(made), [member]);
    assert.deepEqual(await events.getEvent({ name: made.name }, { headers: asGuest }), made);

    const narrowed = await events.updateEvent(
      { event: { name: made.name, etag: made.etag, slots: [made.slots[1]] } }, { headers: asGuest });
    assert.deepEqual(narrowed.slots, [made.slots[1]]);
    assert.deepEqual(confirmed(narrowed), [guest]);

    const agreed = await events.confirmEvent({ name: made.name, etag: narrowed.etag }, { headers: asMember });
    assert.equal(agreed.state, Event_State.AGREED);
    assert.deepEqual(confirmed(agreed), [guest, member]);
  });

  check("events are listed, a page after the other", async () => {
    const party = newGuest();
    const titles = ["First", "Second", "Third"];
    for (const title of titles) {
      await events.createEvent({ event: { title, parties: [{ address: party }] } }, { headers: asMember });
    }
    fetched.length = 0;
    const seen = [];
    let pageToken = "";
    do {
      const page = await events.listEvents({ party, pageSize: 2, pageToken }, { headers: asMember });
      seen.push(...page.events.map((event) => event.title));
      pageToken = page.nextPageToken;
    } while (pageToken);
    assert.deepEqual(seen, titles.reverse());
    if (name.startsWith("web") && name.endsWith("by GET")) assert.deepEqual(new Set(fetched), new Set(["GET"]));
  });

  check("a stale etag is told with the present one", async () => {
    const made = await propose();
    const present = await events.updateEvent(
      { event: { name: made.name, etag: made.etag, title: "Another" } }, { headers: asMember });
    const error = await refused(
      events.confirmEvent({ name: made.name, etag: made.etag }, { headers: asMember }), Code.Aborted);
    const info = errorInfo(error);
    assert.equal(info.reason, "ETAG_MISMATCH");
    assert.equal(info.metadata.etag, present.etag);
    assert.ok(error.rawMessage);
  });

  check("all bad fields are told at once", async () => {
    const error = await refused(
      events.createEvent(
        { event: { title: "\n", parties: [{ address: "nobody" }], slots: [{}] } }, { headers: asMember }),
      Code.InvalidArgument);
    assert.equal(errorInfo(error).reason, "INVALID_FIELDS");
    const [bad] = error.findDetails(BadRequestSchema);
    const fields = bad.fieldViolations.map((violation) => violation.field);
    for (const field of ["event.title", "event.parties[0].address", "event.slots[0].start_time"]) {
      assert.ok(fields.includes(field), `${field} is not among ${fields}`);
    }
  });

  check("no credential is told, also of a watch", async () => {
    const error = await refused(events.listEvents({}), Code.Unauthenticated);
    assert.equal(errorInfo(error).reason, "CREDENTIAL_MISSING");
    const made = await propose();
    const ofWatch = await refused(watch(made, { headers: {} }).next(), Code.Unauthenticated);
    assert.equal(errorInfo(ofWatch).reason, "CREDENTIAL_MISSING");
  });

  check("a watch tells what others do meanwhile, and ends with the event", async () => {
    const made = await propose();
    let trailer;
    const watching = watch(made, { onTrailer: (headers) => (trailer = headers) });
    const first = await nextEntry(watching);
    assert.equal(first.sequence, 1n);
    assert.deepEqual(first.event, made);
    // It has caught up.
    assert.equal((await watching.next()).value.logEntry, undefined);

    const changed = await events.updateEvent(
      { event: { name: made.name, etag: made.etag, slots: [slot(3)] } }, { headers: asGuest });
    const second = await nextEntry(watching);
    assert.equal(second.sequence, 2n);
    assert.equal(second.logEntry.effector, guest);
    assert.deepEqual(second.event, changed);

    await events.deleteEvent({ name: made.name, etag: changed.etag }, { headers: asStaff });
    assert.ok((await nextEntry(watching)).logEntry.data.deleted);
    assert.ok((await watching.next()).done);
    assert.ok(trailer);
  });

  check("a watch that its client leaves ends in the gateway too", async () => {
    const leaving = new AbortController();
    let callId;
    const watching = watch(await propose(), {
      signal: leaving.signal,
      onHeader: (headers) => (callId = headers.get("parley-call-id")),
    });
    await nextEntry(watching);
    leaving.abort();
    await refused(end(watching), Code.Canceled);
    assert.equal((await logged(callId)).code, "CANCELLED");
  });

  check("a watch ends by its deadline", async () => {
    let callId;
    const watching = watch(await propose(), {
      timeoutMs: 500,
      onHeader: (headers) => (callId = headers.get("parley-call-id")),
    });
    await nextEntry(watching);
    await refused(end(watching), Code.DeadlineExceeded);
    // Both sides look at their clocks.
    assert.match((await logged(callId)).code, /^(DEADLINE_EXCEEDED|CANCELLED)$/);
  });

  check("each call has an id, in its headers and in its error", async () => {
    const ids = [];
    let trailer;
    const options = {
      headers: asMember,
      onHeader: (headers) => ids.push(headers.get("parley-call-id")),
      onTrailer: (headers) => (trailer = headers),
    };
    await events.listEvents({}, options);
    await events.listEvents({}, options);
    assert.match(ids[0], /^[0-9a-f]{16}$/);
    assert.match(ids[1], /^[0-9a-f]{16}$/);
    assert.notEqual(ids[0], ids[1]);
    assert.ok(trailer);
    assert.equal((await logged(ids[1])).method, "/parley.event.v1.EventService/ListEvents");

    const error = await refused(events.getEvent({ name: "events/none" }, { headers: asMember }), Code.InvalidArgument);
    assert.equal(error.metadata.get("parley-call-id"), errorInfo(error).metadata.call_id);
  });

  check("a request beyond 1 MiB is refused, and the next is not", async () => {
    await refused(events.createEvent({ event: { title: "x".repeat(1.5 * 2 ** 20) } }, { headers: asMember }),
      Code.ResourceExhausted);
    await propose();
  });

  check("what is no public method is unimplemented", async () => {
    const { getEvent, watchEvent } = EventService.method;
    const unary = (method) =>
      transport.unary(method, undefined, undefined, asMember, create(method.input, { name: "events/none" }));
    await refused(unary({ ...getEvent, name: "NoSuchMethod" }), Code.Unimplemented);
    await refused(unary({ ...getEvent, parent: { typeName: "parley.event.v1.NoSuchService" } }), Code.Unimplemented);
    const parent = { typeName: "parley.internal.token.v1.CredentialService" };
    await refused(unary({ ...getEvent, parent, name: "CheckCredential" }), Code.Unimplemented);
    const stream = async (method) => {
      const requests = (async function* () { yield create(method.input); })();
      const { message } = await transport.stream(method, undefined, undefined, asMember, requests);
      for await (const _ of message);
    };
    await refused(stream({ ...watchEvent, name: "NoSuchStream" }), Code.Unimplemented);
  });

  check("every public method is there", async () => {
    for (const service of services) {
      const client = createClient(service, transport);
      for (const method of service.methods) {
        const call = method.methodKind === "unary"
          ? client[method.localName]({})
          : client[method.localName]({})[Symbol.asyncIterator]().next();
        // What needs no credential wants fields.
        const free = ["RequestEmailToken", "Unsubscribe"].includes(method.name);
        await refused(call, free ? Code.InvalidArgument : Code.Unauthenticated);
      }
    }
  });
}
