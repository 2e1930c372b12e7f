// What goes over the wire, byte by byte: what clients other than Connect's rely on, and what they do wrong.
import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { cors } from "@connectrpc/connect";
import { ListEventsRequestSchema, ListEventsResponseSchema } from "./gen/parley/event/v1/event_service_pb.js";
import { as, asMember, asStaff, http, newGuest } from "./system.js";

const check = (what, body) => test(`HTTP: ${what}`, { timeout: 30_000 }, body);
const url = (method) => `${http}/parley.event.v1.EventService/${method}`;
const json = { "content-type": "application/json" };

/** POSTs JSON as the member. */
const post = (method, message, headers) =>
  fetch(url(method), { method: "POST", headers: { ...json, ...asMember, ...headers }, body: JSON.stringify(message) });
async function answer(response) {
  const text = await response.text();
  assert.equal(response.status, 200, text.slice(0, 300));
  return JSON.parse(text);
}
/** Expects Connect's error as JSON, with this HTTP status. */
async function refused(response, status, code) {
  const text = await response.text();
  assert.equal(response.status, status, text.slice(0, 300));
  assert.equal(response.headers.get("content-type"), "application/json");
  const error = JSON.parse(text);
  assert.equal(error.code, code, text);
  return error;
}
/** The headers and the status alone. A body that is not read would keep the process from ending. */
async function head(call) {
  const response = await call;
  await response.arrayBuffer();
  return response;
}
const propose = async (guest = newGuest()) => answer(await post("CreateEvent", {
  event: { parties: [{ address: guest }], slots: [{ startTime: "2033-01-01T09:00:00Z", duration: "3600s" }] } }));

// Streams, and all of gRPC-Web, come in frames: a byte of flags, four of length.
function frame(data, flags = 0) {
  const head = Buffer.alloc(5, flags);
  head.writeUInt32BE(data.length, 1);
  return Buffer.concat([head, Buffer.from(data)]);
}
function frames(bytes) {
  const all = [];
  for (let rest = Buffer.from(bytes); rest.length; rest = rest.subarray(5 + rest.readUInt32BE(1))) {
    all.push({ flags: rest[0], data: rest.subarray(5, 5 + rest.readUInt32BE(1)) });
  }
  return all;
}

check("an error is JSON with its code, its message and its details", async () => {
  const response = await fetch(url("ListEvents"), { method: "POST", headers: json, body: "{}" });
  const callId = response.headers.get("parley-call-id");
  const error = await refused(response, 401, "unauthenticated");
  assert.ok(error.message);
  const [info] = error.details.filter((detail) => detail.type === "google.rpc.ErrorInfo");
  // Base64 without padding, as Connect wants it.
  assert.match(info.value, /^[A-Za-z0-9+/]+$/);
  const value = Buffer.from(info.value, "base64").toString("latin1");
  assert.ok(value.includes("CREDENTIAL_MISSING"));
  assert.ok(value.includes(callId));
});

check("each code has its HTTP status", async () => {
  const name = "events/01a203a0-a7c5-7c18-936f-7f8111cf67f3";
  await refused(await post("GetEvent", { name: "nothing" }), 400, "invalid_argument");
  await refused(await post("GetEvent", { name }), 403, "permission_denied");
  await refused(await post("GetEvent", { name }, asStaff), 404, "not_found");
  const guest = newGuest();
  const made = await propose(guest);
  await answer(await post("UpdateEvent", { event: { name: made.name, etag: made.etag, title: "Another" } }));
  await refused(await post("ConfirmEvent", { name: made.name, etag: made.etag }), 409, "aborted");
  const agreed = await answer(await post("ConfirmEvent", { name: made.name, etag: "2" }, as(guest)));
  assert.equal(agreed.state, "AGREED");
  await refused(await post("UpdateEvent", { event: { name: made.name, etag: agreed.etag, title: "A third" } }), 400,
    "failed_precondition");
  await refused(await post("CreateEvent", { event: { title: "x".repeat(1.5 * 2 ** 20) } }), 429, "resource_exhausted");
  await refused(await post("NoSuchMethod", {}), 501, "unimplemented");
});

check("what is no request is refused", async () => {
  const send = (body, type) =>
    fetch(url("ListEvents"), { method: "POST", headers: { ...asMember, "content-type": type }, body });
  await refused(await send("{", "application/json"), 400, "invalid_argument");
  await refused(await send('{"pageSize": "many"}', "application/json"), 400, "invalid_argument");
  await refused(await send(Buffer.from([0xff, 0xff]), "application/proto"), 400, "invalid_argument");
  await answer(await send("{}", "application/json; charset=utf-8"));
});

