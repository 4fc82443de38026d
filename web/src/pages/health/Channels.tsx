import { Deliveries } from './Deliveries';
import { Ends } from './Ends';

/** The ways to people, the ways to ticket systems, and the log of all that was sent. */
export function Page() {
  return (
    <>
      <Ends side="channels" />
      <Ends side="trackers" />
      <Deliveries />
    </>
  );
}
