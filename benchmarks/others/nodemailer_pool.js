// Nodemailer: its pool with sixteen connections, text and HTML given for each recipient, four mails waiting a connection.

const fs = require("node:fs");
const path = require("node:path");
const nodemailer = require("nodemailer");

const [port, count, folder] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
const text = fs.readFileSync(path.join(folder, "mail.txt"), "utf8");
const html = fs.readFileSync(path.join(folder, "mail.html"), "utf8");
const pool = nodemailer.createTransport({
  host: "127.0.0.1", port, secure: false, ignoreTLS: true, pool: true, maxConnections: 16, maxMessages: Infinity,
});
let next = 0;

async function sender() {
  while (next < count) {
    const number = next++;
    const to = `reader${number}@example.org`;
    const token = number.toString(16).padStart(32, "0");
    const own = (body) => body.replaceAll("@@TO@@", to).replaceAll("@@TOKEN@@", token);
    await pool.sendMail({
      from: "Digest <digest@example.org>", to, subject: "Trending papers", text: own(text), html: own(html),
      list: { unsubscribe: `https://digest.example.org/unsubscribe/${token}` },
      headers: { "List-Unsubscribe-Post": "List-Unsubscribe=One-Click" },
    });
  }
}

Promise.all(Array.from({ length: 64 }, sender)).then(() => pool.close());
