// Starts the reference from our own files. It remembers the version of what it has last shown or written: to replace
// what is there needs `If-Match`, whose field starts empty, and a `PUT` shall be tried again by a click alone.
"use strict";

const versions = new Map();
const of = (address) => address.replace(/(\/v1\/(?:tasks|lists)\/[0-9a-f-]{36}).*/, "$1");

const ui = SwaggerUIBundle({
  ...JSON.parse(document.getElementById("swagger-settings").textContent),
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  requestInterceptor: (request) => {
    const names = Object.keys(request.headers ?? {}).map((name) => name.toLowerCase());
    const isBare = !names.includes("if-match") && !names.includes("if-none-match");
    if (request.method === "PUT" && isBare && versions.has(of(request.url))) {
      request.headers["If-Match"] = versions.get(of(request.url));
    }
    return request;
  },
  responseInterceptor: (response) => {
    if (response.headers?.etag) versions.set(of(response.url), response.headers.etag);
    else if (response.status === 204 || response.status === 404) versions.delete(of(response.url));
    return response;
  },
});
