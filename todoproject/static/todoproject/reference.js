// Starts the reference from our own files. A `PUT` of a task or a list needs `If-None-Match: *` or `If-Match`, whose
// fields start empty; that it can be tried by a click alone, it is sent with the version that was last seen here.
"use strict";

const versions = new Map();
const thing = (address) => /\/v1\/(?:tasks|lists)\/[0-9a-f-]{36}/.exec(address)?.[0];

const ui = SwaggerUIBundle({
  ...JSON.parse(document.getElementById("swagger-settings").textContent),
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  requestInterceptor: (request) => {
    const [name, given] = [thing(request.url), Object.keys(request.headers ?? {}).map((one) => one.toLowerCase())];
    if (request.method === "PUT" && name && !given.includes("if-match") && !given.includes("if-none-match")) {
      if (versions.has(name)) request.headers["If-Match"] = versions.get(name);
      else request.headers["If-None-Match"] = "*";
    }
    return request;
  },
  responseInterceptor: (response) => {
    const [name, version] = [thing(response.url), response.headers?.etag];
    if (version) versions.set(name, version);
    else if (response.status === 204 || response.status === 404) versions.delete(name);
    return response;
  },
});
