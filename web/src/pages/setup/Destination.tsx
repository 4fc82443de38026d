import { useParams } from '@tanstack/react-router';
import { EndpointPage } from './EndpointPage';

export function Page() {
  const { id } = useParams({ from: '/shell/destinations/$id' });
  return <EndpointPage key={id} side="destination" id={id} />;
}
