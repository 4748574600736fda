// Writes docs/asyncapi.yaml from the schemas that the decoder shares. Runs on built code.
import { mkdirSync, writeFileSync } from 'node:fs';
import { asyncapiDocument } from '@presence/adapters/wire';
import { stringify } from 'yaml';

const FILE = new URL('../../../docs/asyncapi.yaml', import.meta.url);
const HEADER = '# Generated from packages/adapters/src/wire/schema.ts; change that instead.\n';

mkdirSync(new URL('.', FILE), { recursive: true });
writeFileSync(
  FILE,
  HEADER + stringify(asyncapiDocument(), { lineWidth: 100, aliasDuplicateObjects: false }),
);
