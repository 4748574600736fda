import { parseOptions } from '@node-rs/argon2';
import { Argon2Hasher } from '@presence/adapters/argon2';
import { expect } from 'chai';
import { Turns } from '../dist/process/turns.js';

describe('A password hasher', () => {
  const hasher = new Argon2Hasher();

  it('matches a password with its own hash alone', async () => {
    const hash = await hasher.hash('open sesame');
    expect(await hasher.verify(hash, 'open sesame')).to.equal(true);
    expect(await hasher.verify(hash, 'open sesame ')).to.equal(false);
    expect(await hasher.verify(hash, '')).to.equal(false);
  });

  it('hashes with argon2id at the cost that OWASP asks for, and a salt of its own', async () => {
    const hash = await hasher.hash('open sesame');
    expect(hash).to.match(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(parseOptions(hash)).to.include({ outputLen: 32, saltLen: 16 });
    expect(hash).not.to.equal(await hasher.hash('open sesame'));
  });

  it('takes both spellings of an é for the same', async () => {
    const hash = await hasher.hash('caf\u00e9');
    expect(await hasher.verify(hash, 'cafe\u0301')).to.equal(true);
  });

  it('lets nobody in without a hash, and works as long to find out', async () => {
    const hash = await hasher.hash('open sesame');
    const known: number[] = [];
    const unknown: number[] = [];
    for (let round = 0; round < 15; round++) {
      known.push(await duration(() => hasher.verify(hash, 'wrong')));
      unknown.push(
        await duration(async () => expect(await hasher.verify(null, 'wrong')).to.equal(false)),
      );
    }
    expect(median(unknown) / median(known)).to.be.within(0.5, 2);
  });
});

describe('Turns', () => {
  it('run no more jobs at once than they allow, in the order of their coming', async () => {
    const turns = new Turns(2);
    const order: number[] = [];
    let running = 0;
    let most = 0;
    const job = (n: number) => async () => {
      most = Math.max(most, ++running);
      order.push(n);
      await new Promise(setImmediate);
      running--;
      return n;
    };
    const results = await Promise.all([0, 1, 2, 3, 4, 5].map((n) => turns.run(job(n))));
    expect(results).to.deep.equal([0, 1, 2, 3, 4, 5]);
    expect(order).to.deep.equal([0, 1, 2, 3, 4, 5]);
    expect(most).to.equal(2);
  });

  it('pass on when a job fails', async () => {
    const turns = new Turns(1);
    const failed = turns.run(() => Promise.reject(new Error('no')));
    const next = turns.run(() => Promise.resolve('next'));
    expect(await failed.catch((error: Error) => error.message)).to.equal('no');
    expect(await next).to.equal('next');
    expect(await turns.run(() => Promise.resolve('again'))).to.equal('again');
  });
});

async function duration(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
