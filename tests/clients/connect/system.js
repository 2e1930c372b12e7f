// The system that is tested: its addresses, its keys, and what its gateway has logged.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";

export const state = process.env.PARLEY_STATE;
const read = (file) => readFileSync(`${state}/${file}`, "utf8").trim();

export const http = `http://${read("http")}`; // the Connect protocol, gRPC-Web
export const gateway = `http://${read("gateway")}`; // gRPC

export const asStaff = { authorization: `Bearer ${read("keys/staff")}` };
export const asMember = { authorization: `Bearer ${read("keys/member")}` };
export const member = "member@example.com";
/** Somebody who has part in no other event: tests run at the same time. */
export const newGuest = () => `guest.${randomUUID()}@example.org`;
/** Staff may act for a user, by a header besides the credential. */
export const as = (address) => ({ ...asStaff, "parley-act-for": address });

/** What the gateway's log says of a call, once it does. */
export async function logged(callId) {
  for (let end = Date.now() + 10_000; Date.now() < end; await setTimeout(20)) {
    const line = read("logs/gateway.log").split("\n").find((line) => line.includes(`"call_id":"${callId}"`));
    if (line) return JSON.parse(line);
  }
  throw new Error(`the gateway's log does not know the call ${callId}`);
}
