import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { type ExactValidator, makeExactValidator } from 'envalid';
import { ALGORITHMS, type Algorithm } from '../jwt/jwt-settings.js';
import { secretText } from './validators.js';

/** RFC 7518, 3.2: a key for HS256 has at least the 256 bits of its hash. */
const MIN_SECRET_BYTES = 32;

/** RFC 7518, 3.3. */
const MIN_RSA_BITS = 2_048;

const CURVES: Partial<Record<string, Algorithm>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

export const secretKey: ExactValidator<KeyObject> = makeExactValidator((value) => {
  const { _parse } = secretText(MIN_SECRET_BYTES)();
  return createSecretKey(Buffer.from(_parse(value)));
});

export const publicKey: ExactValidator<KeyObject> = makeExactValidator((pem) => {
  if (pem.includes('PRIVATE KEY')) {
    throw new Error('holds a private key. Set it to the public key; keep the other one secret.');
  }
  return parsed(pem, createPublicKey, 'public');
});

export const privateKey: ExactValidator<KeyObject> = makeExactValidator((pem) =>
  parsed(pem, createPrivateKey, 'private'),
);

/** Which algorithms a key can be used with; the first is the one to sign with. */
export function algorithmsOf(key: KeyObject): readonly Algorithm[] {
  if (key.type === 'secret') return ALGORITHMS.filter((name) => name.startsWith('HS'));
  if (key.asymmetricKeyType === 'rsa') return ALGORITHMS.filter((name) => /^[RP]S/.test(name));
  const algorithm = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''];
  return algorithm === undefined ? [] : [algorithm];
}

/** Whether the two are halves of one pair. */
export function isPair(privateHalf: KeyObject, publicHalf: KeyObject): boolean {
  return createPublicKey(privateHalf).equals(publicHalf);
}

function parsed(pem: string, parse: (pem: string) => KeyObject, kind: string): KeyObject {
  const key = keyOrFault(pem, parse, kind);
  if (algorithmsOf(key).length === 0) {
    throw new Error('is of a kind that no algorithm here uses. Take RSA, or EC P-256.');
  }
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < MIN_RSA_BITS) {
    throw new Error(`is an RSA key of ${bits} bits. Take ${MIN_RSA_BITS} or more.`);
  }
  return key;
}

/** Many platforms cannot hold line breaks in a variable: `\n` stands for one there. */
function keyOrFault(pem: string, parse: (pem: string) => KeyObject, kind: string): KeyObject {
  try {
    return parse(pem.replaceAll('\\n', '\n'));
  } catch {
    throw new Error(`is no ${kind} key in PEM form (-----BEGIN …), without a passphrase.`);
  }
}
