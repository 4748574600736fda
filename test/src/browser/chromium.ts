import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

const ELSEWHERE = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

const ARGUMENTS = [
  // A container's root has no sandbox to step into, and no graphics.
  '--no-sandbox',
  '--disable-gpu',
  // Nothing that it would do by itself: it talks to this machine alone.
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Starts a headless Chromium with a profile of its own, which goes with it.
 * @throws with what to install, where there is none
 */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: findChromium(), args: ARGUMENTS });
}

function findChromium(): string {
  const given = process.env.CHROMIUM_PATH;
  if (given !== undefined && given !== '') {
    if (isProgram(given)) return given;
    throw new Error(`CHROMIUM_PATH is ${given}, which is no program.`);
  }
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const onPath = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = [...onPath, ...ELSEWHERE].find(isProgram);
  if (found === undefined) throw new Error(MISSING);
  return found;
}

const MISSING = [
  'The browser tests need Chromium or Chrome, and there is none. Any one of these will do:',
  '  - "sudo apt-get install chromium" on Debian, "sudo snap install chromium" on Ubuntu,',
  '    "brew install --cask chromium" on macOS;',
  '  - set CHROMIUM_PATH to the program of one that is installed elsewhere.',
].join('\n');

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
