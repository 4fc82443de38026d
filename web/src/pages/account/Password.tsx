import { LinkForm } from './LinkForm';

export function Page() {
  return <LinkForm owner={false} />;
}
