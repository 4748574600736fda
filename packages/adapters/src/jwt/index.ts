export {
  ALGORITHMS,
  type Algorithm,
  type ClaimPath,
  type ClaimPaths,
  type IssuerSettings,
  type SigningKey,
  type VerifierSettings,
} from './jwt-settings.js';
export { tokenDigest } from './token-digest.js';
export { JwtIssuer } from './token-issuer.js';
export { JwtVerifier, type VerifierOptions } from './token-verifier.js';
