export function Page() {
  return <h2>Incidents</h2>;
}
