import { EndpointList } from './EndpointList';

export function Page() {
  return <EndpointList side="source" />;
}
