import { useParams } from '@tanstack/react-router';
import { EndpointPage } from './EndpointPage';

export function Page() {
  const { id } = useParams({ from: '/shell/sources/$id' });
  return <EndpointPage key={id} side="source" id={id} />;
}
