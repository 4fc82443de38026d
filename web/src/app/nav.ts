import type { Icon } from '@tabler/icons-react';
import type { Permission } from '../api/me';
import { IconCatalogue, IconConnections, IconDestination, IconFlight, IconHealth, IconPeople, IconSource, IconSystem } from '../ui/icons';

export interface Place {
  to: '/' | '/connections' | '/sources' | '/destinations' | '/health' | '/catalogue' | '/people' | '/system';
  label: string;
  icon: Icon;
  /** Shown to those who may do this. */
  needs?: Permission;
  /** Further words that the palette finds it by. */
  also: string;
}

/** The places of the rail, in its order. */
export const places: readonly Place[] = [
  { to: '/', label: 'Flight control', icon: IconFlight, also: 'home running now dashboard' },
  { to: '/connections', label: 'Connections', icon: IconConnections, also: 'pipelines syncs list' },
  { to: '/health', label: 'Health', icon: IconHealth, also: 'incidents tickets wall alerts rota runbooks' },
  { to: '/sources', label: 'Sources', icon: IconSource, also: 'connectors credentials' },
  { to: '/destinations', label: 'Destinations', icon: IconDestination, also: 'warehouses' },
  { to: '/catalogue', label: 'Catalogue', icon: IconCatalogue, also: 'kinds connectors docs' },
  { to: '/people', label: 'People', icon: IconPeople, needs: 'manage', also: 'users tokens audit roles grants' },
  { to: '/system', label: 'System', icon: IconSystem, also: 'workers regions queue storage version' },
];
