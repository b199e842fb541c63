// Leads connections for one name to a server on loopback: no /etc/hosts, and no root for port 443.
"use strict";
const net = require("node:net");

const { NAME, ADDRESS, HTTP_PORT, HTTPS_PORT } = process.env;
const { connect } = net.Socket.prototype;

net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (options.host === NAME) {
    options.host = ADDRESS;
    options.port = Number(options.port) === 443 ? Number(HTTPS_PORT) : Number(HTTP_PORT);
  }
  return connect.apply(this, args);
};
