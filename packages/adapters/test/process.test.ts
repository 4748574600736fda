import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLogger, logFile, messageOf } from '@presence/adapters/process';
import { startProcess, temporaryFolder } from '@presence/test-services';
import { expect } from 'chai';

describe('A process', () => {
  it('outlives errors that nobody caught: each is told and counted', async () => {
    const entry = fileURLToPath(new URL('unhandled-process.js', import.meta.url));
    const child = startProcess(entry);
    expect((await child.exited).code).to.equal(0);
    for (const message of ['thrown in a callback', 'rejected', 'emitted']) {
      expect(child.stdout).to.include(`"message":"${message}"`);
    }
    expect(child.stdout).to.include('presence_unhandled_errors_total 3');
  });

  it('is stopped by one signal, and not cut short by more of them', async () => {
    const entry = fileURLToPath(new URL('stopping-process.js', import.meta.url));
    const child = startProcess(entry);
    await child.waitForOutput(/started/);
    process.kill(child.pid, 'SIGTERM');
    await child.waitForOutput(/stopping for SIGTERM/);
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(child.pid, signal);
    child.endInput();
    expect((await child.exited).code).to.equal(0);
    expect(child.stdout.match(/stopping/g)).to.have.length(1);
  });

  it('tells of an error of many parts what each of them says', () => {
    const error = new AggregateError([new Error('::1 refused'), new Error('127.0.0.1 refused')]);
    expect(messageOf(error)).to.equal('::1 refused; 127.0.0.1 refused');
  });

  it('keeps its heap little above what it remembers, if told so', async () => {
    const entry = 'heap-process.js';
    const [small, left] = [await numberSaidBy(entry, 'small'), await numberSaidBy(entry)];
    expect(small / left).to.be.within(0.1, 0.7); // 0.42 to 0.45 measured.
  });

  it('is compiled well after fewer calls, if told so', async () => {
    const entry = 'compiler-process.js';
    const [early, left] = [await numberSaidBy(entry, 'early'), await numberSaidBy(entry)];
    expect(early / left).to.be.below(0.5);
  });

  it('goes on where its log takes no line, and keeps no more than a megabyte of them', async () => {
    const path = join(await temporaryFolder('log'), 'log');
    writeFileSync(path, '');
    const file = openSync(path, 'r');
    const log = logFile(file);
    const logger = createLogger('unheard', 'info', log);
    let dropped = 0;
    log.on('drop', () => dropped++);
    for (let line = 0; line < 3_000; line++) logger.info({ line }, 'x'.repeat(1_000));
    expect(dropped).to.be.above(1_500);
    closeSync(file);
    expect(readFileSync(path, 'utf8')).to.equal('');
  });
});

async function numberSaidBy(entry: string, ...args: string[]): Promise<number> {
  const child = startProcess(fileURLToPath(new URL(entry, import.meta.url)), { args });
  expect((await child.exited).code).to.equal(0);
  return Number(child.stdout);
}
