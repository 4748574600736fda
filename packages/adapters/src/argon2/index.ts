export { Argon2Hasher } from './password-hasher.js';
