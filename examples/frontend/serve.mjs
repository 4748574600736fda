// Serves the page from an origin of its own, as a frontend is served from another host than its
// API: whatever it asks of the API is then a cross-origin request, which CORS_ORIGINS must allow.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const { PORT = '8080', HOST = '127.0.0.1', AWAY_AFTER = '300' } = process.env;
const { PRESENCE_API = 'http://127.0.0.1:8000' } = process.env;

const FILES = {
  '/': ['index.html', 'text/html'],
  '/style.css': ['style.css', 'text/css'],
  '/page.js': ['page.js', 'text/javascript'],
  '/session.js': ['session.js', 'text/javascript'],
  '/heartbeats.js': ['heartbeats.js', 'text/javascript'],
  '/idleness.js': ['idleness.js', 'text/javascript'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
};

/** What the page is configured by. */
const CONFIG = `export const API = ${JSON.stringify(PRESENCE_API)};
/** Seconds without a sign of the person until they are away. */
export const AWAY_AFTER = ${Number(AWAY_AFTER)};
`;

async function answer(path) {
  if (path === '/config.js') return { status: 200, type: 'text/javascript', body: CONFIG };
  const file = FILES[path];
  if (file === undefined) return { status: 404, type: 'text/plain', body: 'Not found\n' };
  const body = await readFile(new URL(`page/${file[0]}`, import.meta.url));
  return { status: 200, type: file[1], body };
}

const server = createServer(async (request, response) => {
  const { status, type, body } = await answer(request.url.split('?')[0]);
  response.writeHead(status, {
    'Content-Type': `${type}; charset=utf-8`,
    'Cache-Control': 'no-cache',
    'Content-Security-Policy': `default-src 'self'; connect-src ${new URL(PRESENCE_API).origin}`,
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(body);
});

server.on('error', (error) => {
  console.error(error.code === 'EADDRINUSE' ? `Port ${PORT} is taken: set PORT.` : error.message);
  process.exit(1);
});

server.listen(Number(PORT), HOST, () => {
  const origin = `http://${HOST}:${server.address().port}`;
  console.log(`The page is at ${origin} and asks ${PRESENCE_API}.`);
  console.log(`Let it: start the API with CORS_ORIGINS=${origin}`);
});
