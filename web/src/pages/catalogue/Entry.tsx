import { PageFrame } from '../../ui/PageFrame';

export function Page() {
  return <PageFrame title="Connector" />;
}