check("other content types are 415", async () => {
  const status = async (method, type) => (await head(
    fetch(url(method), { method: "POST", headers: { ...asMember, "content-type": type }, body: "{}" }))).status;
  for (const type of ["text/plain", "application/xml", "application/connect+json", "application/grpc"]) {
    assert.equal(await status("ListEvents", type), 415, type);
  }
  for (const type of ["application/json", "application/proto", "application/connect+xml"]) {
    assert.equal(await status("WatchEvent", type), 415, type);
  }
});

check("only what has no side effects is called by GET", async () => {
  const get = (method, query) => fetch(`${url(method)}?${new URLSearchParams(query)}`, { headers: asMember });
  const party = newGuest();
  const made = await propose(party);
  const message = JSON.stringify({ party });
  const base64 = { connect: "v1", encoding: "json", base64: "1" };
  for (const query of [
    { connect: "v1", encoding: "json", message },
    { ...base64, message: Buffer.from(message).toString("base64url") },
    // Of each length, and so with padding too.
    { ...base64, message: Buffer.from(`${message} `).toString("base64") },
    { ...base64, message: Buffer.from(`${message}  `).toString("base64") },
  ]) {
    const listed = await answer(await get("ListEvents", query));
    assert.deepEqual(listed.events.map((event) => event.name), [made.name], query.message);
  }
  const bytes = toBinary(ListEventsRequestSchema, create(ListEventsRequestSchema, { party }));
  const binary = await get("ListEvents",
    { connect: "v1", encoding: "proto", base64: "1", message: Buffer.from(bytes).toString("base64url") });
  assert.equal(binary.headers.get("content-type"), "application/proto");
  const listed = fromBinary(ListEventsResponseSchema, new Uint8Array(await binary.arrayBuffer()));
  assert.deepEqual(listed.events.map((event) => event.name), [made.name]);
  await refused(await get("ListEvents", { ...base64, message: "%" }), 400, "invalid_argument");

  for (const method of ["CreateEvent", "GetEvent", "ConfirmEvent"]) {
    const response = await head(get(method, { connect: "v1", encoding: "json", message: "{}" }));
    assert.equal(response.status, 405, method);
    assert.equal(response.headers.get("allow"), "POST", method);
  }
  assert.equal((await head(get("WatchEvent", { connect: "v1", encoding: "json", message: "{}" }))).status, 405);
  const put = await head(fetch(url("ListEvents"), { method: "PUT", headers: { ...json, ...asMember }, body: "{}" }));
  assert.equal(put.status, 405);
  assert.deepEqual(put.headers.get("allow").split(/, */).sort(), ["GET", "POST"]);
});

check("Connect's version and timeout are looked at", async () => {
  await answer(await post("ListEvents", {}, { "connect-protocol-version": "1", "connect-timeout-ms": "10000" }));
  await refused(await post("ListEvents", {}, { "connect-protocol-version": "2" }), 400, "invalid_argument");
  await refused(await post("ListEvents", {}, { "connect-timeout-ms": "soon" }), 400, "invalid_argument");
  await refused(await post("ListEvents", {}, { "connect-timeout-ms": "12345678901" }), 400, "invalid_argument");
});

check("a request that is compressed is unimplemented", async () => {
  const gzip = await fetch(url("ListEvents"), {
    method: "POST", headers: { ...json, ...asMember, "content-encoding": "gzip" }, body: gzipSync("{}") });
  await refused(gzip, 501, "unimplemented");
});

check("the server ends a stream at its deadline: Connect", async () => {
  const { name } = await propose();
  const response = await fetch(url("WatchEvent"), {
    method: "POST",
    headers: { ...asMember, "content-type": "application/connect+json", "connect-timeout-ms": "500" },
    body: frame(JSON.stringify({ name })),
  });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/connect+json");
  const all = frames(await response.arrayBuffer());
  const [first, last] = [all[0], all.at(-1)];
  assert.equal(first.flags, 0);
  assert.equal(JSON.parse(first.data).logEntry.sequence, "1");
  assert.equal(last.flags, 2);
  assert.equal(JSON.parse(last.data).error.code, "deadline_exceeded");
});

