// Each way in which a client made with Connect may speak to Parley.
import * as node from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";
import { gateway, http } from "./system.js";

const baseUrl = http;
const http1 = { baseUrl, httpVersion: "1.1" };
// How the web's transports have called: by GET, or by POST.
export const fetched = [];
const recorded = (url, init) => {
  fetched.push(init.method);
  return fetch(url, init);
};
const get = { baseUrl, useHttpGet: true, fetch: recorded };

export const transports = {
  "web, Connect, JSON": web.createConnectTransport({ baseUrl }),
  "web, Connect, binary": web.createConnectTransport({ baseUrl, useBinaryFormat: true }),
  "web, Connect, JSON by GET": web.createConnectTransport(get),
  "web, Connect, binary by GET": web.createConnectTransport({ ...get, useBinaryFormat: true }),
  "web, gRPC-Web, binary": web.createGrpcWebTransport({ baseUrl }),
  "web, gRPC-Web, JSON": web.createGrpcWebTransport({ baseUrl, useBinaryFormat: false }),
  "node, Connect, JSON": node.createConnectTransport({ ...http1, useBinaryFormat: false }),
  "node, Connect, binary": node.createConnectTransport(http1),
  "node, Connect, by GET": node.createConnectTransport({ ...http1, useHttpGet: true }),
  "node, gRPC-Web": node.createGrpcWebTransport(http1),
  "node, gRPC": node.createGrpcTransport({ baseUrl: gateway }),
};
