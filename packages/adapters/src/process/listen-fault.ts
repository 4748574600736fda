type ListenError = NodeJS.ErrnoException & { port?: number; address?: string; hostname?: string };

/**
 * Why a server of ours cannot listen and what to do about it, in a sentence for whoever started it;
 * `undefined` where it is something else that failed.
 * @param ports the variables that the process has its ports from
 */
export function listenFault(error: unknown, ports: string): string | undefined {
  const { code, syscall, port, address, hostname } = error as ListenError;
  if (code === 'EADDRNOTAVAIL' || syscall === 'getaddrinfo') {
    return `HOST is ${address ?? hostname}, which is no address of this machine. Set it to one, or to 0.0.0.0 for all.`;
  }
  if (port === undefined) return undefined;
  const another = `Set ${ports} to another one.`;
  if (code === 'EADDRINUSE') return `Port ${port} is taken. ${another}`;
  if (code === 'EACCES') return `Port ${port} may not be used by this account. ${another}`;
  return undefined;
}
