import { createContext, useContext } from 'react';
import type { Connection } from '../../api/connections';

export const ConnectionContext = createContext<Connection | null>(null);

/** The connection whose page this is; its layout has read it before any tab is drawn. */
export function useConnection(): Connection {
  const c = useContext(ConnectionContext);
  if (!c) throw new Error('a tab of a connection outside its layout');
  return c;
}

/** Its open sync: one that waits, runs or will be tried again. */
export function openSync(c: Connection): Connection['last_sync'] | undefined {
  return c.last_sync && c.last_sync.state !== 'ended' ? c.last_sync : undefined;
}