check("the server ends a stream at its deadline: gRPC-Web", async () => {
  const { name } = await propose();
  const response = await fetch(url("WatchEvent"), {
    method: "POST",
    headers: { ...asMember, "content-type": "application/grpc-web+json", "grpc-timeout": "500m", "x-grpc-web": "1" },
    body: frame(JSON.stringify({ name })),
  });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/grpc-web+json");
  const all = frames(await response.arrayBuffer());
  const [first, last] = [all[0], all.at(-1)];
  assert.equal(JSON.parse(first.data).logEntry.sequence, "1");
  assert.equal(last.flags, 0x80);
  assert.match(last.data.toString(), /^grpc-status: ?4\r\n/m);
});

check("gRPC-Web as text, as the package grpc-web calls", async () => {
  const party = newGuest();
  const made = await propose(party);
  const type = "application/grpc-web-text";
  const response = await fetch(url("ListEvents"), {
    method: "POST",
    headers: { ...asMember, "content-type": type, accept: type, "x-grpc-web": "1" },
    body: frame(toBinary(ListEventsRequestSchema, create(ListEventsRequestSchema, { party }))).toString("base64"),
  });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^application\/grpc-web-text(\+proto)?$/);
  // Each piece may have been padded by itself.
  const pieces = (await response.text()).match(/[A-Za-z0-9+/]+={0,2}/g).map((piece) => Buffer.from(piece, "base64"));
  const [message, trailers] = frames(Buffer.concat(pieces));
  assert.deepEqual(fromBinary(ListEventsResponseSchema, message.data).events.map((event) => event.name), [made.name]);
  assert.equal(trailers.flags, 0x80);
  assert.match(trailers.data.toString(), /^grpc-status: ?0\r\n/m);
});

check("a connection serves one call after the other, also after an error", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const reused = [];
  for (const body of ["{}", "{", "{}"]) {
    await new Promise((resolve, reject) => {
      const init = { method: "POST", agent, headers: { ...json, ...asMember } };
      const call = request(url("ListEvents"), init, (response) => {
        reused.push(call.reusedSocket);
        response.on("end", resolve).resume();
      });
      call.on("error", reject).end(body);
    });
  }
  agent.destroy();
  assert.deepEqual(reused, [false, true, true]);
});

check("a body may come in chunks", async () => {
  const body = new ReadableStream({
    start(controller) {
      for (const part of ['{"page', 'Size"', ": 1}"]) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });
  await answer(await fetch(url("ListEvents"),
    { method: "POST", headers: { ...json, ...asMember }, body, duplex: "half" }));
});

// tests/run has the gateway allow this one.
const allowed = "https://app.example";
const preflight = (origin) => head(fetch(url("ListEvents"), {
  method: "OPTIONS",
  headers: { origin, "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,connect-protocol-version,content-type" },
}));
const from = (origin, headers) => head(post("ListEvents", {}, { origin, ...headers }));
const list = (response, header) => response.headers.get(header)?.toLowerCase().split(/, */) ?? [];

check("CORS: a page of an origin that is allowed may call", async () => {
  const before = await preflight(allowed);
  assert.ok([200, 204].includes(before.status), `${before.status}`);
  assert.equal(before.headers.get("access-control-allow-origin"), allowed);
  for (const method of cors.allowedMethods) {
    assert.ok(list(before, "access-control-allow-methods").includes(method.toLowerCase()), method);
  }
  for (const header of [...cors.allowedHeaders, "authorization", "parley-act-for"]) {
    assert.ok(list(before, "access-control-allow-headers").includes(header.toLowerCase()), header);
  }
  assert.ok(list(before, "vary").includes("origin"));
  for (const call of [await from(allowed), await from(allowed, { authorization: "" })]) {
    assert.equal(call.headers.get("access-control-allow-origin"), allowed);
    for (const header of [...cors.exposedHeaders, "parley-call-id"]) {
      assert.ok(list(call, "access-control-expose-headers").includes(header.toLowerCase()), header);
    }
    assert.ok(list(call, "vary").includes("origin"));
  }
});

check("CORS: a page of another origin may not", async () => {
  for (const origin of ["https://other.example", "https://app.example.other.example", "http://app.example", "null"]) {
    assert.equal((await preflight(origin)).headers.get("access-control-allow-origin"), null, origin);
    assert.equal((await from(origin)).headers.get("access-control-allow-origin"), null, origin);
  }
});
