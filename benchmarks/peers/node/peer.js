// Builds and sends mails with nodemailer, sixteen pooled connections: peer.js PORT MAILS text|html < BODY.
//
// Prints one line of JSON: rate and CPU for each mail.
import { readFileSync } from "node:fs";
import { createTransport } from "nodemailer";

const connections = 16;
const [port, mails, kind] = process.argv.slice(2);
const body = readFileSync(0, "utf8");
const transport = createTransport({
  host: "127.0.0.1",
  port: Number(port),
  secure: false,
  ignoreTLS: true,
  pool: true,
  maxConnections: connections,
  maxMessages: Infinity,
});
let left = Number(mails);

async function work() {
  while (left-- > 0) {
    await transport.sendMail({
      from: "Shop <shop@example.com>",
      to: "Jane Doe <jane@example.org>",
      subject: "Your order 4711 has been shipped",
      text: body,
      ...(kind === "html" && { html: `<html><body><p>${body}</p></body></html>` }),
    });
  }
}

const begun = performance.now();
const before = process.cpuUsage();
await Promise.all(Array.from({ length: connections }, work));
const seconds = (performance.now() - begun) / 1000;
const spent = process.cpuUsage(before);
transport.close();
console.log(
  JSON.stringify({
    jobs_per_second: Number(mails) / seconds,
    cpu_ms: (spent.user + spent.system) / 1000 / Number(mails),
  }),
);
