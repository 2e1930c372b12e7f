// The programs that people have at hand: curl with JSON, and buf curl with the contracts.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { asMember, asStaff, gateway, http, newGuest } from "./system.js";

const method = (name) => `/parley.event.v1.EventService/${name}`;
const proposal = (guest = newGuest()) => JSON.stringify({
  event: { parties: [{ address: guest }], slots: [{ startTime: "2033-01-01T09:00:00Z", duration: "3600s" }] } });
// Keys go through a pipe: everybody on the machine can read the arguments of a process.
const lines = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`).join("");

/** A program that runs with this on its standard input. */
function start(program, args, input) {
  const process = spawn(program, args, { timeout: 30_000 });
  const said = { out: "", err: "" };
  process.stdout.setEncoding("utf8").on("data", (text) => (said.out += text));
  process.stderr.setEncoding("utf8").on("data", (text) => (said.err += text));
  said.ended = new Promise((resolve, reject) => {
    process.on("error", reject).on("close", (code) => resolve(Object.assign(said, { code })));
  });
  // It may not want all of it.
  process.stdin.on("error", () => {}).end(input);
  said.process = process;
  return said;
}
const succeeded = ({ code, out, err }) => {
  assert.equal(code, 0, err);
  return JSON.parse(out);
};

const curl = (name, args, headers = asMember) =>
  start("curl", ["-sS", "-H", "@-", ...args, http + method(name)], lines(headers)).ended;
const check = (what, body) => test(what, { timeout: 60_000 }, body);

check("curl: a call with JSON", async () => {
  const made = succeeded(await curl("CreateEvent", ["--json", proposal()]));
  assert.equal(made.state, "OPEN");
  const read = succeeded(await curl("GetEvent", ["--json", JSON.stringify({ name: made.name })]));
  assert.equal(read.slots[0].startTime, "2033-01-01T09:00:00Z");
});

check("curl: a call by GET", async () => {
  const party = newGuest();
  const made = succeeded(await curl("CreateEvent", ["--json", proposal(party)]));
  const listed = succeeded(await curl("ListEvents",
    ["-G", "-d", "connect=v1", "-d", "encoding=json", "--data-urlencode", `message=${JSON.stringify({ party })}`]));
  assert.deepEqual(listed.events.map((event) => event.name), [made.name]);
});

check("curl: an error", async () => {
  const { code, out } = await curl("ListEvents", ["--fail-with-body", "--json", "{}"], {});
  assert.equal(code, 22);
  assert.equal(JSON.parse(out).code, "unauthenticated");
});

check("curl: a request beyond 1 MiB", async () => {
  // Too long for an argument. curl asks first whether it may send it.
  const input = JSON.stringify({ event: { title: "x".repeat(1.5 * 2 ** 20) } });
  const { code, out, err } = await start("curl", ["-sS", "--json", "@-", http + method("CreateEvent")], input).ended;
  assert.equal(code, 0, err);
  assert.equal(JSON.parse(out).code, "resource_exhausted");
});

for (const [protocol, args] of Object.entries({
  connect: [],
  grpcweb: [],
  grpc: ["--http2-prior-knowledge"],
})) {
  const base = protocol === "grpc" ? gateway : http;
  const proto = new URL("../../../proto", import.meta.url).pathname;
  const buf = (name, message, headers = asMember) => start(process.env.PARLEY_TEST_BUF,
    ["curl", "--schema", proto, "--protocol", protocol, ...args, "-H", "@-", "-d", message, base + method(name)],
    lines(headers));
  const propose = async () => succeeded(await buf("CreateEvent", proposal()).ended);

  check(`buf curl, ${protocol}: a call`, async () => {
    const made = await propose();
    const read = succeeded(await buf("GetEvent", JSON.stringify({ name: made.name })).ended);
    assert.deepEqual(read, made);
  });

  check(`buf curl, ${protocol}: an error`, async () => {
    const { code, err } = await buf("ListEvents", "{}", {}).ended;
    // gRPC's code, shifted.
    assert.equal(code, 16 << 3, err);
    const error = JSON.parse(err);
    assert.equal(error.code, "unauthenticated");
    assert.deepEqual(error.details.map((detail) => detail.type), ["google.rpc.ErrorInfo"]);
  });

  check(`buf curl, ${protocol}: a watch`, async () => {
    const made = await propose();
    const watching = buf("WatchEvent", JSON.stringify({ name: made.name }));
    // It has come to what there is once it tells how far it is without an entry.
    await new Promise((resolve, reject) => {
      watching.process.stdout.on("data", () => {
        if (/^\{\s*"sequence":/m.test(watching.out)) resolve();
      });
      watching.ended.then(() => reject(new Error(`the watch has ended: ${watching.err}`)));
    });
    succeeded(await buf("DeleteEvent", JSON.stringify({ name: made.name, etag: made.etag }), asStaff).ended);
    const { code, out, err } = await watching.ended;
    assert.equal(code, 0, err);
    assert.match(out, /"deleted": ?true/);
  });
}
