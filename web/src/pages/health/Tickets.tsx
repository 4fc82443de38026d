export function Page() {
  return <h2>Tickets</h2>;
}
